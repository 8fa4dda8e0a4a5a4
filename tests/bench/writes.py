"""Number of writes at the vendors for an edit by a person in one of them, through the real adapters and client libraries. Counted,
not timed: time is virtual, without faults.

A row holds only if exactly the systems that need a change were written, and show it; so writing nothing is no saving.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub import services
from tests.bench.rows import Plan, Row, at_most
from tests.engine.quartet import Quartet

BURST = 50
WRITING = ("POST", "PUT", "PATCH", "DELETE")
NO_WRITES = ("/login/", "/oauth", "/token", "/remotelink", "/search", "/subscriptions")
"""Parts of paths that are no edits: credentials, searches by POST, backlinks and subscriptions."""

Due = Mapping[str, Mapping[str, Any]]
"""Connection → what its object must show afterwards, in the vendor's words; for texts and updates, how one must begin. For the
page's impacts, of which there is one here, its word."""


@dataclass(frozen=True)
class Edit:
    """steps: the most writes that a system's declaration needs (a status and its words; Jira's workflow walks; a closing page
    shows its components). due: every connection of which something is due."""

    name: str
    steps: int
    act: Callable[[], object]
    due: Due


def measure(plan: Plan) -> list[Row]:
    systems = Quartet()
    rows = [_edit(systems, edit, plan) for edit in edits(systems, begin(systems))]
    return [*rows, *_burst_of_titles(plan), *_burst_of_severities(plan)]


def edits(systems: Quartet, ref: Mapping[str, str]) -> list[Edit]:
    pagerduty, jira, teams, page = (w.sandbox for w in systems.worlds.values())
    fix, cause = "A fix is in place", "It was the certificate"
    return [
        Edit("Jira: severity", 1, lambda: jira.people_set(ref["jira"], priority="Highest"), {
            "pagerduty": {"severity": ["P1", "high"]}, "teams": {"severity": "SEV1"}, "statuspage": {"impacts": "major_outage"},
        }),
        Edit("Jira: title", 1, lambda: jira.people_set(ref["jira"], summary="Cards are declined"), {
            "pagerduty": {"title": "Cards are declined"}, "teams": {"title": "Cards are declined"},
        }),
        Edit("PagerDuty: acknowledged", 1, lambda: pagerduty.people_set_status(ref["pagerduty"], "acknowledged"), {
            "jira": {"status": "In Progress"}, "teams": {"status": "acknowledged"},
        }),
        Edit("status page: monitoring", 2, lambda: page.people_set_status(ref["statuspage"], "monitoring", fix), {
            "pagerduty": {"updates": fix}, "jira": {"comments": fix}, "teams": {"status": "monitoring", "comments": fix},
        }),
        Edit("Jira: a comment", 1, lambda: jira.people_comment(ref["jira"], cause), {
            "pagerduty": {"comments": cause}, "teams": {"comments": cause},
        }),
        Edit("Teams: resolved by command", 2, lambda: teams.people_command("resolve", ref["teams"]), {
            "pagerduty": {"status": "resolved"}, "jira": {"status": "Done"}, "teams": {"status": "resolved"},
            "statuspage": {"status": "resolved", "impacts": "operational"},
        }),
    ]  # fmt: skip


def begin(systems: Quartet) -> dict[str, str]:
    """Opens an incident and waits until all four show it; returns connection → remote id."""
    systems.pagerduty.sandbox.people_create("Checkout is broken", priority="P2")
    systems.settle(60)
    incident = services.list_incidents(systems.hub)["items"][0]["id"]
    for link in services.show_incident(systems.hub, incident)["links"]:
        if link["state"] == "held":
            draft = services.show_link(systems.hub, link["id"])
            services.approve_link(systems.hub, link["id"], draft["content_hash"], actor="cleo")
    systems.settle(60)
    return _refs(systems)


def _refs(systems: Quartet) -> dict[str, str]:
    incident = services.list_incidents(systems.hub)["items"][0]["id"]
    return {k["connection"]: k["remote_id"] for k in services.show_incident(systems.hub, incident)["links"]}


