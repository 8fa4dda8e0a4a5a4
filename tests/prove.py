"""Runs every check of the product's promises in turn and prints a table: `python -m tests.prove [--quick] [--base FOLDER]`.

Exits with 1 if any check failed, else with 0; the table names the checks that could not be run on this machine.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from tests.bench.machine import ROOT

NO_POSTGRES = "not tried: it needs a PostgreSQL; set LOCKSTEP_TEST_POSTGRES, for example postgresql:///postgres"
CLOSING = re.compile(r"=* ?(\d+ (?:passed|failed|mutants|rows)\b.*?)[ =]*$")
"""The result line of a part; the last one that matches counts."""


@dataclass(frozen=True)
class Part:
    """shows: its purpose. whole, quick: arguments of `make`. postgres: whether it needs a PostgreSQL. base: whether it compares
    with an older checkout, if one is given."""

    shows: str
    whole: tuple[str, ...]
    quick: tuple[str, ...]
    postgres: bool = False
    base: bool = False


PARTS = (
    Part("the tests notice what breaks a promise", ("sim", "MUTANTS=1"), ("sim", "MUTANTS=1")),
    Part("fresh seeds of the simulation", ("sim", "SEEDS=20000", "TOLERATE=0.00005"), ("sim", "SEEDS=200")),
    Part("two workers, statement by statement", ("races", "RACES=12000"), ("races", "RACES=1000"), postgres=True),
    Part("real processes, broken one after another", ("faults", "AT_ONCE=4"), ("faults", "QUICK=1")),
    Part("speed, against what the parts alone can do", ("bench",), ("bench", "QUICK=1"), base=True),
)


@dataclass(frozen=True)
class Outcome:
    shows: str
    said: str
    seconds: float
    holds: bool | None
    """None: not run."""


def prove(
    parts: Sequence[Part], quick: bool, run: Callable[[Sequence[str]], tuple[int, str]], base: str | None = None
) -> list[Outcome]:
    """Runs the parts. run: runs `make` with arguments and returns (exit status, closing line). base: folder of an older checkout."""
    outcomes = []
    for part in parts:
        if part.postgres and not os.environ.get("LOCKSTEP_TEST_POSTGRES"):
            outcomes.append(Outcome(part.shows, NO_POSTGRES, 0, None))
            continue
        began = time.monotonic()
        words = part.quick if quick else part.whole
        status, said = run((*words, f"BASE={base}") if base and part.base else words)
        outcomes.append(Outcome(part.shows, said, time.monotonic() - began, status == 0))
    return outcomes


def make(words: Sequence[str], out: TextIO = sys.stdout, program: Sequence[str] = ("make",)) -> tuple[int, str]:
    """Runs make and passes its output on. Returns (exit status, closing line)."""
    print(f"\n=== make {' '.join(words)}", file=out, flush=True)
    with subprocess.Popen(
        [*program, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as running:
        assert running.stdout is not None
        said = ""
        for line in running.stdout:
            out.write(line)
            out.flush()
            if found := CLOSING.match(line.rstrip("\n")):
                said = found[1]
    return running.returncode, said or f"it broke off with status {running.returncode} and said nothing"


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as a table for people."""
    words = {True: "yes", False: "NO", None: "-"}
    width = max(len(o.shows) for o in outcomes)
    return "\n".join(
        [f"{'what':{width}}  holds  minutes  figures", f"{'-' * width}  -----  -------  -------"]
        + [f"{o.shows:{width}}  {words[o.holds]:5}  {o.seconds / 60:7.1f}  {o.said}" for o in outcomes]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of each")
    parser.add_argument("--base", metavar="FOLDER", help="an older checkout with its own .venv, for the benchmark")
    given = parser.parse_args(arguments)
    outcomes = prove(PARTS, given.quick, make, given.base)
    print("\n" + table(outcomes))
    return 1 if any(o.holds is False for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
