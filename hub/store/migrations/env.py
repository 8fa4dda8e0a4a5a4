"""Alembic's entry: runs inside the connection and the transaction that `hub.store.migrate` opened."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from hub.store.tables import Doc, Utc, metadata


def render(kind: str, thing: Any, autogen_context: Any) -> str | Literal[False]:
    """Our own two types by their names, so that a step reads like `tables.py`."""
    if kind == "type" and isinstance(thing, Utc):
        return "Utc()"
    if kind == "type" and thing is Doc:
        return "Doc"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters little in place
    render_item=render,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
