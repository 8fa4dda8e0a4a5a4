"""Runs many seeds: `python -m tests.simulation.run --seeds 500`, or replays one: `--seed N`.

Prints for each batch the commit, the seeds, the faults drawn, the number of events and the coverage; for a failing seed the
violated invariant, the end of its trace and the command that replays it. Exit code 1 if any seed failed.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests.simulation import real, two_worlds
from tests.simulation.coverage import Coverage
from tests.simulation.runs import Result, again, simulate

TAIL = 45
"""Lines of a failing seed's trace that are printed."""

REPEAT, SPACED = 0.03, 0.03
"""Share of seeds that are run twice ("same seed, same trace"), and that run with and without webhooks."""


def one(job: tuple[int, float]) -> Result:
    """Runs one seed, in the way that its number selects: most at the adapter port, some through the real clients, some twice."""
    seed, real_share = job
    share = (seed * 2654435761 % 2**32) / 2**32
    if share < real_share:
        return real.simulate(seed)
    if share < real_share + SPACED:
        return two_worlds.compare(seed)
    result = simulate(seed)
    if result.passed and share > 1 - REPEAT:
        differed = again(result)
        if differed:
            result.violation, result.words = "same seed, same trace", differed
        result.coverage.checks["same seed, same trace"] += 1
    if result.passed:
        result.trace = []
    return result


def commit() -> str:
    """The commit under test, with a mark if the working tree differs from it."""
    try:
        name = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if dirty else "")


def results(seeds: list[int], jobs: int, real_share: float) -> Iterator[Result]:
    work = [(seed, real_share) for seed in seeds]
    if jobs <= 1 or len(seeds) == 1:
        yield from map(one, work)
        return
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=200) as pool:
        yield from pool.imap_unordered(one, work, chunksize=2)


def show(result: Result, verbose: bool) -> None:
    """Prints a failure, or the result of a single seed."""
    print(
        f"\nseed {result.seed}: {'passed' if result.passed else 'FAILED'}, {result.events} events, {result.seconds:.2f} s"
    )
    print("  faults: " + (", ".join(result.faults.drawn()) or "none"))
    if verbose or not result.passed:
        print("  " + "\n  ".join(result.trace[-TAIL:]))
    if not result.passed:
        print(f"  INVARIANT {result.violation}: {result.words}")
        print(f"  replay: python -m tests.simulation.run --seed {result.seed}   (or: make sim SEED={result.seed})")


def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=500, help="how many fresh seeds (default 500)")
    parser.add_argument("--seed", type=int, help="this seed alone, with its trace")
    parser.add_argument("--start", type=int, help="first seed of the batch (default: from the system's randomness)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument(
        "--real-share", type=float, default=0.05, help="share of seeds through the real client libraries"
    )
    parser.add_argument("--tolerate", type=float, default=0.0, help="share of seeds that may fail (default none)")
    parser.add_argument("--minutes", type=float, help="go on with fresh seeds for so long, whatever --seeds says")
    given = parser.parse_args(argv)
    logging.disable(logging.CRITICAL)
    if given.seed is not None:
        result = one((given.seed, given.real_share))
        print(f"commit {commit()}")
        show(result, verbose=True)
        print(result.coverage.table())
        return 0 if result.passed else 1
    began = time.monotonic()  # the only use of the machine's clock: the duration of the batch
    total, failed, coverage, counts = 0, [], Coverage(), Counter[str]()
    seconds: list[float] = []
    events: list[int] = []
    drawn: Counter[str] = Counter()
    while True:
        first = given.start if given.start is not None else int.from_bytes(os.urandom(4), "big")
        print(f"commit {commit()}, {given.seeds} seeds from {first}, {given.jobs} at once", flush=True)
        for result in results(list(range(first, first + given.seeds)), given.jobs, given.real_share):
            total += 1
            coverage.add(result.coverage)
            counts.update(result.counts)
            drawn.update(f.partition("=")[0] for f in result.faults.drawn())
            seconds.append(result.seconds)
            events.append(result.events)
            if not result.passed:
                failed.append(result)
                show(result, verbose=False)
                sys.stdout.flush()
        if given.minutes is None or time.monotonic() - began > given.minutes * 60:
            break
    print("\nwhat happened:  " + ", ".join(f"{n} {c}" for n, c in sorted(counts.items())))
    print("seeds in which a fault existed:  " + ", ".join(f"{n} {c}" for n, c in sorted(drawn.items())))
    print(coverage.table())
    print(f"events a run: median {statistics.median(events):.0f}, least {min(events)}, most {max(events)}")
    print(f"seconds a run: median {statistics.median(seconds):.2f}; the batch took {time.monotonic() - began:.0f} s")
    for result in failed:
        print(f"seed {result.seed}: {result.violation}")
    print(f"{total - len(failed)} passed, {len(failed)} failed")
    if failed and len(failed) <= given.tolerate * total:
        print(f"tolerated: at most {given.tolerate:.1%} of the seeds; each of them is a hole to be closed")
        return 0
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
