"""Loads what a case or a delivery needs, in few statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from hub.domain.values import Json
from hub.store import connections, incidents, outbox
from hub.store.records import Connection, Incident, Item, Link, Outbox, incident_name, loaded
from hub.store.tables import connections as connection_table
from hub.store.tables import incidents as incident_table
from hub.store.tables import links
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
    """Locks the incident's row, then those of its links and open intentions (on SQLite the transaction already excludes
    other writers). None if there is no such incident."""
    incident = incidents.lock(tx, incident_id)
    if incident is None:
        return None
    of_it, items = incidents.lock_links(tx, incident_id), incidents.items_of(tx, incident_id)
    known, paused = connections.every_and_pause(tx)
    return CaseRows(incident, of_it, items, known, paused, outbox.open_of_incident(tx, incident_id))


@dataclass
class LinkRows:
    """A link with what decides whether and how something is written to it.

    name, fields, provenance: its incident's. state, open_until: its connection's; None if that is unknown. paused: the global pause.
    """

    link: Link
    name: str
    fields: dict[str, Json]
    provenance: dict[str, Json]
    state: str | None
    open_until: datetime | None
    paused: bool


_OF_LINK = (
    select(
        links, incident_table.c.number, incident_table.c.fields, incident_table.c.provenance, connection_table.c.state,
        connection_table.c.open_until, connections.PAUSED,
    )
    .join(incident_table, incident_table.c.id == links.c.incident_id)
    .outerjoin(connection_table, connection_table.c.name == links.c.connection)
    .where(links.c.id == bindparam("id"))
)  # fmt: skip


def of_link(tx: Tx, link_id: str) -> LinkRows | None:
    """Everything about one link in one statement; None if there is no such link."""
    row = tx.execute(_OF_LINK, {"id": link_id}).first()
    if row is None:
        return None
    values = iter(row)
    link = loaded(Link, {column.name: next(values) for column in links.columns})
    number, fields, provenance, state, open_until, paused = values
    return LinkRows(link, incident_name(number), fields, provenance, state, open_until, bool(paused))
