"""Rows as records: loaded, changed in memory, and saved with only the columns that differ.

A JSON value in a record is replaced, never changed in place: that is how `save` knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Executable, Insert, Table, Update, bindparam, insert, update

from hub.domain.values import Json, Ref
from hub.store import tables
from hub.store.unit import Tx


@dataclass
class Record:
    """Base of all records. `_was`: the columns as they are in the database; None = not there yet."""

    table: ClassVar[Table]
    _was: dict[str, Any] | None = field(default=None, init=False, repr=False, compare=False)


R = TypeVar("R", bound=Record)


def rows(tx: Tx, statement: Executable, **values: Any) -> list[dict[str, Any]]:
    """Every row that a statement finds, as column → value."""
    found = tx.execute(statement, values)
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]


def loaded(cls: type[R], columns: dict[str, Any]) -> R:
    """A record that is in the database with these columns."""
    record = cls.__new__(cls)
    record.__dict__.update(columns)
    record._was = columns
    return record


def every(tx: Tx, cls: type[R], statement: Executable, **values: Any) -> list[R]:
    """The rows that a statement over the record's whole table finds, as records."""
    return [loaded(cls, columns) for columns in rows(tx, statement, **values)]


def one(tx: Tx, cls: type[R], statement: Executable, **values: Any) -> R | None:
    """The first of them."""
    return next(iter(every(tx, cls, statement, **values)), None)


def save(tx: Tx, record: Record) -> bool:
    """Inserts a new record, or updates the columns that differ. Returns whether anything was written."""
    held, was = record.__dict__, record._was
    now = {name: held[name] for name in record.table.columns.keys()}  # noqa: SIM118
    if was is None:
        tx.execute(_insert(record.table), now)
    elif changed := {name: value for name, value in now.items() if value != was[name]}:
        keys = {f"was_{column.name}": was[column.name] for column in record.table.primary_key}
        tx.execute(_update(record.table), changed | keys)
    else:
        return False
    record._was = now
    return True


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def _update(table: Table) -> Update:
    """Of one row. The columns to be set are those that values are given for."""
    return update(table).where(*(column == bindparam(f"was_{column.name}") for column in table.primary_key))


def incident_name(number: int) -> str:
    return f"INC-{number}"


@dataclass
class Connection(Record):
    table = tables.connections
    name: str
    vendor: str
    state: str
    created_at: datetime
    activated_at: datetime | None = None
    failures: int = 0
    open_until: datetime | None = None
    reason: str | None = None
    subscription: Json = None
    subscription_due: datetime | None = None
    invalid_signatures: int = 0


@dataclass
class Incident(Record):
    table = tables.incidents
    id: str
    number: int
    fields: dict[str, Json]
    provenance: dict[str, Json]
    created_at: datetime
    updated_at: datetime
    open: bool = True
    rev: int = 0
    dedup_key: str | None = None
    previous_id: str | None = None
    merged_into: str | None = None
    plan_due: datetime | None = None
    head_seq: int = 0
    head_hash: str = ""

    @property
    def name(self) -> str:
        return incident_name(self.number)


@dataclass
class Item(Record):
    """A comment or an update; `kind`: which of the two."""

    id: str
    incident_id: str
    origin: str
    author: str | None
    fields: dict[str, Json]
    provenance: dict[str, Json]
    created_at: datetime
    rev: int = 0
    kind: ClassVar[str] = ""


@dataclass
class Comment(Item):
    table = tables.comments
    kind = "comment"
    restricted: bool = False


@dataclass
class UpdateItem(Item):
    table = tables.updates
    kind = "update"
    audience: str = "public"
    state: str = "draft"
    status: str | None = None
    approved_by: str | None = None


TOMBSTONES = frozenset({"gone", "unlinked"})


@dataclass
class Link(Record):
    table = tables.links
    id: str
    incident_id: str
    connection: str
    kind: str
    slot: str
    mark: str
    created_at: datetime
    state: str = "pending"
    item_id: str | None = None
    parent_id: str | None = None
    remote_kind: str | None = None
    remote_id: str | None = None
    remote_parent: str = ""
    url: str | None = None
    reason: str | None = None
    shadow: dict[str, Json] = field(default_factory=dict)
    consequences: list[str] = field(default_factory=list)
    held: dict[str, Json] = field(default_factory=dict)
    frozen: dict[str, Json] = field(default_factory=dict)
    refused: dict[str, Json] = field(default_factory=dict)
    notes: dict[str, Json] = field(default_factory=dict)
    plan: Json = None
    history: Json = None
    version: str | None = None
    rev: int = 0
    seen_at: datetime | None = None
    written_at: datetime | None = None
    refresh_due: datetime | None = None
    refresh_whole: bool = True
    behind_since: datetime | None = None
    approved_hash: str | None = None
    approved_by: str | None = None
    terminal: bool = False

    @property
    def ref(self) -> Ref | None:
        """The remote object; None before it exists, or when the vendor gave no id."""
        if self.remote_id is None:
            return None
        return Ref(self.remote_kind or self.kind, self.remote_id, self.remote_parent or None)

    @property
    def secondary(self) -> bool:
        return self.slot.startswith(("secondary", "duplicate"))

    @property
    def reasons(self) -> dict[str, Json]:
        """field → why it is not shown there as it is; not those in `frozen` or `refused`."""
        return {n: words for n, words in self.notes.items() if n not in {*self.frozen, *self.refused, "correction"}}

    @property
    def duplicate(self) -> bool:
        """A second object with our mark, created by a repeated create; it is closed whatever the incident's state."""
        return self.slot.startswith("duplicate")


@dataclass
class Outbox(Record):
    table = tables.outbox
    id: str
    link_id: str
    incident_id: str
    connection: str
    op: str
    changes: dict[str, Json]
    base_rev: int
    created_at: datetime
    state: str = "due"
    steps: Json = None
    actor: Json = None
    due_at: datetime | None = None
    attempts: int = 0
    unknowns: int = 0
    solo: bool = False
    fence: int = 0
    owner: str | None = None
    lease_until: datetime | None = None
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    error: str | None = None
    error_class: str | None = None
    settled_at: datetime | None = None


@dataclass
class Unmatched(Record):
    table = tables.unmatched_objects
    id: str
    connection: str
    remote_kind: str
    remote_id: str
    first_seen: datetime
    remote_parent: str = ""
    state: str = "waiting"
    reason: str | None = None
    candidates: list[Json] = field(default_factory=list)
    due_at: datetime | None = None
    attempts: int = 0

    @property
    def ref(self) -> Ref:
        return Ref(self.remote_kind, self.remote_id, self.remote_parent or None)


@dataclass
class Inbox(Record):
    table = tables.inbox
    id: str
    connection: str
    delivery_id: str
    received_at: datetime
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    state: str = "new"
    reason: str | None = None
    due_at: datetime | None = None
    attempts: int = 0
    done_at: datetime | None = None
