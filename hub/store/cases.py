"""Everything that one decision needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from hub.store import connections, incidents, outbox
from hub.store.records import Connection, Incident, Item, Link, Outbox, loaded
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
    """The incident, its row locked, then its links and open intentions, theirs too (SQLite: the whole database already is);
    None if there is no such incident."""
    incident = incidents.lock(tx, incident_id)
    if incident is None:
        return None
    of_it, items = incidents.lock_links(tx, incident_id), incidents.items_of(tx, incident_id)
    known, paused = connections.every_and_pause(tx)
    return CaseRows(incident, of_it, items, known, paused, outbox.open_of_incident(tx, incident_id))


@dataclass
class LinkRows:
    """A link with what decides whether something may be written to it. connection: None if it is unknown."""

    link: Link
    connection: Connection | None
    incident: Incident
    paused: bool


_OF_LINK = (
    select(links, connection_table, incident_table, connections.PAUSED)
    .join(incident_table, incident_table.c.id == links.c.incident_id)
    .outerjoin(connection_table, connection_table.c.name == links.c.connection)
    .where(links.c.id == bindparam("id"))
)


def of_link(tx: Tx, link_id: str) -> LinkRows | None:
    """Everything about one link in one statement; None if there is no such link."""
    row = tx.execute(_OF_LINK, {"id": link_id}).first()
    if row is None:
        return None
    values = iter(row)
    link, connection, incident = (
        {column.name: next(values) for column in table.columns} for table in (links, connection_table, incident_table)
    )
    known = loaded(Connection, connection) if connection["name"] is not None else None
    return LinkRows(loaded(Link, link), known, loaded(Incident, incident), bool(next(values)))
