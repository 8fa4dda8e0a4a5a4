<%!
    def plain(steps):
        """Leaves out Alembic's own comments and default arguments."""
        for default in (", schema=None", ", nullable=True", ", unique=False"):
            steps = steps.replace(default, "")
        return "\n".join(line for line in steps.splitlines() if "# ###" not in line).strip() or "pass"
%>\
"""${message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.tables import Doc, Utc

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${plain(upgrades)}
