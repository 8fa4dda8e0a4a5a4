"""A storm: 1,000 incidents opened within a minute. Seconds until every link has settled, against the floor that the vendors'
rate limits set. The status page is left out: its drafts wait for people."""

from __future__ import annotations

import time

from tests.bench.databases import kinds
from tests.bench.rows import Plan, Row, ratio_at_most
from tests.bench.town import SYSTEMS, Town

PER_SECOND = 1_000 / 60


def measure(plan: Plan) -> list[Row]:
    return [_storm(plan.of(1_000, 60, 3), kind, plan) for kind in kinds()]


def _storm(count: int, kind: str, plan: Plan) -> Row:
    name = f"storm of {count:,} incidents, {kind}"
    town = Town(delay=0.0, limits=True, public=False)
    with town.alive(kind):
        town.subscribed()
        time.sleep(plan.of(5, 5, 0))
        began = time.monotonic()
        for n in range(count):
            time.sleep(max(0.0, began + n / PER_SECOND - time.monotonic()))
            town.open(1)
        town.settled(count, 600 + 3 * count)
        seconds = time.monotonic() - began
        hub = town.hub()
        floors = {}
        for system in SYSTEMS[:3]:  # one read of the incident at its source, one create in each other system
            declared = hub.capabilities(system)
            calls = count * (declared.read_calls if system == "pagerduty" else 1)
            floors[system] = max(((calls - r.count) * r.per / r.count for r in declared.rates), default=0.0)
    floor = max(count / PER_SECOND, *floors.values())
    plan.notes.append(
        f"{name}: calls "
        + ", ".join(f"{s} {town.calls[s]}" for s in SYSTEMS[:3])
        + f"; refused by a vendor: {sum(town.refused.values())}; the floor is set by {max(floors, key=lambda s: floors[s])}"
    )
    return ratio_at_most(f"{name}: until all links settle", seconds, "s", floor, 1.2)
