"""Every table of the hub. SQL is the truth: what is not in a row here may be lost at any moment without harm.

Times are UTC. JSON columns hold plain JSON. Only partial indexes that name what is *due* are scanned by the sweep, so that
a hundred thousand quiet incidents cost nothing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_encode = json.JSONEncoder(separators=(", ", ": ")).encode
_decode: Any = json.JSONDecoder()
_NOTHING = {"{}": dict, "[]": list}


to_json = _encode
"""JSON as text, as it has always been written."""


def from_json(text: Any) -> Any:
    """What `to_json` has written, and any other JSON. Most columns are empty, and the scanner alone reads the rest."""
    empty = _NOTHING.get(text)
    if empty is not None:
        return empty()
    if not isinstance(text, str):
        return text  # SQLite keeps a number as a number
    try:
        value, end = _decode.scan_once(text, 0)
    except StopIteration:
        return _decode.decode(text)
    return value if end == len(text) else _decode.decode(text)


def moment(microseconds: int) -> datetime:
    """What a moment on SQLite means."""
    return _EPOCH + timedelta(0, 0, microseconds)


def microseconds(moment: datetime) -> int:
    """A moment as SQLite keeps it."""
    return (moment - _EPOCH) // _MICROSECOND


class Utc(TypeDecorator[datetime]):
    """A UTC moment: `timestamptz` on PostgreSQL, microseconds since 1970 on SQLite (which has no such type)."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Any) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return microseconds(value)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return value.astimezone(UTC)
        return moment(value)


