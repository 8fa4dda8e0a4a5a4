"""field_words: the names of a table, of columns, of indexes and of stored states become the field's own.

| what | before | after |
|---|---|---|
| table | `strangers` | `unmatched_objects` |
| `links` | `look_due`, `look_whole` | `refresh_due`, `refresh_whole` |
| `connections` | `forged` | `invalid_signatures` |
| `inbox.state`, `outbox.state` | `dead` | `failed` |
| `timers.kind` | `twins` | `duplicates` |
| `links.slot` | `twin-1` | `duplicate-1` |

No row is added or lost, and the downgrade restores every value. Journal lines keep their words, because each line's hash covers
its kind and content; `hub.store.journal.RENAMED` translates them for readers.

This step only renames, so the version before cannot run beside it: stop every part of the hub first.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

from hub.store.migrate import NotMigratable
from hub.store.tables import Doc, Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = (
    ("links", "look_due", "refresh_due"),
    ("links", "look_whole", "refresh_whole"),
    ("connections", "forged", "invalid_signatures"),
)
"""table, name before, name after"""

WORDS = (
    ("inbox", "state", "dead", "failed"),
    ("outbox", "state", "dead", "failed"),
    ("timers", "kind", "twins", "duplicates"),
)
"""table, column, value before, value after"""

SLOT = ("twin", "duplicate")
"""What the slots of second objects begin with, before and after. The hub alone gives such slots."""

INDEXES_BEFORE = (
    ("ix_inbox_dead", "inbox", "received_at", "state = 'dead'"),
    ("ix_outbox_dead", "outbox", "created_at", "state = 'dead'"),
    ("ix_links_look_due", "links", "look_due", "look_due IS NOT NULL"),
    ("ix_strangers_due_at", "strangers", "due_at", "due_at IS NOT NULL"),
)
INDEXES_AFTER = (
    ("ix_inbox_failed", "inbox", "received_at", "state = 'failed'"),
    ("ix_outbox_failed", "outbox", "created_at", "state = 'failed'"),
    ("ix_links_refresh_due", "links", "refresh_due", "refresh_due IS NOT NULL"),
    ("ix_unmatched_objects_due_at", "unmatched_objects", "due_at", "due_at IS NOT NULL"),
)
"""name, table, column, condition"""

TABLE_BEFORE = ("strangers", "pk_strangers", "uq_strangers_connection_remote_kind_remote_id_remote_parent")
TABLE_AFTER = ("unmatched_objects", "pk_unmatched_objects", "uq_unmatched_objects_remote")
"""name, primary key, unique constraint"""


def upgrade() -> None:
    before, after = SLOT
    _drop_indexes(INDEXES_BEFORE)
    _rename_table(TABLE_BEFORE, TABLE_AFTER)
    for table, old, new in COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    for table, column, old, new in WORDS:
        _replace(table, column, old, new)
    _rename_slots(before, after)
    _create_indexes(INDEXES_AFTER)


def downgrade() -> None:
    before, after = SLOT
    _drop_indexes(INDEXES_AFTER)
    _rename_table(TABLE_AFTER, TABLE_BEFORE)
    for table, old, new in COLUMNS:
        op.alter_column(table, new, new_column_name=old)
    for table, column, old, new in WORDS:
        _replace(table, column, new, old)
    _rename_slots(after, before)
    _create_indexes(INDEXES_BEFORE)


def _drop_indexes(indexes: tuple[tuple[str, str, str, str], ...]) -> None:
    for name, table, _, _ in indexes:
        op.drop_index(name, table)


def _create_indexes(indexes: tuple[tuple[str, str, str, str], ...]) -> None:
    for name, table, column, condition in indexes:
        where = sa.text(condition)
        op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)


def _replace(table: str, column: str, old: str, new: str) -> None:
    rows = sa.table(table, sa.column(column, sa.String))
    op.execute(sa.update(rows).where(rows.c[column] == old).values({column: new}))


def _rename_slots(old: str, new: str) -> None:
    """`old-1` becomes `new-1`. Raises NotMigratable if a slot begins with the new word already: a rule in lockstep.toml may have
    named one so, and the hub would close that link's object as a second one."""
    links = sa.table(
        "links", sa.column("id", sa.String), sa.column("connection", sa.String), sa.column("slot", sa.String)
    )
    taken = sa.select(links.c.id, links.c.connection, links.c.slot).where(_begins(links.c.slot, new)).limit(1)
    found = op.get_bind().execute(taken).first()
    if found is not None:
        raise NotMigratable(
            f"link {found.id} of connection {found.connection} has the slot {found.slot!r}, and slots that begin with "
            f"{new!r} are the hub's own after this step; nothing was changed. Stop the hub, give the slot another name in "
            "lockstep.toml and in every row of the column links.slot that holds it, and run this again"
        )
    begun = op.get_bind().execute(
        sa.select(links.c.id, links.c.connection, links.c.slot).where(_begins(links.c.slot, old))
    )
    for link in begun:
        if not re.fullmatch(rf"{old}-[0-9]+", link.slot):
            raise NotMigratable(
                f"link {link.id} of connection {link.connection} has the slot {link.slot!r}, which a rule in lockstep.toml has "
                f"named; this step renames what begins with {old!r}; nothing was changed. Stop the hub, give the slot another "
                "name in lockstep.toml and in every row of the column links.slot that holds it, and run this again"
            )
    renamed = sa.literal(new).concat(sa.func.substr(links.c.slot, len(old) + 1))
    op.execute(sa.update(links).where(_begins(links.c.slot, old)).values(slot=renamed))


def _begins(column: sa.ColumnElement[str], word: str) -> sa.ColumnElement[bool]:
    """Compared case by case; SQLite's LIKE would not."""
    return sa.func.substr(column, 1, len(word)) == word


def _rename_table(old: tuple[str, str, str], new: tuple[str, str, str]) -> None:
    """Renames the table and its constraints. SQLite cannot rename a constraint, so the rows are copied there."""
    if op.get_bind().dialect.name == "postgresql":
        op.rename_table(old[0], new[0])
        for was, becomes in zip(old[1:], new[1:], strict=True):
            op.execute(f"ALTER TABLE {new[0]} RENAME CONSTRAINT {was} TO {becomes}")
        return
    name, primary_key, unique = new
    op.create_table(
        name,
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("remote_kind", sa.String(length=12), nullable=False),
        sa.Column("remote_id", sa.String(length=300), nullable=False),
        sa.Column("remote_parent", sa.String(length=300), server_default="", nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("candidates", Doc, nullable=False),
        sa.Column("due_at", Utc()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_seen", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(primary_key)),
        sa.UniqueConstraint("connection", "remote_kind", "remote_id", "remote_parent", name=op.f(unique)),
    )
    columns = (
        "id, connection, remote_kind, remote_id, remote_parent, state, reason, candidates, due_at, attempts, first_seen"
    )
    op.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {old[0]} ORDER BY rowid")  # noqa: S608 names of ours
    op.drop_table(old[0])
