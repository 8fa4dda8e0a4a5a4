"""baseline"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.tables import Doc, Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "applied",
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "key", name=op.f("pk_applied")),
    )
    op.create_table(
        "connections",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("vendor", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("activated_at", Utc()),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("open_until", Utc()),
        sa.Column("reason", sa.Text()),
        sa.Column("subscription", Doc),
        sa.Column("subscription_due", Utc()),
        sa.Column("forged", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connections")),
    )
    op.create_table(
        "cursors",
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("cursor", Doc),
        sa.Column("polled_at", Utc()),
        sa.Column("due_at", Utc()),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_cursors")),
    )
    with op.batch_alter_table("cursors") as batch_op:
        batch_op.create_index(batch_op.f("ix_cursors_due_at"), ["due_at"])

    op.create_table(
        "inbox",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("delivery_id", sa.String(length=200), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("query", Doc, nullable=False),
        sa.Column("headers", Doc, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("due_at", Utc()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done_at", Utc()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("connection", "delivery_id", name=op.f("uq_inbox_connection_delivery_id")),
    )
    with op.batch_alter_table("inbox") as batch_op:
        batch_op.create_index(
            "ix_inbox_dead",
            ["received_at"],
            sqlite_where=sa.text("state = 'dead'"),
            postgresql_where=sa.text("state = 'dead'"),
        )
        batch_op.create_index(
            "ix_inbox_due_at",
            ["due_at"],
            sqlite_where=sa.text("due_at IS NOT NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        )

    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fields", Doc, nullable=False),
        sa.Column("provenance", Doc, nullable=False),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("dedup_key", sa.String(length=300)),
        sa.Column("previous_id", sa.String(length=40)),
        sa.Column("merged_into", sa.String(length=40)),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("plan_due", Utc()),
        sa.Column("head_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("head_hash", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("number", name=op.f("uq_incidents_number")),
    )
    with op.batch_alter_table("incidents") as batch_op:
        batch_op.create_index("ix_incidents_created_at", ["created_at"])
        batch_op.create_index(
            "ix_incidents_open", ["created_at"], sqlite_where=sa.text("open"), postgresql_where=sa.text("open")
        )
        batch_op.create_index(
            "ix_incidents_plan_due",
            ["plan_due"],
            sqlite_where=sa.text("plan_due IS NOT NULL"),
            postgresql_where=sa.text("plan_due IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_incidents_open_dedup",
            ["dedup_key"],
            unique=True,
            sqlite_where=sa.text("open AND dedup_key IS NOT NULL"),
            postgresql_where=sa.text("open AND dedup_key IS NOT NULL"),
        )

    op.create_table(
        "journal",
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=80)),
        sa.Column("data", Doc),
        sa.Column("salt", sa.String(length=64)),
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "seq", name=op.f("pk_journal")),
    )
    with op.batch_alter_table("journal") as batch_op:
        batch_op.create_index("ix_journal_at", ["at"])

    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("owner", sa.String(length=60), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("until", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "notebook",
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", Doc),
        sa.PrimaryKeyConstraint("connection", "name", name=op.f("pk_notebook")),
    )
    op.create_table(
        "revisions",
        sa.Column("item_id", sa.String(length=40), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("actor", sa.String(length=200)),
        sa.Column("fields", Doc, nullable=False),
        sa.PrimaryKeyConstraint("item_id", "rev", name=op.f("pk_revisions")),
    )
    op.create_table(
        "seals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("heads", sa.Integer(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seals")),
    )
    op.create_table(
        "strangers",
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strangers")),
        sa.UniqueConstraint(
            "connection",
            "remote_kind",
            "remote_id",
            "remote_parent",
            name=op.f("uq_strangers_connection_remote_kind_remote_id_remote_parent"),
        ),
    )
    with op.batch_alter_table("strangers") as batch_op:
        batch_op.create_index(
            "ix_strangers_due_at",
            ["due_at"],
            sqlite_where=sa.text("due_at IS NOT NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        )

    op.create_table(
        "switches",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", Doc),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "timers",
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("data", Doc),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_timers")),
    )
    with op.batch_alter_table("timers") as batch_op:
        batch_op.create_index(batch_op.f("ix_timers_due_at"), ["due_at"])

    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", Doc, nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc()),
        sa.Column("revoked_at", Utc()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_table(
        "vault",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault")),
    )
    with op.batch_alter_table("vault") as batch_op:
        batch_op.create_index("ix_vault_connection_name", ["connection", "name"])

    op.create_table(
        "comments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("origin", sa.String(length=80), nullable=False),
        sa.Column("author", sa.String(length=200)),
        sa.Column("fields", Doc, nullable=False),
        sa.Column("provenance", Doc, nullable=False),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("restricted", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_comments_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    with op.batch_alter_table("comments") as batch_op:
        batch_op.create_index(batch_op.f("ix_comments_incident_id"), ["incident_id"])

    op.create_table(
        "links",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("slot", sa.String(length=60), nullable=False),
        sa.Column("item_id", sa.String(length=40)),
        sa.Column("parent_id", sa.String(length=40)),
        sa.Column("remote_kind", sa.String(length=12)),
        sa.Column("remote_id", sa.String(length=300)),
        sa.Column("remote_parent", sa.String(length=300), server_default="", nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("shadow", Doc, nullable=False),
        sa.Column("consequences", Doc, nullable=False),
        sa.Column("held", Doc, nullable=False),
        sa.Column("frozen", Doc, nullable=False),
        sa.Column("refused", Doc, nullable=False),
        sa.Column("notes", Doc, nullable=False),
        sa.Column("plan", Doc),
        sa.Column("history", Doc),
        sa.Column("version", sa.String(length=200)),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seen_at", Utc()),
        sa.Column("written_at", Utc()),
        sa.Column("look_due", Utc()),
        sa.Column("behind_since", Utc()),
        sa.Column("approved_hash", sa.String(length=64)),
        sa.Column("approved_by", sa.String(length=200)),
        sa.Column("terminal", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_links_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint(
            "incident_id", "connection", "kind", "slot", name=op.f("uq_links_incident_id_connection_kind_slot")
        ),
        sa.UniqueConstraint("mark", name=op.f("uq_links_mark")),
    )
    with op.batch_alter_table("links") as batch_op:
        batch_op.create_index("ix_links_item_id", ["item_id"])
        batch_op.create_index(
            "ix_links_look_due",
            ["look_due"],
            sqlite_where=sa.text("look_due IS NOT NULL"),
            postgresql_where=sa.text("look_due IS NOT NULL"),
        )
        batch_op.create_index(
            "uq_links_remote",
            ["connection", "remote_kind", "remote_id", "remote_parent"],
            unique=True,
            sqlite_where=sa.text("remote_id IS NOT NULL"),
            postgresql_where=sa.text("remote_id IS NOT NULL"),
        )

    op.create_table(
        "updates",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("origin", sa.String(length=80), nullable=False),
        sa.Column("author", sa.String(length=200)),
        sa.Column("fields", Doc, nullable=False),
        sa.Column("provenance", Doc, nullable=False),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("audience", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("status", sa.String(length=20)),
        sa.Column("approved_by", sa.String(length=200)),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_updates_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_updates")),
    )
    with op.batch_alter_table("updates") as batch_op:
        batch_op.create_index(batch_op.f("ix_updates_incident_id"), ["incident_id"])

    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("link_id", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("connection", sa.String(length=80), nullable=False),
        sa.Column("op", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("changes", Doc, nullable=False),
        sa.Column("steps", Doc),
        sa.Column("actor", Doc),
        sa.Column("base_rev", sa.Integer(), nullable=False),
        sa.Column("due_at", Utc()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unknowns", sa.Integer(), server_default="0", nullable=False),
        sa.Column("solo", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.String(length=60)),
        sa.Column("lease_until", Utc()),
        sa.Column("first_sent_at", Utc()),
        sa.Column("last_sent_at", Utc()),
        sa.Column("error", sa.Text()),
        sa.Column("error_class", sa.String(length=16)),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("settled_at", Utc()),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_outbox_link_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.create_index(
            "ix_outbox_created",
            ["first_sent_at"],
            sqlite_where=sa.text("op = 'create' AND first_sent_at IS NOT NULL"),
            postgresql_where=sa.text("op = 'create' AND first_sent_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_outbox_dead",
            ["created_at"],
            sqlite_where=sa.text("state = 'dead'"),
            postgresql_where=sa.text("state = 'dead'"),
        )
        batch_op.create_index(
            "ix_outbox_due_at",
            ["due_at"],
            sqlite_where=sa.text("due_at IS NOT NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.create_index("ix_outbox_link_id", ["link_id"])
        batch_op.create_index(
            "uq_outbox_open_link",
            ["link_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('due', 'claimed', 'unknown')"),
            postgresql_where=sa.text("state IN ('due', 'claimed', 'unknown')"),
        )
