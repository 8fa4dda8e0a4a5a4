"""What the hub commits, row by row, as it commits it: triggers in the simulation's own database write every transition into
a temporary table, which is read (and emptied) right before each commit. A rolled-back transaction leaves nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WATCHED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # table: (key expression, columns)
    "incidents": ("id", ("number", "fields", "provenance", "rev", "open", "merged_into", "head_seq")),
    "comments": ("id", ("incident_id", "origin", "fields", "provenance", "rev", "restricted")),
    "updates": ("id", ("incident_id", "origin", "fields", "provenance", "rev", "state")),
    "links": (
        "id",
        ("incident_id", "connection", "kind", "slot", "item_id", "parent_id", "remote_kind", "remote_id", "remote_parent", "state",
         "mark", "shadow", "rev", "held", "frozen", "refused", "approved_hash"),
    ),
    "outbox": (
        "id",
        ("link_id", "connection", "op", "state", "changes", "steps", "fence", "owner", "attempts", "unknowns", "lease_until"),
    ),
    "inbox": ("id", ("connection", "delivery_id", "state", "reason", "attempts")),
    "journal": ("incident_id || ':' || seq", ("incident_id", "seq", "kind", "source", "data", "salt", "hash")),
    "leases": ("name", ("owner", "fence", "until")),
    "strangers": ("id", ("connection", "remote_id", "state", "reason")),
}  # fmt: skip
JSON_COLUMNS = frozenset({"fields", "provenance", "shadow", "held", "frozen", "refused", "changes", "steps", "data"})


@dataclass(frozen=True)
class Row:
    """One transition: `old` is None for an insert, `new` for a delete."""

    table: str
    key: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


def install(db: sqlite3.Connection) -> None:
    """Sets the triggers up, once for each database connection."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS audit (n INTEGER PRIMARY KEY, t TEXT, k TEXT, old TEXT, new TEXT)")
    for table, (key, columns) in WATCHED.items():
        for verb, old, new in (("INSERT", False, True), ("UPDATE", True, True), ("DELETE", True, False)):
            side = "new" if new else "old"
            values = ", ".join(
                "json_object(" + ", ".join(f"'{c}', {s}.{c}" for c in columns) + ")" if given else "NULL"
                for s, given in (("old", old), ("new", new))
            )
            keyed = " || ':' || ".join(f"{side}.{part.strip()}" for part in key.split("|| ':' ||"))
            db.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS audit_{table}_{verb} AFTER {verb} ON main.{table} BEGIN "
                f"INSERT INTO audit (t, k, old, new) VALUES ('{table}', {keyed}, {values}); END"
            )


def take(db: sqlite3.Connection) -> list[Row]:
    """The transitions since the last call, in order."""
    rows = db.execute("SELECT t, k, old, new FROM audit ORDER BY n").fetchall()
    if rows:
        db.execute("DELETE FROM audit")
    return [Row(t, k, _read(old), _read(new)) for t, k, old, new in rows]


def _read(text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return None
    row: dict[str, Any] = json.loads(text)
    for name in JSON_COLUMNS & row.keys():
        if isinstance(row[name], str):
            row[name] = json.loads(row[name])
    return row
