"""The history of an incident's status, from its log entries: the only field whose history PagerDuty documents.

Title, urgency and priority leave no documented log entry; the assignees' entries do not have the value before. Edits of
these fields between the hub's read and its write are not seen (blind windows).

A position is {"at": time of the newest status entry, "seen": ids of those near it, "status": the status after it}.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from adapters.http import parsing
from adapters.pagerduty import wire
from adapters.pagerduty.client import PAGE, Client, ids
from hub.domain.values import INCIDENT, Change, Json, Ref

OVERLAP = timedelta(seconds=60)
"""Entries this much older than the position are read again: an entry may become visible late, and times have whole
seconds."""

BEGINNING = datetime(2009, 1, 1, tzinfo=UTC)
"""Before PagerDuty."""


def status_history(client: Client, ref: Ref, since: Json | None) -> tuple[Sequence[Change], Json]:
    """See `hub.ports.Historian`."""
    if ref.kind != INCIDENT:
        return (), since
    if not isinstance(since, dict):
        log = client.log(ref.id, PAGE)
        with parsing("the log"):
            return (), _position(_statuses(log))
    at = wire.moment(since.get("at")) or BEGINNING
    log = client.log(ref.id, since=wire.iso(at - OVERLAP))
    old = set(since.get("seen") or ())
    with parsing("the log"):
        entries = _statuses(log)
        changes = wire.status_changes([e for e in entries if e.get("id") not in old], since.get("status"))
        return changes, _position(entries) if entries else since


def _statuses(entries: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    return [e for e in entries if e.get("type") in wire.LOG_STATUS]


def _position(entries: Sequence[dict[str, Json]]) -> Json:
    if not entries:
        return {"at": wire.iso(BEGINNING), "seen": [], "status": None}
    newest = wire.moment(entries[-1].get("created_at")) or BEGINNING
    near = [e for e in entries if (wire.moment(e.get("created_at")) or newest) >= newest - OVERLAP]
    return {"at": wire.iso(newest), "seen": ids(near), "status": wire.LOG_STATUS[str(entries[-1]["type"])]}