def _writes(systems: Quartet, act: Callable[[], object], seconds: float = 90) -> Counter[str]:
    """Connection → number of writes that `act` caused. Each step through a workflow counts."""
    for world in systems.worlds.values():
        world.sandbox.calls.clear()
    act()
    systems.settle(seconds)
    return Counter(
        name
        for name, world in systems.worlds.items()
        for method, path in world.sandbox.calls
        if method in WRITING and not any(part in path.lower() for part in NO_WRITES)
    )


def _edit(systems: Quartet, edit: Edit, plan: Plan) -> Row:
    name, seen = f"writes per edit and system, {edit.name}", _writes(systems, edit.act)
    wrong = _wrong(systems, seen, edit.due)
    plan.notes.extend(f"{name}: {words}" for words in wrong.values())
    most = float(max(seen.values(), default=0))
    return at_most(name, most, "writes", float(edit.steps), "shown where due", not wrong)


def _wrong(systems: Quartet, seen: Mapping[str, int], due: Due) -> dict[str, str]:
    """Connection → the problem: not written although a change is due, written although none is, or not shown."""
    wrong, refs = {}, _refs(systems)
    for name, world in systems.worlds.items():
        shown = world.sandbox.snapshot(refs[name])
        missing = {k: shown[k] for k, wanted in due.get(name, {}).items() if not _shows(shown[k], wanted)}
        if missing:
            wrong[name] = f"{name} shows {missing}"
        elif (seen.get(name, 0) > 0) != (name in due):
            wrong[name] = f"{name} was written {seen.get(name, 0)} times"
    return wrong


def _shows(shown: Any, wanted: Any) -> bool:
    if isinstance(shown, dict):
        return set(shown.values()) == {wanted}
    if isinstance(shown, list) and isinstance(wanted, str):
        return sum(text.startswith(wanted) for text in shown) == 1
    return bool(shown == wanted)


def _burst_of_titles(plan: Plan) -> list[Row]:
    """Edits in Jira; the page has a title of its own."""
    systems = Quartet()
    ref = begin(systems)
    titles = [f"Checkout is broken, {n + 1}" for n in range(BURST)]
    return _burst(
        systems, "Jira: title", titles, lambda title: systems.jira.sandbox.people_set(ref["jira"], summary=title),
        {"pagerduty": {"title": titles[-1]}, "teams": {"title": titles[-1]}}, plan,
    )  # fmt: skip


def _burst_of_severities(plan: Plan) -> list[Row]:
    """Edits in PagerDuty; all others show the severity, the page in its components. The last value is none of the earlier ones."""
    systems = Quartet()
    ref = begin(systems)
    words = [*("P2" if n % 2 else "P1" for n in range(BURST - 1)), "P3"]
    return _burst(
        systems, "PagerDuty: severity", words,
        lambda word: systems.pagerduty.sandbox.people_set_severity(ref["pagerduty"], word, "high"),
        {"jira": {"priority": "Medium"}, "teams": {"severity": "SEV3"}, "statuspage": {"impacts": "degraded_performance"}}, plan,
    )  # fmt: skip


def _burst(
    systems: Quartet, name: str, values: Sequence[str], edit: Callable[[str], object], due: Due, plan: Plan
) -> list[Row]:
    """Fifty edits of one field within a second, each with its own webhook. Returns a row for each system that must end with the
    last value."""

    def act() -> None:
        for value in values:
            edit(value)
            for connection, world in systems.worlds.items():
                for request in world.webhooks():
                    systems.send(connection, request)
            systems.work()
            systems.clock.advance(1.0 / len(values))

    name = f"writes for {len(values)} edits within a second, {name}"
    seen = _writes(systems, act)
    wrong = _wrong(systems, seen, due)
    plan.notes.extend(f"{name}: {words}" for words in wrong.values())
    unasked = bool(wrong.keys() - due.keys())
    return [
        at_most(f"{name}, {c}", float(seen[c]), "writes", 2.0, "the last one shown", c not in wrong and not unasked)
        for c in due
    ]
