"""Two real workers on PostgreSQL, interleaved statement by statement.

Two tasks of two workers run in two threads, each with a database connection of its own; a scheduler lets one of them go on
at a time, and decides before every SQL statement, every commit and every vendor call which one. Whoever waits for a row
lock is found out by `pg_blocking_pids` and left waiting. So a race is a list of numbers, and happens again when asked for.

`schedule` enumerates the interleavings, `place` is the company that they happen in, `pairs` is who meets whom, and
`verdict` says what must hold after each.
"""
