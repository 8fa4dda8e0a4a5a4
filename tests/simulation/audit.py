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

EVERY_UPDATE = frozenset({"outbox", "leases"})
"""Tables of which an update is told that sets none of the watched columns: who touches a claimed row matters by itself."""

WIDTH = max(len(columns) for _, columns in WATCHED.values())


class Columns(dict[str, Any]):
    """One row's watched columns. JSON is read when it is asked for (by its name, in brackets)."""

    def __init__(self, plain: Mapping[str, Any], documents: Mapping[str, Any]) -> None:
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
        """Whether the JSON of this column is another than before; of an insert or a delete it is."""
        if self.old is None or self.new is None:
            return True
        return self.old.documents[name] != self.new.documents[name] and self.old[name] != self.new[name]


def install(db: sqlite3.Connection) -> None:
    """Sets the triggers up, once for each database connection."""
    sides = [f"{side}{n}" for side in "on" for n in range(WIDTH)]
    db.execute(f"CREATE TEMP TABLE IF NOT EXISTS audit (n INTEGER PRIMARY KEY, t, k, had, has, {', '.join(sides)})")
    for table, (key, columns) in WATCHED.items():
        for verb, old, new in (("INSERT", False, True), ("UPDATE", True, True), ("DELETE", True, False)):
            names = [f"{s}{n}" for s, given in (("o", old), ("n", new)) if given for n in range(len(columns))]
            values = [f"{s}.{c}" for s, given in (("old", old), ("new", new)) if given for c in columns]
            keyed = " || ':' || ".join(f"{'new' if new else 'old'}.{part.strip()}" for part in key.split("|| ':' ||"))
            of = "" if verb != "UPDATE" or table in EVERY_UPDATE else f" OF {', '.join(columns)}"
            db.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS audit_{table}_{verb} AFTER {verb}{of} ON main.{table} BEGIN "
                f"INSERT INTO audit (t, k, had, has, {', '.join(names)}) "
                f"VALUES ('{table}', {keyed}, {old:d}, {new:d}, {', '.join(values)}); END"
            )


SHAPES = {
    table: (
        [(at, name) for at, name in enumerate(columns) if name not in JSON_COLUMNS],
        [(at, name) for at, name in enumerate(columns) if name in JSON_COLUMNS],
    )
    for table, (_, columns) in WATCHED.items()
}
"""table → its plain columns and its JSON columns, each with its place."""

OLD = 4
NEW = OLD + WIDTH


def take(db: sqlite3.Connection) -> list[Row]:
    """The transitions since the last call, in order."""
    rows = db.execute(TAKE).fetchall()
    if not rows:
        return []
    db.execute("DELETE FROM audit")
    return [
        Row(row[0], row[1], _read(row, OLD) if row[2] else None, _read(row, NEW) if row[3] else None) for row in rows
    ]


TAKE = f"SELECT t, k, had, has, {', '.join(f'{side}{n}' for side in 'on' for n in range(WIDTH))} FROM audit ORDER BY n"


def _read(row: tuple[Any, ...], start: int) -> Columns:
    plain, documents = SHAPES[row[0]]
    return Columns({name: row[start + at] for at, name in plain}, {name: row[start + at] for at, name in documents})
