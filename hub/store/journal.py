"""The journal: append-only, one hash chain for each incident.

An entry's content is committed to by a salted hash, and the chain runs over the commitments, so content that must be
deleted (a data-protection request) can be erased (`erase`) and the chain still verifies.

    commitment = SHA-256(salt ‖ canonical JSON of the content)
    hash       = SHA-256(previous hash ‖ seq ‖ time ‖ kind ‖ source ‖ commitment)

Kinds and keys are part of what is hashed, so a line keeps those that it was written with for ever. Readers get today's words
(`read`, by the one table `RENAMED`); `verify` works on what is stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from hub.domain.values import Json
from hub.ports import Ids
from hub.store import records
from hub.store.records import Incident
from hub.store.tables import incidents, journal, seals
from hub.store.unit import Tx

ENTRIES = select(journal).where(journal.c.incident_id == bindparam("id")).order_by(journal.c.seq)
HEAD = select(incidents.c.head_seq, incidents.c.head_hash).where(incidents.c.id == bindparam("id"))
APPEND = insert(journal)


@dataclass(frozen=True)
class Line:
    """One line to be written: kind ("changed", "overruled", "created", ...), source (connection or "hub"), content."""

    kind: str
    source: str
    data: dict[str, Json]


@dataclass(frozen=True)
class Renamed:
    """Words of older versions → today's. kinds: of lines; keys: of their content."""

    kinds: Mapping[str, str]
    keys: Mapping[str, str]


RENAMED = Renamed(
    kinds={"double": "duplicate", "possible_double": "possible_duplicate", "replayed": "retried"},
    keys={"cell": "field", "twin": "duplicate"},
)


_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def _commitment(salt: str, data: Json) -> str:
    return hashlib.sha256((salt + _canonical(data)).encode()).hexdigest()


def _hash(previous: str, seq: int, at: datetime, kind: str, source: str, commitment: str) -> str:
    return hashlib.sha256(
        "\n".join((previous, str(seq), at.isoformat(), kind, source, commitment)).encode()
    ).hexdigest()


def append(tx: Tx, incident: Incident, at: datetime, lines: Sequence[Line], ids: Ids) -> None:
    """Adds lines to the incident's chain. The incident's row must be locked; its head is moved on and saved by the caller."""
    rows = []
    for line in lines:
        salt = ids.token(16)
        commitment = _commitment(salt, line.data)
        incident.head_seq += 1
        incident.head_hash = _hash(incident.head_hash, incident.head_seq, at, line.kind, line.source, commitment)
        rows.append(
            {
                "incident_id": incident.id, "seq": incident.head_seq, "at": at, "kind": line.kind, "source": line.source,
                "data": line.data, "salt": salt, "commitment": commitment, "hash": incident.head_hash,
            }
        )  # fmt: skip
    if rows:
        tx.execute(
            APPEND, rows if len(rows) > 1 else rows[0]
        )  # many rows go another way through the driver, a dearer one


def entries(tx: Tx, incident_id: str) -> list[dict[str, Any]]:
    """All lines of an incident as they are stored, oldest first."""
    return records.rows(tx, ENTRIES, id=incident_id)


def read(tx: Tx, incident_id: str) -> list[dict[str, Any]]:
    """All lines of an incident, oldest first, with today's kinds and keys."""
    return [
        {
            **line,
            "kind": RENAMED.kinds.get(line["kind"], line["kind"]),
            "data": _renamed(line["data"]),
        }
        for line in entries(tx, incident_id)
    ]


def _renamed(data: Json) -> Json:
    """None where the content was erased."""
    return {RENAMED.keys.get(key, key): value for key, value in data.items()} if isinstance(data, dict) else data


def verify(tx: Tx, incident_id: str) -> str | None:
    """None if the incident's chain is whole, else where and how it is broken."""
    previous, seq = "", 0
    for line in entries(tx, incident_id):
        seq += 1
        if line["seq"] != seq:
            return f"line {seq} is missing"
        if not _kept(line):
            return f"the content of line {seq} was changed"
        previous = _hash(previous, seq, line["at"], line["kind"], line["source"] or "", line["commitment"])
        if previous != line["hash"]:
            return f"line {seq} does not follow from the one before it"
    head = tx.execute(HEAD, {"id": incident_id}).first()
    if head != (seq, previous):
        short = head is not None and head[0] > seq
        return (
            "lines are missing at its end" if short else "its last hash differs from the one stored with the incident"
        )
    return None


def _kept(line: dict[str, Any]) -> bool:
    """Whether a line's content matches its commitment. An erased line has none; content found there was added later."""
    if line["salt"] is None:
        return line["data"] is None
    return _commitment(line["salt"], line["data"]) == line["commitment"]


def erase(tx: Tx, incident_id: str, seq: int) -> None:
    """Forgets the content of one line; its commitment stays, so the chain stays whole."""
    tx.execute(
        update(journal).where(journal.c.incident_id == incident_id, journal.c.seq == seq).values(data=None, salt=None)
    )


def seal(tx: Tx, ids: Ids, now: datetime) -> str:
    """Seals the heads of all incidents that changed since the last seal, chained to the last seal; returns the hash.
    Kept outside the database, such a hash proves that nothing before it was rewritten."""
    last = tx.execute(select(seals.c.at, seals.c.hash).order_by(seals.c.at.desc()).limit(1)).first()
    query = select(incidents.c.id, incidents.c.head_seq, incidents.c.head_hash).order_by(incidents.c.id)
    if last is not None:
        query = query.where(incidents.c.updated_at > last.at)
    heads = [tuple(row) for row in tx.execute(query)]
    previous = last.hash if last is not None else ""
    digest = hashlib.sha256((previous + json.dumps(heads)).encode()).hexdigest()
    tx.execute(insert(seals), [{"id": ids.new(), "at": now, "heads": len(heads), "previous": previous, "hash": digest}])
    return digest
