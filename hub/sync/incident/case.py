"""A case: one incident opened for change. Its row is locked, and all that belongs to it is loaded; at the end it is
planned and saved.

    with open_case(hub, incident_id) as case:
        case.edit({"status": "resolved"}, source="hub", actor="ada")

All changes of an incident go through a case, in one transaction: what was observed, what follows from it, and the
intentions to write. No vendor is called within it. Wake-ups are sent after the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub.domain.incident import CLOSED, FIELDS, Provenance
from hub.domain.merge import Entry, Merged, edit
from hub.domain.values import INCIDENT, Fields, Json
from hub.store import connections as connection_rows
from hub.store import incidents as incident_rows
from hub.store import journal
from hub.store.cases import gather
from hub.store.journal import Line
from hub.store.records import Comment, Connection, Incident, Item, Link, Outbox, UpdateItem, save
from hub.store.unit import Tx
from hub.sync.hub import Hub

Problem = tuple[str, dict[str, Any]]
"""(what is wrong and what to do, where: incident, connection, link, and what else is known)"""


@dataclass
class Case:
    """items: comments and updates; links: of every kind; outbox: link id → its open intention."""

    hub: Hub
    tx: Tx
    incident: Incident
    items: dict[str, Item]
    links: dict[str, Link]
    outbox: dict[str, Outbox]
    connections: dict[str, Connection]
    paused: bool
    now: datetime
    lines: list[Line] = field(default_factory=list)
    wakes: list[tuple[str, str]] = field(default_factory=list)
    settled: list[Outbox] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    # --- reading ------------------------------------------------------------------------------------------------

    def incident_link(self, connection: str, slot: str = "primary") -> Link | None:
        return next(
            (k for k in self.links.values() if k.kind == INCIDENT and (k.connection, k.slot) == (connection, slot)),
            None,
        )

    def children(self, link: Link) -> list[Link]:
        return [k for k in self.links.values() if k.parent_id == link.id]

    def fields_of(self, link: Link) -> tuple[str, Fields]:
        """(kind, fields) of what a link shows: the incident, or one of its items."""
        if link.item_id is None:
            return INCIDENT, self.incident.fields
        item = self.items[link.item_id]
        return item.kind, item.fields

    # --- changing -----------------------------------------------------------------------------------------------

    def record(self, kind: str, source: str, **data: Json) -> None:
        """Adds a line to the journal, which `close` writes."""
        self.lines.append(Line(kind, source, data))

    def wake(self, task: str, key: str) -> None:
        if (task, key) not in self.wakes:
            self.wakes.append((task, key))

    def edit(self, changes: Fields, source: str, actor: str | None, rule: str = "here") -> bool:
        """Changes the incident for a person in the hub, for a command, or for a rule of the policy (source "policy").
        True if anything changed."""
        rank, _ = self.hub.config.rank(source, next(iter(changes), "status"))
        proof = Provenance(source, self.now, self.now, rank, actor)
        before = incident_rows.provenance_in(self.incident.provenance)
        return self.absorb(None, edit(self.incident.fields, before, changes, proof, FIELDS[INCIDENT]), rule=rule)

    def edit_item(self, item: Item, changes: Fields, source: str, actor: str | None) -> bool:
        rank, _ = self.hub.config.rank(source, "text")
        proof = Provenance(source, self.now, self.now, rank, actor)
        merged = edit(item.fields, incident_rows.provenance_in(item.provenance), changes, proof, FIELDS[item.kind])
        return self.absorb(item, merged)

    def absorb(self, item: Item | None, merged: Merged, rule: str | None = None) -> bool:
        """Applies and journals the result of a merge, for the incident (item None) or an item. True if anything
        changed."""
        for entry in merged.entries:
            self._journal(item, entry, rule)
        if not merged.changed:
            return False
        target: Incident | Item = item or self.incident
        target.fields = merged.fields
        target.provenance = incident_rows.provenance_out(merged.provenance)
        target.rev += 1
        if isinstance(target, Item):
            first = next(e for e in merged.entries if e.kind == "changed")
            self._flush(target)
            incident_rows.add_revision(self.tx, target, self.now, first.source, first.actor)
        else:
            self._open_or_closed()
        self.incident.updated_at = self.now
        return True

    def _journal(self, item: Item | None, entry: Entry, rule: str | None) -> None:
        data: dict[str, Json] = {
            "field": entry.field_path,
            "value": entry.value,
            "ours": entry.ours,
            "rule": rule or entry.rule,
        }
        if item is not None:
            data["item"] = item.id
        if entry.actor:
            data["actor"] = entry.actor
        if entry.link:
            data["link"] = entry.link
        self.lines.append(Line(entry.kind, entry.source, data))

    def _open_or_closed(self) -> None:
        is_open = self.incident.fields.get("status") not in CLOSED and self.incident.merged_into is None
        if is_open and not self.incident.open and self.incident.dedup_key:
            other = incident_rows.by_dedup_key(self.tx, self.incident.dedup_key, open_only=True)
            if other is not None and other.id != self.incident.id:
                self.incident.dedup_key = None  # a newer incident has this key: a recurrence
        self.incident.open = is_open

    def add_comment(
        self, text: str, *, origin: str, author: str | None, restricted: bool = False, audience: str | None = None,
        state: str = "approved",
    ) -> Item:  # fmt: skip
        """A new comment; with an audience, a new update. Returns it, saved, with its first revision."""
        rank, _ = self.hub.config.rank(origin, "text")
        proof = {"text": Provenance(origin, self.now, self.now, rank, author)}
        common: dict[str, Any] = {
            "id": self.hub.ids.new(), "incident_id": self.incident.id, "origin": origin, "author": author,
            "fields": {"text": text, "deleted": False}, "provenance": incident_rows.provenance_out(proof),
            "created_at": self.now, "rev": 1,
        }  # fmt: skip
        item: Item = (
            Comment(**common, restricted=restricted)
            if audience is None
            else UpdateItem(**common, audience=audience, state=state, status=self.incident.fields.get("status"))
        )
        self.items[item.id] = item
        self._flush(item)
        incident_rows.add_revision(self.tx, item, self.now, origin, author)
        self.record("comment" if audience is None else "update", origin, item=item.id, text=text, author=author)
        self.incident.updated_at = self.now
        return item

    def new_link(self, connection: str, kind: str, slot: str, *, state: str = "pending", **columns: Json) -> Link:
        link = Link(
            id=self.hub.ids.new(), incident_id=self.incident.id, connection=connection, kind=kind, slot=slot,
            mark=self.hub.ids.new(), created_at=self.now, state=state, **columns,
        )  # fmt: skip
        self.links[link.id] = link
        return link

    def _flush(self, item: Item) -> None:
        self._flush_incident()
        save(self.tx, item)

    def _flush_incident(self) -> None:
        """Saves the row of a new incident before rows that refer to it."""
        if self.incident._was is None:
            save(self.tx, self.incident)

    # --- closing ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Saves everything that changed; the caller commits."""
        self._flush_incident()
        if self.lines:
            journal.append(self.tx, self.incident, self.now, self.lines, self.hub.ids)
            self.incident.updated_at = self.now
        for item in self.items.values():
            save(self.tx, item)
        for link in self.links.values():
            if link.state in ("live", "frozen") and link.remote_id is not None:
                link.state = "frozen" if link.frozen else "live"
            if link.kind == INCIDENT and link.remote_id is not None and _newly_live(link) and self.incident.open:
                self._poll_often(link.connection)
            save(self.tx, link)
        for row in self.settled:
            save(self.tx, row)
        for row in self.outbox.values():
            save(self.tx, row)
        for connection in self.connections.values():
            save(self.tx, connection)
        save(self.tx, self.incident)

    def _poll_often(self, connection: str) -> None:
        """The connection shows an open incident now: its next poll must not wait for the long interval between quiet
        polls."""
        if connection in self.hub.adapters:
            busy, _ = self.hub.capabilities(connection).poll
            connection_rows.poll_at(self.tx, connection, self.now + timedelta(seconds=busy))


