"""Speed against floors that are measured in the same run: `make bench`, or `python -m tests.bench [--quick] [--only NAME] [--base FOLDER]`.

One module a line of the table. Each has `measure(plan) -> list[Row]`, builds everything it needs, and takes it down again.
What is compared is run in turns (A B A B) and told by medians, so that a machine that slows down slows both. The rows go
into `build/bench.json`; `BENCHMARKS.md` says how to read and repeat them.
"""
