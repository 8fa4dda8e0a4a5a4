"""Simulation runs per second on one core, by processor time, so that other load on the machine does not count."""

from __future__ import annotations

import cProfile
import logging
import pstats
import time
from collections import Counter
from pathlib import Path
from statistics import median

from tests.bench.rows import Plan, Row, at_least
from tests.simulation.runs import simulate

FIRST_SEED = 1_000_000


def measure(plan: Plan) -> list[Row]:
    logging.disable(logging.CRITICAL)  # the hub logs each of the injected faults
    try:
        return _measured(plan)
    finally:
        logging.disable(logging.NOTSET)


def _measured(plan: Plan) -> list[Row]:
    runs = plan.of(60, 15, 1)
    simulate(FIRST_SEED - 1)  # loads the modules and makes the database that all runs share
    results, began = [], time.process_time()
    for seed in range(FIRST_SEED, FIRST_SEED + runs):
        results.append(simulate(seed))
    seconds = time.process_time() - began
    failed = [r.seed for r in results if not r.passed]
    if failed:
        plan.notes.append(f"simulation: seeds that failed, and so ended early: {failed}")
    plan.notes.append("simulation: " + _dominates(FIRST_SEED))
    return [
        at_least("simulation runs on one core", runs / seconds, "runs/s", 4.0),
        at_least("events in the median run", float(median(r.events for r in results)), "events", 200.0),
    ]


def _dominates(seed: int) -> str:
    """Share of the processor time by part, each function's own time."""
    profile = cProfile.Profile()
    profile.runcall(simulate, seed)
    spent: Counter[str] = Counter()
    for (file, _, name), entry in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[_part(file, name)] += entry[2]
    total = sum(spent.values())
    return ", ".join(f"{part} {seconds / total:.0%}" for part, seconds in spent.most_common(6))


def _part(file: str, name: str) -> str:
    path = Path(file)
    if "sqlalchemy" in path.parts:
        return "SQLAlchemy"
    for top in ("tests", "hub"):
        if top in path.parts:
            return "/".join(path.parts[path.parts.index(top) :][:2])
    return "SQLite" if "sqlite3" in name else "Python"