Doc = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Id = String(40)
Name = String(80)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _when(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


# A named instance of a vendor. state: observe | enabled | disabled. `failures`, `open_until`: the circuit breaker.
connections = Table(
    "connections",
    metadata,
    Column("name", Name, primary_key=True),
    Column("vendor", Name, nullable=False),
    Column("state", String(12), nullable=False),
    Column("activated_at", Utc),
    Column("created_at", Utc, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("open_until", Utc),
    Column("reason", Text),
    Column("subscription", Doc),
    Column("subscription_due", Utc),
    Column("invalid_signatures", Integer, nullable=False, server_default="0"),
)

# fields: name → value; provenance: field path → {source, after, until, rank, actor}. A field path is a field, or "field/element".
incidents = Table(
    "incidents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("fields", Doc, nullable=False),
    Column("provenance", Doc, nullable=False),
    Column("rev", Integer, nullable=False, server_default="0"),
    Column("open", Boolean, nullable=False),
    Column("dedup_key", String(300)),
    Column("previous_id", Id),
    Column("merged_into", Id),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("plan_due", Utc),
    Column("head_seq", Integer, nullable=False, server_default="0"),
    Column("head_hash", String(64), nullable=False, server_default=""),
)
Index("uq_incidents_open_dedup", incidents.c.dedup_key, unique=True, **_when("open AND dedup_key IS NOT NULL"))
Index("ix_incidents_plan_due", incidents.c.plan_due, **_when("plan_due IS NOT NULL"))
Index("ix_incidents_open", incidents.c.created_at, **_when("open"))
Index("ix_incidents_created_at", incidents.c.created_at)


def _item(name: str, *extra: Any) -> Table:
    """Something that belongs to an incident and has fields with provenance of its own."""
    return Table(
        name,
        metadata,
        Column("id", Id, primary_key=True),
        Column("incident_id", Id, ForeignKey("incidents.id"), nullable=False, index=True),
        Column("origin", Name, nullable=False),
        Column("author", String(200)),
        Column("fields", Doc, nullable=False),
        Column("provenance", Doc, nullable=False),
        Column("rev", Integer, nullable=False, server_default="0"),
        Column("created_at", Utc, nullable=False),
        *extra,
    )


# restricted: seen in a vendor by a part of the audience only; never copied.
comments = _item("comments", Column("restricted", Boolean, nullable=False, server_default=text("false")))
# state: draft | approved | withdrawn. status: our word at the time of writing.
updates = _item(
    "updates",
    Column("audience", Name, nullable=False),
    Column("state", String(12), nullable=False),
    Column("status", String(20)),
    Column("approved_by", String(200)),
)
revisions = Table(
    "revisions",
    metadata,
    Column("item_id", Id, primary_key=True),
    Column("rev", Integer, primary_key=True),
    Column("kind", String(12), nullable=False),
    Column("at", Utc, nullable=False),
    Column("source", Name, nullable=False),
    Column("actor", String(200)),
    Column("fields", Doc, nullable=False),
)

# incident (or comment, or update) × connection × slot. state: pending | live | held | frozen | unreachable | gone |
# unlinked. shadow: field → theirs, as last seen or written, with `rev` counting every change of it.
links = Table(
    "links",
    metadata,
    Column("id", Id, primary_key=True),
    Column("incident_id", Id, ForeignKey("incidents.id"), nullable=False),
    Column("connection", Name, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("slot", String(60), nullable=False),
    Column("item_id", Id),
    Column("parent_id", Id),
    Column("remote_kind", String(12)),
    Column("remote_id", String(300)),
    Column("remote_parent", String(300), nullable=False, server_default=""),
    Column("url", Text),
    Column("state", String(12), nullable=False),
    Column("reason", Text),
    Column("mark", String(64), nullable=False, unique=True),
    Column("shadow", Doc, nullable=False),
    Column("consequences", Doc, nullable=False),
    Column("held", Doc, nullable=False),
    Column("frozen", Doc, nullable=False),
    Column("refused", Doc, nullable=False),
    Column("notes", Doc, nullable=False),
    Column("plan", Doc),
    Column("history", Doc),
    Column("version", String(200)),
    Column("rev", Integer, nullable=False, server_default="0"),
    Column("seen_at", Utc),
    Column("written_at", Utc),
    Column("refresh_due", Utc),
    Column("refresh_whole", Boolean, nullable=False, server_default=text("true")),
    Column("behind_since", Utc),
    Column("approved_hash", String(64)),
    Column("approved_by", String(200)),
    Column("terminal", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Utc, nullable=False),
    UniqueConstraint("incident_id", "connection", "kind", "slot"),
)
Index(
    "uq_links_remote", links.c.connection, links.c.remote_kind, links.c.remote_id, links.c.remote_parent,
    unique=True, **_when("remote_id IS NOT NULL"),
)  # fmt: skip
Index("ix_links_look_due", links.c.refresh_due, **_when("refresh_due IS NOT NULL"))
Index("ix_links_item_id", links.c.item_id)

# An incoming webhook, kept raw. state: new | done | ignored | dead.
inbox = Table(
    "inbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", Name, nullable=False),
    Column("delivery_id", String(200), nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("method", String(8), nullable=False),
    Column("path", Text, nullable=False),
    Column("query", Doc, nullable=False),
    Column("headers", Doc, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(8), nullable=False),
    Column("reason", Text),
    Column("due_at", Utc),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("done_at", Utc),
    UniqueConstraint("connection", "delivery_id"),
)
Index("ix_inbox_due_at", inbox.c.due_at, **_when("due_at IS NOT NULL"))
Index("ix_inbox_dead", inbox.c.received_at, **_when("state = 'failed'"))

# An intention to write at a vendor. op: create | update. state: due | claimed | unknown | done | dead | withdrawn.
# changes: field → theirs. base_rev: the link's rev that the intention was made from. steps: what is left of a walk.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("link_id", Id, ForeignKey("links.id"), nullable=False),
    Column("incident_id", Id, nullable=False),
    Column("connection", Name, nullable=False),
    Column("op", String(8), nullable=False),
    Column("state", String(10), nullable=False),
    Column("changes", Doc, nullable=False),
    Column("steps", Doc),
    Column("actor", Doc),
    Column("base_rev", Integer, nullable=False),
    Column("due_at", Utc),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("unknowns", Integer, nullable=False, server_default="0"),
    Column("solo", Boolean, nullable=False, server_default=text("false")),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("owner", String(60)),
    Column("lease_until", Utc),
    Column("first_sent_at", Utc),
    Column("last_sent_at", Utc),
    Column("error", Text),
    Column("error_class", String(16)),
    Column("created_at", Utc, nullable=False),
    Column("settled_at", Utc),
)
Index("uq_outbox_open_link", outbox.c.link_id, unique=True, **_when("state IN ('due', 'claimed', 'unknown')"))
Index("ix_outbox_due_at", outbox.c.due_at, **_when("due_at IS NOT NULL"))
Index("ix_outbox_link_id", outbox.c.link_id)
Index("ix_outbox_dead", outbox.c.created_at, **_when("state = 'failed'"))
Index("ix_outbox_created", outbox.c.first_sent_at, **_when("op = 'create' AND first_sent_at IS NOT NULL"))

# A remote object that nobody here knows yet. state: waiting | linked | opened | proposed | ignored.
unmatched_objects = Table(
    "unmatched_objects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", Name, nullable=False),
    Column("remote_kind", String(12), nullable=False),
    Column("remote_id", String(300), nullable=False),
    Column("remote_parent", String(300), nullable=False, server_default=""),
    Column("state", String(10), nullable=False),
    Column("reason", Text),
    Column("candidates", Doc, nullable=False),
    Column("due_at", Utc),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("first_seen", Utc, nullable=False),
    UniqueConstraint("connection", "remote_kind", "remote_id", "remote_parent"),
)
Index("ix_strangers_due_at", unmatched_objects.c.due_at, **_when("due_at IS NOT NULL"))

# Append-only; one hash chain for each incident. `data` and `salt` may be erased, the chain still verifies.
journal = Table(
    "journal",
    metadata,
    Column("incident_id", Id, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("source", Name),
    Column("data", Doc),
    Column("salt", String(64)),
    Column("commitment", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
Index("ix_journal_at", journal.c.at)
seals = Table(
    "seals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("heads", Integer, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

timers = Table(
    "timers",
    metadata,
    Column("kind", Name, primary_key=True),
    Column("key", String(120), primary_key=True),
    Column("due_at", Utc, nullable=False, index=True),
    Column("data", Doc),
)
cursors = Table(
    "cursors",
    metadata,
    Column("connection", Name, primary_key=True),
    Column("cursor", Doc),
    Column("polled_at", Utc),
    Column("due_at", Utc, index=True),
)
notebook = Table(
    "notebook",
    metadata,
    Column("connection", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("value", Doc),
)
vault = Table(
    "vault",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
)
Index("ix_vault_connection_name", vault.c.connection, vault.c.name)
leases = Table(
    "leases",
    metadata,
    Column("name", Name, primary_key=True),
    Column("owner", String(60), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("until", Utc, nullable=False),
)
switches = Table("switches", metadata, Column("name", Name, primary_key=True), Column("value", Doc))
# Commands that came as content of an object (a reaction), each applied once.
applied = Table(
    "applied",
    metadata,
    Column("connection", Name, primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("at", Utc, nullable=False),
)
tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", Doc, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc),
    Column("revoked_at", Utc),
)
