"""Everything that one decision needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.store import connections, incidents, outbox
from hub.store.records import Connection, Incident, Item, Link, Outbox
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
    incident = incidents.lock(tx, incident_id)
    if incident is None:
        return None
    of_it, items = incidents.lock_links(tx, incident_id), incidents.items_of(tx, incident_id)
    known, paused = connections.every_and_pause(tx)
    return CaseRows(incident, of_it, items, known, paused, outbox.open_of_incident(tx, incident_id))


def facts(tx: Tx, incident_id: str) -> tuple[Incident | None, list[dict[str, Any]]]:
    """(the incident, {"id", "connection", "url", "state", "shadow"} of each link that shows it)"""
    incident = incidents.get(tx, incident_id)
    return incident, incidents.homes_of(tx, incident_id) if incident else []
