"""Writes at the vendors for an edit that a person makes in one of them, through the real adapters and client libraries.
Counted, not timed: time is virtual, no faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hub.sync import desk
from tests.bench.rows import Plan, Row, at_most
from tests.engine.quartet import Quartet

BURST = 50
WRITING = ("POST", "PUT", "PATCH", "DELETE")
NO_WRITES = ("/login/", "/oauth", "/token", "/remotelink", "/search", "/subscriptions")
"""Parts of paths: credentials, searches that are POSTs, links back and subscriptions are no edits."""


def measure(plan: Plan) -> list[Row]:
    house = Quartet()
    ref = begin(house)
    edits: list[tuple[str, str, int, Callable[[], object]]] = [
        ("Jira: severity", "jira", 1, lambda: house.jira.sandbox.people_set(ref["jira"], priority="Highest")),
        ("Jira: title", "jira", 1, lambda: house.jira.sandbox.people_set(ref["jira"], summary="Cards are declined")),
        ("PagerDuty: acknowledged", "pagerduty", 1, lambda: house.pagerduty.sandbox.people_set_status(ref["pagerduty"], "acknowledged")),
        ("status page: monitoring", "statuspage", 2, lambda: house.statuspage.sandbox.people_set_status(ref["statuspage"], "monitoring", "A fix is in place")),
        ("Jira: a comment", "jira", 1, lambda: house.jira.sandbox.people_comment(ref["jira"], "It was the certificate")),
        ("Teams: resolved by command", "teams", 2, lambda: house.teams.sandbox.people_command("resolve", ref["teams"])),
    ]  # fmt: skip
    rows = [_edit(house, *edit) for edit in edits]
    return [*rows, *_burst()]


def begin(house: Quartet) -> dict[str, str]:
    """An incident, shown in all four; connection → remote id."""
    house.pagerduty.sandbox.people_create("Checkout is broken", priority="P2")
    house.settle(60)
    incident = desk.list_incidents(house.hub)["items"][0]["id"]
    for link in desk.show_incident(house.hub, incident)["links"]:
        if link["state"] == "held":
            draft = desk.show_link(house.hub, link["id"])
            desk.approve_link(house.hub, link["id"], draft["content_hash"], actor="cleo")
    house.settle(60)
    return {k["connection"]: k["remote_id"] for k in desk.show_incident(house.hub, incident)["links"]}


def _writes(house: Quartet, act: Callable[[], object], source: str, seconds: float = 90) -> Counter[str]:
    """Connection → writes that followed from what `act` did at `source`. A walk's steps are writes too."""
    for world in house.worlds.values():
        world.sandbox.calls.clear()
    act()
    house.settle(seconds)
    return Counter(
        name
        for name, world in house.worlds.items()
        for method, path in world.sandbox.calls
        if method in WRITING and not any(part in path.lower() for part in NO_WRITES)
    )


def _edit(house: Quartet, name: str, source: str, steps: int, act: Callable[[], object]) -> Row:
    """steps: the most that a system's declaration needs (Jira's workflow walks; a closing page shows its components)."""
    seen = _writes(house, act, source)
    return at_most(f"writes per edit and system, {name}", float(max(seen.values(), default=0)), "writes", float(steps))


def _burst() -> list[Row]:
    """Fifty edits of one field within a second; every one's webhook arrives on its own."""
    house = Quartet()
    ref = begin(house)

    def act() -> None:
        for n in range(BURST):
            house.jira.sandbox.people_set(ref["jira"], summary=f"Checkout is broken, {n + 1}")
            for name, world in house.worlds.items():
                for request in world.webhooks():
                    house.send(name, request)
            house.work()
            house.clock.advance(1.0 / BURST)

    seen = _writes(house, act, "jira")
    shown = house.pagerduty.sandbox.snapshot(ref["pagerduty"])["title"]
    assert shown == f"Checkout is broken, {BURST}", shown
    return [
        at_most(f"writes for {BURST} edits of one field within a second, {name}", float(seen[name]), "writes", 2.0)
        for name in ("pagerduty", "jira", "teams", "statuspage")
    ]
