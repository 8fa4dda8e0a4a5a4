"""The path of `latency` with the vendors' rate limits on: as many changes at once as they allow in a minute, against the schedule of
an ideal hub within the same limits, its reads counted."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hub.domain.capability import Rate
from tests.bench.databases import kinds
from tests.bench.latency import LAG, OTHERS, PRIORITIES
from tests.bench.rows import Plan, Row, ratio_at_most
from tests.bench.town import Town, until

DELAY = 0.05
WINDOW = 62.0
"""Seconds after which every vendor's rate window is empty."""


def measure(plan: Plan) -> list[Row]:
    # Not fewer in a quick run: with eight, one window of Teams (1 s) is a third of the ideal schedule.
    return [_at_once(plan.of(12, 12, 2), kind, plan) for kind in kinds()]


def _at_once(count: int, kind: str, plan: Plan) -> Row:
    name = f"{count} changes at once, limits on, {kind}"
    town = Town(delay=DELAY, limits=True, services=count)
    with town.alive(kind):
        town.subscribed()
        town.open(count)
        town.settled(count, 300)
        time.sleep(plan.of(WINDOW, WINDOW, LAG))
        incidents = town.remote_ids()
        hub = town.hub()
        marks = {system: len([w for w in town.writes if w[0] == system]) for system in OTHERS}
        began = time.monotonic()
        for ids in incidents:
            issue = town.vendors.jira.issues[ids["jira"]]
            town.vendors.jira.people_set(ids["jira"], priority=PRIORITIES[issue["priority"] == PRIORITIES[0]])

        def written() -> Mapping[str, float]:
            last = {}
            for system in OTHERS:
                mine = [w for w in town.writes if w[0] == system][marks[system] :]
                moments = [
                    min((at for _, _, path, at in mine if ids[system] in path), default=None) for ids in incidents
                ]
                if None not in moments:
                    last[system] = max(m for m in moments if m is not None) - began
            return last

        until(lambda: len(written()) == len(OTHERS), 180, "all changes in all systems")
        done = written()
        rates = {system: hub.capabilities(system).rates for system in OTHERS}
        each = {system: _admissions(hub.capabilities(system).kinds["incident"], system) for system in OTHERS}
    ideal = {s: ideal_seconds(count, each[s], rates[s]) for s in OTHERS}
    plan.notes.append(
        f"{name}: "
        + ", ".join(f"{s} {done[s]:.1f} s (ideal {ideal[s]:.1f})" for s in OTHERS)
        + f"; refused by a vendor: {sum(town.refused.values())}"
    )
    return ratio_at_most(f"{name}: until written in all", max(done.values()), "s", max(ideal.values()), 1.2)


def _admissions(kind, system: str) -> int:  # type: ignore[no-untyped-def]
    """Calls of the budget that one update of the severity takes: the read before it, the write, and the read of the history if
    the field has one."""
    from hub.domain.capability import Gap

    return 1 + int(kind.reads) + int(kind.fields["severity"].gap is Gap.HISTORY)


def ideal_seconds(changes: int, calls: int, rates: tuple[Rate, ...]) -> float:
    """Seconds until the last answer if every call is sent at the first moment that the limits allow. A change begins with one
    read at its source."""
    sent: list[float] = []
    at = ready = DELAY
    for n in range(changes * calls):
        at = max([ready, at, *(sent[n - rate.count] + rate.per for rate in rates if n >= rate.count)])
        sent.append(at)
    return max(sent[-1] + DELAY, DELAY * (1 + calls))
