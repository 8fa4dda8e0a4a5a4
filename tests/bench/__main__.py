"""`python -m tests.bench [--quick] [--only NAME ...] [--base FOLDER]`: measures, prints one table, writes `build/bench.json`.

Ends with 0 when every requirement holds, with 1 when one does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.bench import machine
from tests.bench.databases import POSTGRES, kinds
from tests.bench.rows import COLUMNS, Plan, Row
from tests.bench.town import python_of

NAMES = (
    "starting", "footprint", "writes", "sweeping", "simulation", "settling", "wakeup", "clients", "intake", "cost", "latency", "limits", "storm",
)  # fmt: skip
"""The modules of this package that measure; the quick ones first."""

BUILD = machine.ROOT / "build" / "bench.json"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, a few minutes in all")
    parser.add_argument("--mini", action="store_true", help="only whether everything runs; the figures mean nothing")
    parser.add_argument("--only", action="append", choices=NAMES, help="one part; may be repeated")
    parser.add_argument(
        "--base",
        type=_checkout,
        metavar="FOLDER",
        help="a checkout of an older version, with an environment in .venv: processor time is compared with its",
    )
    given = parser.parse_args(arguments)
    plan = Plan("mini" if given.mini else "quick" if given.quick else "full", note, base=given.base)
    if POSTGRES not in kinds():
        note("without PostgreSQL: set LOCKSTEP_TEST_POSTGRES, for example postgresql:///postgres")
    rows: list[Row] = []
    for name in given.only or NAMES:
        began = time.monotonic()
        note(f"--- {name}")
        rows += import_module(f"tests.bench.{name}").measure(plan)
        note(f"    {time.monotonic() - began:.0f} s")
    BUILD.parent.mkdir(exist_ok=True)
    BUILD.write_text(json.dumps([row.shape() for row in rows], indent=1) + "\n", encoding="utf-8")
    print(table(rows))
    print("\n".join(["", *plan.notes, *machine.lines(), f"size of the run: {plan.size}"]))
    required, broken = (sum(row.holds in which for row in rows) for which in ((True, False), (False,)))
    print(f"{len(rows)} rows, {required} of them required, {broken} of which do not hold")
    return 1 if broken else 0


def _checkout(folder: str) -> Path:
    path = Path(folder).resolve()
    if not python_of(path).exists():
        raise argparse.ArgumentTypeError(
            f"there is no {python_of(path)}; make an environment there: uv venv, then uv pip install -e '.[test]'"
        )
    return path


def note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def table(rows: Sequence[Row]) -> str:
    """The rows as a table for people."""
    cells = [COLUMNS, *([_cell(getattr(row, column)) for column in COLUMNS] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
