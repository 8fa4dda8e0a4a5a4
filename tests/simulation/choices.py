"""New values that a person may give a field of a vendor's object: one of the vendor's words, a text, an element added or removed.

The parameter `people` is the run's `tests.simulation.people.People`; that module imports this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub import services
from hub.domain.values import INCIDENT, Json
from hub.sync.hub import Hub
from tests.simulation.server import Server, Thing
from tests.simulation.styles import SERVICES, TAGS, UNKNOWN_WORD

MOST_RECURRENCES = 7
"""With so many incidents in a run, an alert opens no further one."""

IMPACTS = ("operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance")


def choose(people: Any, server: Server, thing: Thing, name: str) -> Json:
    """The field's new value, whole; None when there is nothing to choose, or to unassign."""
    now, rng = thing.fields.get(name), people.rng
    if name in ("title", "public_title", "description"):
        return people.words(name)
    if name == "status":
        return _status(people, server, now)
    if name == "severity":
        return rng.choice(server.style.words(name))
    if name == "impacts":
        return {**(now or {}), f"SC-{rng.choice(SERVICES)}": rng.choice(IMPACTS)}
    if name == "tags":
        return _toggled(now, rng.choice(TAGS))
    if name == "services":
        return _toggled(now, f"JC-{rng.choice(SERVICES)}")
    if server.capability(INCIDENT).fields[name].many:
        return _toggled(now, f"PU-{people.person()}")
    account = f"JU-{people.person()}"
    return rng.choice((account, account, None))


def in_the_gap(people: Any, server: Server, thing: Thing, written: Iterable[str]) -> None:
    """A person edits a field that the hub is about to write, or another field of the same object."""
    same = [name for name in server.style.editable if name in written]
    names = same if people.rng.random() < 0.6 else server.style.editable
    if names and not thing.terminal:
        name = people.rng.choice(names)
        value = choose(people, server, thing, name)
        if value is not None or name == "assignees":
            people.world.note(f"in the gap: {name}")
            server.change(thing, name, value, people.hand())


def recur(hub: Hub, fields: dict[str, Json], key: str, actor: str) -> None:
    """An alert: it opens an incident, or resolves the open one with this key."""
    known = services.list_incidents(hub, open=True)["items"]
    there = next((i for i in known if i["dedup_key"] == key), None)
    if there is not None:
        services.edit_incident(hub, there["number"], {"status": "resolved"}, actor=actor)
    elif len(services.list_incidents(hub)["items"]) < MOST_RECURRENCES:
        services.open_incident(hub, fields, actor=actor, dedup_key=key)


def _status(people: Any, server: Server, now: Json) -> Json:
    flow = server.style.workflow
    if flow is not None and people.world.chance(people.world.faults.refusals):
        return UNKNOWN_WORD
    if flow is not None and any(a == now for a, _ in flow):
        return people.rng.choice(sorted(b for a, b in flow if a == now))
    return people.rng.choice(server.style.words("status"))


def _toggled(now: Json, element: str) -> list[Json]:
    """The set with the element added, or removed if it was in it."""
    return [e for e in now or [] if e != element] if element in (now or []) else [*(now or []), element]
