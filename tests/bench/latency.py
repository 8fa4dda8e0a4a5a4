"""From a webhook to the write in the three other systems: real processes, real client libraries, stand-ins that answer in
50 ms with their rate limits lifted, two workers.

A change is a person's new priority in Jira; it must be written in PagerDuty, on the Teams card and on the status page.
Changes come at an even pace, each on another incident of another service, so that none waits for the one before it. At 100 a
minute the hub must keep up with ease; at 1,000 the figures are only reported, with the highest rate that the machine carries (the
load and the stand-ins run on it too) and which part uses the processors.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.databases import kinds
from tests.bench.processes import Meter
from tests.bench.rows import Plan, Row, at_most, quantile, reported
from tests.bench.town import SYSTEMS, NotInTime, Town, until

OTHERS = tuple(name for name in SYSTEMS if name != "jira")
PRIORITIES = ("Highest", "Medium")
LAG = 3.0
"""Seconds after a write during which a read may still show the old state: that incident is not changed in this time."""
NEVER = 60.0
"""Seconds counted for a change that was not written."""
GROWTH = 1.0
"""The backlog grows if the last third of the changes takes so many seconds longer than changes at the easy rate, by medians. Not
compared with the first third: far above what is carried, one write serves several changes of an incident, and the times level off."""
STEP = 25
"""Changes per minute; the rate that the machine carries is reported in multiples of it."""


@dataclass(frozen=True)
class Run:
    """times: seconds of each change, in order. calls: system → calls per change. processors: which part used them, as text."""

    times: Sequence[float]
    calls: dict[str, float]
    processors: str


def measure(plan: Plan) -> list[Row]:
    rows = []
    for kind in kinds():
        count = plan.of(100, 60, 4)
        town = Town(delay=0.05, services=count)
        with town.alive(kind):
            town.subscribed()
            town.open(count)
            town.settled(count, 600)
            time.sleep(LAG)
            easy, hard = plan.of((100, 1_000), (100, 1_000), (60, 120))
            seconds = plan.of(60, 15, 2)
            calm = _at(easy, seconds, town, kind, plan)
            rows += _rows(easy, calm, kind, required=True)
            much = _at(hard, seconds, town, kind, plan)
            rows += _rows(hard, much, kind, required=False)
            plan.notes.append(f"{_name(hard, kind)}: processors: {much.processors}")
            usual, trial = median(calm.times), plan.of(30, 15, 2)
            carried = hard
            if grows(much.times, usual):
                carried = highest(
                    easy, hard, plan.of(4, 2, 1), lambda rate: not grows(_at(rate, trial, town, kind, plan).times, usual)
                )  # fmt: skip
            else:
                plan.notes.append(f"{_name(hard, kind)}: the backlog does not grow; a higher rate was not tried")
        cores = os.cpu_count() or 1
        rows.append(
            reported(
                f"changes that {cores} cores carry, stand-ins and load included, {kind}", float(carried), "changes/min"
            )
        )
    return rows


def _name(rate: int, kind: str) -> str:
    return f"webhook to three systems, {rate:,} changes/min, {kind}"


def _rows(rate: int, run: Run, kind: str, required: bool) -> list[Row]:
    name, p50, p99 = _name(rate, kind), median(run.times), quantile(run.times, 0.99)
    return [
        at_most(f"{name}: p50", p50, "s", 0.3) if required else reported(f"{name}: p50", p50, "s"),
        at_most(f"{name}: p99", p99, "s", 1.0) if required else reported(f"{name}: p99", p99, "s"),
        reported(f"{name}: calls a change", sum(run.calls.values()), "calls"),
    ]


def grows(times: Sequence[float], usual: float) -> bool:
    """Whether changes had to wait for those before them. times: seconds of each, in order; usual: the median at the easy rate."""
    return median(times[-max(1, len(times) // 3) :]) > usual + GROWTH


def highest(low: int, high: int, trials: int, holds: Callable[[int], bool]) -> int:
    """The highest rate that holds, by bisection between `low`, which is assumed to hold, and `high`, which does not."""
    for _ in range(trials):
        middle = round((low + high) / 2 / STEP) * STEP
        if not low < middle < high:
            break
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def change(town: Town, ids: dict[str, str]) -> None:
    """Sets another priority in Jira, as a person."""
    issue = town.vendors.jira.issues[ids["jira"]]
    town.vendors.jira.people_set(ids["jira"], priority=PRIORITIES[issue["priority"] == PRIORITIES[0]])


def _at(rate: int, seconds: int, town: Town, kind: str, plan: Plan) -> Run:
    """Makes changes at this rate, starting when the hub has nothing left to do."""
    town.quiet(300)
    time.sleep(LAG)
    town.sent.clear()
    town.writes.clear()
    incidents, edits = town.remote_ids(), []
    calls, meter = dict(town.calls), Meter(town.pid)
    began = time.monotonic()
    for n in range(rate * seconds // 60):
        time.sleep(max(0.0, began + n * 60 / rate - time.monotonic()))
        ids = incidents[n % len(incidents)]
        edits.append((ids, time.monotonic()))
        change(town, ids)
    processors = meter.shares()
    name = _name(rate, kind)
    try:
        until(lambda: all(_seen(town, *edit) is not None for edit in edits[-5:]), NEVER, "the last changes")
    except NotInTime:
        plan.notes.append(f"{name}: the last changes were not written within a minute")
    taken = [_seen(town, *edit) for edit in edits]
    times = [seconds if seconds is not None else NEVER for seconds in taken]
    each = {s: (town.calls[s] - calls.get(s, 0)) / len(edits) for s in SYSTEMS}
    plan.notes.append(
        f"{name}: p50 {median(times):.2f} s; {taken.count(None)} changes without writes of their own; calls per change "
        + ", ".join(f"{s} {n:.1f}" for s, n in each.items())
    )
    plan.note(f"    {plan.notes[-1]}")
    return Run(times, each, processors)


def _seen(town: Town, ids: dict[str, str], edited: float) -> float | None:
    """Seconds from the first webhook about the change until the last of the three writes was answered."""
    sents = town.sent[bisect_left(town.sent, edited, key=lambda one: one[2]) :]
    sent = next((at for name, about, at in sents if name == "jira" and about == ids["jira"] and at >= edited), None)
    if sent is None:
        return None
    writes = town.writes[bisect_left(town.writes, sent, key=lambda one: one[3]) :]
    last = 0.0
    for system in OTHERS:
        at = next((at for name, _, path, at in writes if name == system and ids[system] in path and at >= sent), None)
        if at is None:
            return None
        last = max(last, at - sent)
    return last
