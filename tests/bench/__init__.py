"""Speed against floors that are measured in the same run: `make bench`, or `python -m tests.bench [--quick] [--only NAME] [--base FOLDER]`.

One module for each line of the table. Each has `measure(plan) -> list[Row]`, builds everything it needs, and removes it again.
What is compared runs in turns (A B A B) and is reported by medians, so that a machine that slows down slows both. The rows go
into `build/bench.json`; `BENCHMARKS.md` says how to read and repeat them.
"""
