"""Every table of the hub. SQL is the only source of truth: what is not in a row here may be lost at any time without harm.

Times are UTC. JSON columns hold plain JSON. The sweep reads only partial indexes of rows that are due, so incidents with no
work to do cost nothing, however many there are.
"""

from __future__ import annotations

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


def moment(microseconds: int) -> datetime:
    """A UTC time from microseconds since 1970, as SQLite stores it."""
    return _EPOCH + timedelta(0, 0, microseconds)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970: how SQLite stores a time."""
    return (moment - _EPOCH) // _MICROSECOND


class Utc(TypeDecorator[datetime]):
    """A UTC time: `timestamptz` on PostgreSQL, microseconds since 1970 on SQLite (which has no such type)."""

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


# A configured account at a vendor. state: observe | enabled | disabled. `failures`, `open_until`: the circuit breaker.
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

# fields: name → value. provenance: field path → {source, after, until, rank, actor}. A field path is "field" or "field/element".
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
    """A table of items that belong to an incident and have fields with provenance of their own."""
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


# restricted: visible to only part of the audience at its vendor; never copied.
comments = _item("comments", Column("restricted", Boolean, nullable=False, server_default=text("false")))
# state: draft | approved | withdrawn. status: the incident's status when the update was written.
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

# The remote object of an incident, comment or update in a slot of a connection. state: pending | live | held | frozen | unreachable
# | gone | unlinked. shadow: field → value in the vendor's terms, as last read or written; `rev` counts its changes.
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
    Column("refresh_whole", Boolean, nullable=False, server_default=text("true")),  # false: without its comments
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
Index("ix_links_refresh_due", links.c.refresh_due, **_when("refresh_due IS NOT NULL"))
Index("ix_links_item_id", links.c.item_id)

# A received webhook, kept as it came. state: new | done | ignored | failed.
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
Index("ix_inbox_due_at", inbox.c.connection, inbox.c.due_at, **_when("due_at IS NOT NULL"))
Index("ix_inbox_failed", inbox.c.received_at, **_when("state = 'failed'"))

# A write to a vendor. op: create | update. state: due | claimed | unknown | done | failed | withdrawn. changes: field → value in
# the vendor's terms. base_rev: `links.rev` when the write was planned. steps: the workflow transitions that are left.
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
Index("ix_outbox_failed", outbox.c.created_at, **_when("state = 'failed'"))
Index("ix_outbox_created", outbox.c.first_sent_at, **_when("op = 'create' AND first_sent_at IS NOT NULL"))

# A remote object that belonged to no link when it was first seen. state: waiting | linked | opened | proposed | ignored.
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
    # the convention's name is longer than the 63 bytes that PostgreSQL keeps
    UniqueConstraint("connection", "remote_kind", "remote_id", "remote_parent", name="uq_unmatched_objects_remote"),
)
Index("ix_unmatched_objects_due_at", unmatched_objects.c.due_at, **_when("due_at IS NOT NULL"))

# Append-only, with one hash chain for each incident. The chain still verifies after `data` and `salt` of a line were erased.
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
    "notebook", metadata, Column("connection", Name, primary_key=True), Column("name", Name, primary_key=True),
    Column("value", Doc),
)  # fmt: skip
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
    "leases", metadata, Column("name", Name, primary_key=True), Column("owner", String(60), nullable=False),
    Column("fence", Integer, nullable=False), Column("until", Utc, nullable=False),
)  # fmt: skip
# Which worker is at which due row (`hub.store.claims`). due_at: when that row was due. All of it may be lost.
claims = Table(
    "claims", metadata, Column("task", Name, primary_key=True), Column("key", String(120), primary_key=True),
    Column("claimed_by", String(60), nullable=False), Column("claimed_until", Utc, nullable=False),
    Column("due_at", Utc, nullable=False), Column("failures", Integer, nullable=False, server_default="0"),
)  # fmt: skip
switches = Table("switches", metadata, Column("name", Name, primary_key=True), Column("value", Doc))
# Commands that were read from an object's content (a reaction in a chat), so that each is applied once.
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
