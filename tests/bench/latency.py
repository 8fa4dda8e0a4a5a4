"""From a webhook to the write in the three other systems: real processes, real client libraries, stand-ins that answer in
50 ms with their rate limits lifted, two workers.

A change is a person's new priority in Jira; it must be written in PagerDuty, on the Teams card and on the status page.
Changes come at an even pace, each on another incident of another service, so that none waits for the one before it.
"""

from __future__ import annotations

import time
from statistics import median

from tests.bench.databases import kinds
from tests.bench.rows import Plan, Row, at_most, quantile, told
from tests.bench.town import SYSTEMS, NotInTime, Town, until

OTHERS = tuple(name for name in SYSTEMS if name != "jira")
PRIORITIES = ("Highest", "Medium")
LAG = 3.0
"""Seconds after a write during which a read may still show the old state: no change is made to that incident then."""


def measure(plan: Plan) -> list[Row]:
    rows = []
    for kind in kinds():
        count = plan.of(100, 40, 2)
        town = Town(delay=0.05, services=count)
        with town.alive(kind):
            town.subscribed()
            town.open(count)
            town.settled(count, 600)
            time.sleep(LAG)
            for rate in plan.of((100, 1_000), (100, 300), (60,)):
                town.quiet(120)
                rows += _at(rate, plan.of(60, 15, 2), town, kind, plan)
    return rows


def _at(rate: int, seconds: int, town: Town, kind: str, plan: Plan) -> list[Row]:
    incidents, edits = town.remote_ids(), []
    calls = dict(town.calls)
    began = time.monotonic()
    for n in range(rate * seconds // 60):
        time.sleep(max(0.0, began + n * 60 / rate - time.monotonic()))
        ids = incidents[n % len(incidents)]
        issue = town.vendors.jira.issues[ids["jira"]]
        new = PRIORITIES[issue["priority"] == PRIORITIES[0]]
        edits.append((ids, time.monotonic()))
        town.vendors.jira.people_set(ids["jira"], priority=new)
    name = f"webhook to three systems, {rate:,} changes/min, {kind}"
    try:
        until(lambda: all(_seen(town, *edit) is not None for edit in edits[-5:]), 60, "the last changes")
    except NotInTime:
        plan.notes.append(f"{name}: the last changes were not written within a minute")
    taken = [_seen(town, *edit) for edit in edits]
    times = [seconds if seconds is not None else 60.0 for seconds in taken]
    each = {s: (town.calls[s] - calls.get(s, 0)) / len(edits) for s in SYSTEMS}
    plan.notes.append(f"{name}: calls per change " + ", ".join(f"{s} {n:.1f}" for s, n in each.items()))
    time.sleep(LAG)
    return [
        at_most(f"{name}: p50", median(times), "s", 0.3),
        at_most(f"{name}: p99", quantile(times, 0.99), "s", 1.0),
        told(f"{name}: calls a change", sum(each.values()), "calls"),
    ]


def _seen(town: Town, ids: dict[str, str], edited: float) -> float | None:
    """Seconds from the first webhook about the change until the last of the three writes was answered."""
    sent = next((at for name, about, at in town.sent if name == "jira" and about == ids["jira"] and at >= edited), None)
    if sent is None:
        return None
    last = 0.0
    for system in OTHERS:
        at = next(
            (at for name, _, path, at in town.writes if name == system and ids[system] in path and at >= sent), None
        )
        if at is None:
            return None
        last = max(last, at - sent)
    return last
