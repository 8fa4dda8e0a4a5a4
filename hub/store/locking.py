"""Changes of many rows at once lock them in one order: incidents, links, intentions, connections, cursors, each by its key.
Who opens an incident takes its turn for the number (`incidents.next_number`) before any of them.

Two transactions that lock the same rows in different orders wait for each other, until the database ends one of them. A bare
update of many rows takes them in whatever order it comes upon them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, select

from hub.store.unit import Tx


def lock(tx: Tx, table: Table, *where: Any) -> None:
    """Locks these rows in the order of their key (on SQLite the transaction already excludes other writers). Call
    before they are changed."""
    if tx.dialect.name == "postgresql":
        key = table.primary_key.columns
        # key_share: who only refers to a row need not wait for it
        tx.execute(select(*key).where(*where).order_by(*key).with_for_update(key_share=True))
