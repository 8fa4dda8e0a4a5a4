"""Every row that the hub commits, as it commits it: triggers in the simulation's own database write every transition into
a temporary table, which is read (and emptied) right before each commit. A rolled-back transaction leaves nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
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
         "mark", "shadow", "rev", "version", "held", "frozen", "refused", "approved_hash", "written_at"),
    ),
    "outbox": (
        "id",
        ("link_id", "connection", "op", "state", "changes", "steps", "fence", "owner", "attempts", "unknowns", "lease_until"),
    ),
    "inbox": ("id", ("connection", "delivery_id", "state", "reason", "attempts")),
    "journal": ("incident_id || ':' || seq", ("incident_id", "seq", "kind", "source", "data", "salt", "hash")),
    "leases": ("name", ("owner", "fence", "until")),
    "unmatched_objects": ("id", ("connection", "remote_id", "state", "reason")),
}  # fmt: skip
JSON_COLUMNS = frozenset({"fields", "provenance", "shadow", "held", "frozen", "refused", "changes", "steps", "data"})

EVERY_UPDATE = frozenset({"outbox", "leases"})
"""Tables whose updates are recorded even if no watched column changes: it matters who touches a claimed row."""


class Columns(dict[str, Any]):
    """One row's watched columns. A JSON column is parsed when it is read (`row["name"]`)."""

    def __init__(self, plain: Iterable[tuple[str, Any]], documents: Mapping[str, Any]) -> None:
        super().__init__(plain)
        self.documents = documents

    def __missing__(self, name: str) -> Any:
        text = self.documents[name]
        value = self[name] = json.loads(text) if isinstance(text, str) else text
        return value


@dataclass(frozen=True)
class Row:
    """One transition: `old` is None for an insert, `new` for a delete."""

    table: str
    key: str
    old: Columns | None
    new: Columns | None

    def differs(self, name: str) -> bool:
        """Whether the JSON of this column changed. An insert or a delete counts as a change."""
        if self.old is None or self.new is None:
            return True
        return self.old.documents[name] != self.new.documents[name] and self.old[name] != self.new[name]


SHAPES = {
    table: (
        tuple(c for c in columns if c not in JSON_COLUMNS),
        tuple(c for c in columns if c in JSON_COLUMNS),
    )
    for table, (_, columns) in WATCHED.items()
}
"""table → its plain columns, its JSON columns."""


def install(db: sqlite3.Connection) -> None:
    """Creates the triggers, once for each database connection."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS audit (n INTEGER PRIMARY KEY, t TEXT, k TEXT, old TEXT, new TEXT)")
    for table, (key, columns) in WATCHED.items():
        plain, documents = SHAPES[table]
        for verb, old, new in (("INSERT", False, True), ("UPDATE", True, True), ("DELETE", True, False)):
            values = ", ".join(
                "json_array(" + ", ".join(f"{s}.{c}" for c in (*plain, *documents)) + ")" if given else "NULL"
                for s, given in (("old", old), ("new", new))
            )
            keyed = " || ':' || ".join(f"{'new' if new else 'old'}.{part.strip()}" for part in key.split("|| ':' ||"))
            of = "" if verb != "UPDATE" or table in EVERY_UPDATE else f" OF {', '.join(columns)}"
            db.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS audit_{table}_{verb} AFTER {verb}{of} ON main.{table} BEGIN "
                f"INSERT INTO audit (t, k, old, new) VALUES ('{table}', {keyed}, {values}); END"
            )


def take(db: sqlite3.Connection) -> list[Row]:
    """The transitions since the last call, in order."""
    rows = db.execute("SELECT t, k, old, new FROM audit ORDER BY n").fetchall()
    if rows:
        db.execute("DELETE FROM audit")
    return [Row(t, k, _read(t, old), _read(t, new)) for t, k, old, new in rows]


def _read(table: str, text: str | None) -> Columns | None:
    if text is None:
        return None
    values = json.loads(text)
    plain, documents = SHAPES[table]
    return Columns(zip(plain, values, strict=False), dict(zip(documents, values[len(plain) :], strict=True)))
