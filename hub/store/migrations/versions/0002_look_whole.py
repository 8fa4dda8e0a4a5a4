"""look_whole"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # true: what was due before this column was there may have been due for a comment's sake
    op.add_column("links", sa.Column("look_whole", sa.Boolean(), nullable=False, server_default=sa.text("true")))


def downgrade() -> None:
    op.drop_column("links", "look_whole")
