"""Mutation testing of the simulation: `make sim MUTANTS=1`. Every trap and promise of the design is broken, by a small change in
a temporary copy of the product, and the simulation must notice.

A mutant counts as caught only if a run violated an invariant that the table names for it, and the same seed passes on the
unchanged code (a seed that finds a defect of the product proves nothing about the mutant). A mutant that is not caught, or
only broke the program, is a failure: exit code 1.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("hub", "adapters", "mappings", "workers", "tests", "wsgi.py", "pyproject.toml")

MOST = 400
"""After so many runs without a catch, a mutant counts as a survivor."""

LONGEST = 60
"""Most processor time of one run, in seconds. A mutant that never ends is not caught by an invariant."""

BROKEN = ("ImportError", "ModuleNotFoundError", "SyntaxError", "NameError", "TypeError", "AttributeError")
"""Exceptions which show that the mutant only broke the program."""


@dataclass(frozen=True)
class Outcome:
    """The result for one mutant. by: the invariant or test that caught it; "": nothing did."""

    mutant: Mutant
    by: str
    seed: int | None
    runs: int
    words: str = ""
    seconds: float = 0.0

    @property
    def caught(self) -> bool:
        return bool(self.by) and self.by in (*self.mutant.caught_by, self.mutant.test)


# --- the copy ---------------------------------------------------------------------------------------------------------


def planted(text: str, old: str, new: str, where: str) -> str:
    """The text with its only `old` replaced. Raises ValueError if there is none, or more than one."""
    count = text.count(old)
    if count != 1:
        raise ValueError(f"{where}: {old!r} is there {count} times; the table of mutants must follow the code")
    return text.replace(old, new)


def plant(mutant: Mutant, root: Path) -> None:
    """Makes the mutant's changes in the tree at `root`."""
    for edit in mutant.edits:
        path = root / edit.file
        text = path.read_text(encoding="utf-8")
        path.write_text(planted(text, edit.old, edit.new, f"{mutant.name}, {edit.file}"), encoding="utf-8")


def copy(place: Path) -> None:
    """Copies the repository's packages, without compiled files."""
    for name in COPIED:
        source, target = ROOT / name, place / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, target)


def python(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with the tree at `place` as its only source."""
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *words], cwd=place, env=environment, capture_output=True, text=True)


# --- in the copy ------------------------------------------------------------------------------------------------------


class Endless(BaseException):
    """A run used more than `LONGEST` seconds."""


def _endless(number: int, frame: Any) -> None:
    raise Endless


def seeds(mutant: Mutant | None, most: int) -> Iterator[int]:
    """At most so many seeds: first those that draw the faults which the table names in `needs`."""
    import random

    from tests.simulation.faults import draw

    needs = mutant.needs if mutant else ()
    number = -1
    for _ in range(most):
        number += 1
        while not all(getattr(draw(random.Random(f"{number}/faults")), name) for name in needs):
            number += 1
        yield number


def one(way: str, seed: int) -> Any:
    """Runs one seed in one of the simulation's ways."""
    if way == "real":
        from tests.simulation import real

        return real.simulate(seed)
    if way == "spaced":
        from tests.simulation import two_worlds

        return two_worlds.compare(seed)
    from tests.simulation.runs import simulate

    return simulate(seed)


def hunt(mutant: Mutant | None, way: str, numbers: Iterator[int]) -> dict[str, Any]:
    """Runs seeds on the tree in the working directory until an invariant is violated that the table names for the mutant.
    (Any other violation may be chance: it is kept, in case that nothing else is found.)"""
    import hub

    assert Path(hub.__file__).is_relative_to(Path.cwd()), f"{hub.__file__} is not the copy's"
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGPROF, _endless)
    runs, other = 0, {"seed": None, "by": "", "words": "survived"}
    for seed in numbers:
        runs += 1
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        try:
            result = one(way, seed)
        except Endless:
            return {"seed": seed, "runs": runs, "by": "", "words": f"no end after {LONGEST} s"}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if not result.passed:
            broken = result.violation == "no exception leaves a task" and result.words.startswith(BROKEN)
            found = {"seed": seed, "by": "" if broken else result.violation, "words": result.words}
            if mutant is None or broken or result.violation in mutant.caught_by:
                return {**found, "runs": runs}
            other = found
    return {**other, "runs": runs}


