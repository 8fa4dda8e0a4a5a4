"""Everything that one decision needs to know, asked for at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.store import connections, incidents, links, outbox
from hub.store.ready import Together
from hub.store.records import Comment, Connection, Incident, Item, Link, Outbox, UpdateItem, loaded
from hub.store.unit import Tx


@dataclass
class CaseRows:
    """One incident with all that belongs to it; see `hub.sync.incident.case.Case`."""

    incident: Incident
    links: dict[str, Link]
    items: dict[str, Item]
    connections: dict[str, Connection]
    paused: bool
    outbox: dict[str, Outbox]


def gather(tx: Tx, incident_id: str) -> CaseRows | None:
    """The incident, its row locked, then its links and open intentions, theirs too (SQLite: the whole database already is);
    None if there is no such incident."""
    given = {"id": incident_id}
    asked = Together(
        tx, (incidents.LOCK, given), (incidents.LOCK_LINKS, given), (incidents.ITEMS[Comment], given),
        (incidents.ITEMS[UpdateItem], given), (connections.EVERY_PAUSED, {}), (outbox.OPEN_OF_INCIDENT, given),
    )  # fmt: skip
    found = asked.mappings(0)
    if not found:
        return None
    itself = loaded(Incident, found[0])
    of_it = {row["id"]: loaded(Link, row) for row in asked.mappings(1)}
    items: dict[str, Item] = {row["id"]: loaded(Comment, row) for row in asked.mappings(2)}
    items.update((row["id"], loaded(UpdateItem, row)) for row in asked.mappings(3))
    known, paused = connections.known(asked.mappings(4))
    opened = {row["link_id"]: loaded(Outbox, row) for row in asked.mappings(5)}
    return CaseRows(itself, of_it, items, known, paused, opened)


class Claimable:
    """What a worker must know to claim the open intention of a link. The row is locked."""

    def __init__(self, tx: Tx, link_id: str) -> None:
        given = {"id": link_id}
        self._asked = Together(tx, (outbox.OPEN_FOR, given), (links.GET, given), (connections.OF_LINK, given))

    def intention(self) -> Outbox | None:
        return next((loaded(Outbox, row) for row in self._asked.mappings(0)), None)

    def link(self) -> Link | None:
        return next((loaded(Link, row) for row in self._asked.mappings(1)), None)

    def connection(self) -> tuple[Connection | None, bool]:
        """(the link's connection, whether the global pause is on)"""
        known, paused = connections.known(self._asked.mappings(2))
        return next(iter(known.values()), None), paused


def facts(tx: Tx, incident_id: str) -> tuple[Incident | None, list[dict[str, Any]]]:
    """(the incident, {"id", "connection", "url", "state", "shadow"} of each link that shows it)"""
    given = {"id": incident_id}
    asked = Together(tx, (incidents.GET, given), (incidents.HOMES, given))
    found = asked.mappings(0)
    return (loaded(Incident, found[0]), asked.mappings(1)) if found else (None, [])
