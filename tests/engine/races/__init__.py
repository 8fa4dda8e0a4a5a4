"""Two real workers on PostgreSQL, interleaved statement by statement.

Two tasks of two workers run in two threads, each with a database connection of its own; a scheduler lets one of them go on
at a time, and decides before every SQL statement, every commit and every vendor call which one. A thread that waits for a
row lock is detected by `pg_blocking_pids` and left waiting. So a race is a list of numbers and can be repeated.

`schedule` enumerates the interleavings, `place` is the hub and the vendors that they run on, `pairs` lists the pairs of tasks,
and `verdict` checks what must hold after each race.
"""