def _newly_live(link: Link) -> bool:
    return link.state == "live" and (link._was is None or link._was["state"] != "live")


def case_in(hub: Hub, tx: Tx, incident_id: str) -> Case | None:
    """A case within an open transaction; None if there is no such incident. The caller ends it by `finish`, commits,
    and calls `announce`."""
    rows, now = gather(tx, incident_id), hub.clock.now()
    if rows is None:
        return None
    if rows.incident.updated_at > now:
        _shift_back(now, rows.incident, *rows.items.values())
    return Case(
        hub, tx, rows.incident, rows.items, rows.links, rows.outbox, rows.connections, rows.paused, now
    )  # fmt: skip


def _shift_back(now: datetime, *changed: Incident | Item) -> None:
    """After the clock was set back: changes the times of earlier changes that now lie in the future to now. Otherwise
    edits from now on would count as older than those."""
    for one in changed:
        one.provenance = {
            field_path: {
                **proof,
                "after": min(proof["after"], now.isoformat()),
                "until": min(proof["until"], now.isoformat()),
            }
            for field_path, proof in one.provenance.items()
        }
        if isinstance(one, Incident):
            one.updated_at = now


def new_case(
    hub: Hub, tx: Tx, fields: Mapping[str, Json], *, dedup_key: str | None, source: str, actor: str | None
) -> Case:
    """A case for an incident that begins now. The caller ends it by `finish`, commits, and calls `announce`."""
    now = hub.clock.now()
    blank = {name: spec.default for name, spec in FIELDS[INCIDENT].items()}
    previous = incident_rows.by_dedup_key(tx, dedup_key, open_only=False) if dedup_key else None
    incident = Incident(
        id=hub.ids.new(), number=incident_rows.next_number(tx), fields=blank, provenance={}, created_at=now,
        updated_at=now, dedup_key=dedup_key, previous_id=previous.id if previous else None,
    )  # fmt: skip
    case = Case(hub, tx, incident, {}, {}, {}, *connection_rows.every_and_pause(tx), now)
    case.record("opened", source, number=incident.number, actor=actor, previous=incident.previous_id)
    case.edit(fields, source, actor, rule="opened")
    return case
