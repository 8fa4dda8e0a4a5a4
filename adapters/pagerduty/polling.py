"""Polling: finds what no webhook reports (a changed title or urgency, a snooze, a merge, an edited or deleted note),
and what a lost webhook would have reported.

The cursor is a JSON object of the hub's:
    open   incident id → its `updated_at` when last listed: an incident missing from the list now has left it
    via    incident id → [`updated_at`, did an escalation assign it?]: saves reading the log of an unchanged incident
    notes  incident id → digest of its notes; each poll compares a few incidents in turn
    log    {"at": time, "seen": ids}: the position up to which the account's log was read
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from adapters.pagerduty import wire
from adapters.pagerduty.capability import Settings
from adapters.pagerduty.client import LAST, PAGE, Client, Missing, ids
from hub.domain.values import INCIDENT, Changed, Changes, Json, Observation, Ref
from hub.ports import Clock

OVERLAP = timedelta(seconds=60)
"""Log entries this much older than the position are read again: they may become visible late, and times have whole
seconds."""

LOG_MOST = 1_000
"""Most log entries that one poll reads. If there are more, every open incident is refreshed instead."""

Payload = dict[str, Any]


@dataclass
class _State:
    """The parsed cursor."""

    open: dict[str, str] = field(default_factory=dict)
    via: dict[str, list[Any]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    at: str = ""
    seen: list[str] = field(default_factory=list)
    first: bool = True

    @classmethod
    def of(cls, cursor: Json) -> _State:
        if not isinstance(cursor, dict):
            return cls()
        log = cursor.get("log") or {}
        return cls(
            dict(cursor.get("open") or {}), dict(cursor.get("via") or {}), dict(cursor.get("notes") or {}),
            str(log.get("at") or ""), list(log.get("seen") or []), first=False,
        )  # fmt: skip

    def json(self) -> Json:
        log = {"at": self.at, "seen": self.seen}
        return {"open": self.open, "via": self.via, "notes": self.notes, "log": log}


class Poll:
    """Lists the open incidents, reads those that left the list, and reads the account's log."""

    def __init__(
        self, client: Client, settings: Settings, clock: Clock, show: Callable[[Payload, bool], Observation]
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._show = show

    def since(self, cursor: Json) -> Changes:
        """See `hub.ports.Adapter.changed_since`."""
        before = _State.of(cursor)
        after = _State(notes=before.notes, seen=before.seen)
        began = self._clock.now()
        listed = self._open()
        if before.first:
            before.at = wire.iso(began)
        annotated, moved, overflow = self._log(before, after)
        if before.first:
            annotated, moved, overflow = set(), set(), False
        after.open = {id: str(i.get("updated_at") or "") for id, i in listed.items()}
        escalated = {id: self._escalated(i, before, after) for id, i in listed.items()}
        annotated |= self._changed_notes(after)
        items = []
        for id, incident in listed.items():
            whole = overflow or (id in annotated and not before.first)
            items.append(Changed(Ref(INCIDENT, id), None if whole else self._show(incident, escalated[id])))
        left = (annotated | moved | set(before.open)) - set(listed)
        items += [Changed(Ref(INCIDENT, id)) for id in sorted(left)]
        return Changes(tuple(items), after.json())

    def _open(self) -> dict[str, Payload]:
        """Every open incident, newest first, so that an account with more than 10,000 returns its newest ones."""
        query: Payload = {"statuses": ["triggered", "acknowledged"], "date_range": "all", "sort_by": "created_at:desc"}
        query |= {"service_ids": list(self._settings.service_ids)} if self._settings.service_ids else {}
        query |= {"team_ids": list(self._settings.team_ids)} if self._settings.team_ids else {}
        found = self._client.pages("incidents", "incidents", LAST, **query)
        return {i["id"]: i for i in found if isinstance(i.get("id"), str) and i["id"]}

    def _log(self, before: _State, after: _State) -> tuple[set[str], set[str], bool]:
        """Reads the account's log: (incidents with a new note, incidents with a new status, whether there were too
        many entries to read). Sets the new position in `after`."""
        at = wire.moment(before.at)
        since = wire.iso((at or self._clock.now()) - OVERLAP)
        query: Payload = {"since": since}
        query |= {"team_ids": list(self._settings.team_ids)} if self._settings.team_ids else {}
        entries = list(self._client.pages("log_entries", "log_entries", LOG_MOST, **query))
        seen = set(before.seen)
        annotated: set[str] = set()
        moved: set[str] = set()
        for entry in entries:
            incident = entry.get("incident")
            id, kind = str(entry.get("id")), str(entry.get("type"))
            if id in seen or not isinstance(incident, dict) or not self._wanted(entry):
                continue
            if kind == "annotate_log_entry":
                annotated |= set(ids([incident]))
            elif kind in wire.LOG_STATUS:
                moved |= set(ids([incident]))
        times = [t for e in entries if (t := wire.moment(e.get("created_at")))]
        newest = max([*times, at] if at else times, default=None)
        after.at = wire.iso(newest) if newest else before.at
        edge = (newest - OVERLAP) if newest else None
        after.seen = ids([e for e in entries if (t := wire.moment(e.get("created_at"))) and edge and t >= edge])
        return annotated, moved, len(entries) >= LOG_MOST

    def _wanted(self, entry: Payload) -> bool:
        service = entry.get("service")
        if not self._settings.service_ids or not isinstance(service, dict):
            return True
        return str(service.get("id")) in self._settings.service_ids

    def _escalated(self, incident: Payload, before: _State, after: _State) -> bool:
        """The result of `escalated`, taken from the cursor if the incident has not changed since."""
        if not wire.may_be_escalated(incident):
            return False
        stamp = str(incident.get("updated_at"))
        known = before.via.get(incident["id"])
        verdict = bool(known[1]) if known and known[0] == stamp else self.escalated(incident)
        after.via[incident["id"]] = [stamp, verdict]
        return verdict

    def escalated(self, incident: Payload) -> bool:
        """Whether an escalation assigned the present assignees. Reads the incident's log only if the incident itself
        does not show it."""
        if not wire.may_be_escalated(incident):
            return False
        try:
            return wire.escalated(self._client.log(incident["id"], PAGE))
        except Missing:
            return False

    def _changed_notes(self, after: _State) -> set[str]:
        """The incidents whose notes differ from those at the last comparison: nothing else shows an edited or deleted
        note. Each poll compares a few open incidents in turn. Incidents never compared before come first, and are
        refreshed."""
        place = {id: turn for turn, id in enumerate(after.notes)}
        turn = sorted(after.open, key=lambda id: place.get(id, -1))
        found = set()
        notes = {id: digest for id, digest in after.notes.items() if id in after.open}
        for id in turn[: self._settings.notes_per_poll]:
            try:
                digest = _digest(self._client.notes(id))
            except Missing:
                continue
            if notes.pop(id, None) != digest:
                found.add(id)
            notes[id] = digest
        after.notes = notes
        return found


def _digest(notes: list[Payload]) -> str:
    content = sorted([str(n.get("id")), str(n.get("content"))] for n in notes)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
