"""The hub's processor time per change, at 100 changes a minute: web, workers, timer, Redis and their supervisor, as the kernel
counts it; an idle hub's share is included. Compared with another checkout (`--base`) in turns: its own `lockstep up`, started by the
Python of its own environment, under the same load and the same stand-ins."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from tests.bench.databases import kinds
from tests.bench.latency import LAG, change
from tests.bench.processes import by_part
from tests.bench.rows import Plan, Row, in_turns, medians, ratio_at_most, reported
from tests.bench.town import Town

RATE = 100
INCIDENTS = 20
"""At this number each incident is changed once in 12 seconds: longer than LAG."""


def measure(plan: Plan) -> list[Row]:
    rows = []
    for kind in kinds():
        sides = [None] if plan.base is None else [None, plan.base]
        results = medians(in_turns(plan.of(3, 1, 1), *(lambda s=side, k=kind: _spent(s, k, plan) for side in sides)))
        name = f"processor time of the hub a change, {RATE} changes/min, {kind}"
        if plan.base is None:
            rows.append(reported(name, results[0], "ms"))
        else:
            rows.append(ratio_at_most(name, results[0], "ms", results[1], 1.3))
    return rows


def _spent(checkout: Path | None, kind: str, plan: Plan) -> float:
    """Milliseconds of processor time per change, of this checkout (None) or another."""
    count, seconds = plan.of(INCIDENTS, INCIDENTS, 2), plan.of(30, 15, 2)
    town = Town(delay=0.05, services=count, checkout=checkout)
    with town.alive(kind):
        town.subscribed()
        town.open(count)
        town.settled(count, 300)
        time.sleep(plan.of(LAG + 2, LAG + 2, 0))
        pid = town.pid
        incidents, changes = town.remote_ids(), RATE * seconds // 60
        resting, began = Counter(by_part(pid)), time.monotonic()
        time.sleep(plan.of(10, 5, 0.1))
        before, rested = Counter(by_part(pid)), time.monotonic() - began
        began = time.monotonic()
        for n in range(changes):
            time.sleep(max(0.0, began + n * 60 / RATE - time.monotonic()))
            change(town, incidents[n % count])
        time.sleep(max(0.0, began + seconds + LAG - time.monotonic()))
        after, lasted = Counter(by_part(pid)), time.monotonic() - began
        written = len({path for name, _, path, at in town.writes if at >= began})
    spent = {part: (after[part] - before[part]) * 1000 / changes for part in after}
    idle = sum((before - resting).values()) / rested * lasted * 1000 / changes
    which = "this checkout" if checkout is None else f"base {checkout.name}"
    plan.notes.append(
        f"processor time a change, {kind}, {which}: "
        + ", ".join(f"{part} {ms:.0f} ms" for part, ms in sorted(spent.items(), key=lambda one: -one[1]))
        + f"; an idle hub takes {idle:.0f} ms in that time; {written} objects were written"
    )
    if not written:
        raise RuntimeError(f"{which} wrote none of the changes; what it took says nothing")
    return sum(spent.values())