# --- the hunt ---------------------------------------------------------------------------------------------------------

_HOLES: dict[tuple[str, int], bool] = {}
"""(way, seed) → whether the unchanged code fails there too."""


def _hole(way: str, seed: int) -> bool:
    if (way, seed) not in _HOLES:
        done = python(ROOT, "-m", "tests.simulation.mutate", "--way", way, "--seed", str(seed))
        _HOLES[way, seed] = json.loads(done.stdout.splitlines()[-1])["seed"] is not None
    return _HOLES[way, seed]


def judge(mutant: Mutant, most: int = MOST) -> Outcome:
    """Plants one mutant and reports what caught it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lockstep-mutant-") as folder:
        place = Path(folder)
        copy(place)
        plant(mutant, place)
        if mutant.test:
            return _by_test(mutant, place, began)
        runs, inner = 0, ("-m", "tests.simulation.mutate", "--in-copy", mutant.name, "--most", str(most))
        while True:
            done = python(place, *inner, "--skip", str(runs))
            if done.returncode != 0:
                return Outcome(mutant, "", None, runs, done.stderr[-400:], time.monotonic() - began)
            found = json.loads(done.stdout.splitlines()[-1])
            runs += found["runs"]
            noticed = found["by"] in mutant.caught_by
            if not noticed or runs >= most or not _hole(mutant.way, found["seed"]):
                seconds = time.monotonic() - began
                return Outcome(mutant, found["by"], found["seed"], runs, found["words"], seconds)
            # else the seed fails without the mutant too and proves nothing


def _by_test(mutant: Mutant, place: Path, began: float) -> Outcome:
    done = python(place, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", mutant.test)
    failed = (
        done.returncode == 1 and f"FAILED {mutant.test}" in done.stdout and " error" not in done.stdout.splitlines()[-1]
    )
    return Outcome(
        mutant,
        mutant.test if failed else "",
        None,
        1,
        done.stdout[-600:] + done.stderr[-200:],
        time.monotonic() - began,
    )


def table(outcomes: list[Outcome]) -> str:
    """mutant | trap | caught by | seeds needed"""
    lines = [("mutant", "breaks", "caught by", "runs", "seed")]
    for o in outcomes:
        by = o.by if o.caught else f"NOT CAUGHT ({o.by or o.words.strip().splitlines()[-1][:60]})"
        lines.append((o.mutant.name, o.mutant.breaks, by, str(o.runs), "–" if o.seed is None else str(o.seed)))
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    lines.insert(1, tuple("-" * w for w in widths))
    return "\n".join(
        " | ".join(field_path.ljust(w) for field_path, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at once (default 2)")
    parser.add_argument("--only", action="append", default=[], help="a mutant's name, or what it breaks (repeatable)")
    parser.add_argument("--most", type=int, default=MOST, help=f"runs until one counts as a survivor (default {MOST})")
    for inner in ("--in-copy", "--way"):
        parser.add_argument(inner, help=argparse.SUPPRESS)
    for inner in ("--seed", "--skip"):
        parser.add_argument(inner, type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.way:
        print(json.dumps(hunt(None, given.way, iter([given.seed]))))
        return 0
    if given.in_copy:
        mutant = next(m for m in MUTANTS if m.name == given.in_copy)
        numbers = list(seeds(mutant, given.most))[given.skip :]
        print(json.dumps(hunt(mutant, mutant.way, iter(numbers))))
        return 0
    chosen = [m for m in MUTANTS if not given.only or {m.name, m.breaks} & set(given.only)]
    if not chosen:
        parser.error("no mutant has that name")
    began = time.monotonic()
    outcomes = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for outcome in pool.map(lambda m: judge(m, given.most), chosen):
            outcomes.append(outcome)
            said = f"caught by: {outcome.by}" if outcome.caught else f"NOT CAUGHT, {outcome.by}: {outcome.words}"
            print(f"{outcome.mutant.name}: {said} ({outcome.runs} runs, {outcome.seconds:.0f} s)", flush=True)
    print("\n" + table(outcomes))
    missed = [o for o in outcomes if not o.caught]
    took = time.monotonic() - began
    print(f"\n{len(outcomes)} mutants, {len(outcomes) - len(missed)} caught, {len(missed)} not; {took:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
