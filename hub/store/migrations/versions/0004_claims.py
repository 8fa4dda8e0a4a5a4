"""claims"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.tables import Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("task", sa.String(80), nullable=False),
        sa.Column("key", sa.String(120), nullable=False),
        sa.Column("claimed_by", sa.String(60), nullable=False),
        sa.Column("claimed_until", Utc(), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("task", "key", name="pk_claims"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE claims SET UNLOGGED")  # a lost claim costs a task done twice, which does no harm
    # by connection first: a claimer asks for each connection whether anything of it is due
    op.drop_index("ix_inbox_due_at", "inbox")
    op.create_index("ix_inbox_due_at", "inbox", ["connection", "due_at"], sqlite_where=DUE, postgresql_where=DUE)


def downgrade() -> None:
    op.drop_index("ix_inbox_due_at", "inbox")
    op.create_index("ix_inbox_due_at", "inbox", ["due_at"], sqlite_where=DUE, postgresql_where=DUE)
    op.drop_table("claims")
