"""PagerDuty's payloads ↔ plain values. Pure: no I/O and no clock.

Reading is lenient (unknown and extra fields appear at any time); writing follows the REST v2 document exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.marks import unsign
from adapters.times import utc
from hub.domain.values import COMMENT, INCIDENT, Actor, Change, Json, Observation, Ref

TRIGGERED, ACKNOWLEDGED, RESOLVED = "triggered", "acknowledged", "resolved"
STATUSES = (TRIGGERED, ACKNOWLEDGED, RESOLVED)
URGENCIES = ("high", "low")

MOVES = frozenset({(TRIGGERED, ACKNOWLEDGED), (TRIGGERED, RESOLVED), (ACKNOWLEDGED, RESOLVED)})
"""The status changes that one PUT can make on an open incident. PagerDuty documents none from `acknowledged` back to
`triggered`."""

REOPENING = frozenset({(RESOLVED, TRIGGERED), (RESOLVED, ACKNOWLEDGED)})
"""A PUT of an open status on a resolved incident reopens it and pages people again: only with the setting `reopen`."""

KEY_PREFIX = "lockstep:"
"""Prefix of the hub's mark in an `incident_key` or `dedup_key`. A monitor's key may look like a mark but lacks it."""

TITLE_LIMIT = 1024
"""Characters."""

LOG_STATUS: Mapping[str, str] = {
    "trigger_log_entry": TRIGGERED,
    "acknowledge_log_entry": ACKNOWLEDGED,
    "snooze_log_entry": ACKNOWLEDGED,
    "unacknowledge_log_entry": TRIGGERED,
    "resolve_log_entry": RESOLVED,
}
"""Log entry type → the status that the incident has after it. Entries of other types do not change the status."""

ASSIGNING = frozenset({"trigger_log_entry", "assign_log_entry", "delegate_log_entry", "escalate_log_entry"})
"""Log entries that record who was assigned, and why."""


def mark_of(key: Json) -> str | None:
    """Our mark's key inside an `incident_key` or alert key, or None."""
    return key[len(KEY_PREFIX) :] if isinstance(key, str) and key.startswith(KEY_PREFIX) else None


def key_of(mark_key: str) -> str:
    return KEY_PREFIX + mark_key


def moment(value: Json) -> datetime | None:
    """PagerDuty's ISO 8601 time as UTC; None if it cannot be parsed."""
    return utc(value)


def iso(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _dict(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def agent(value: Json) -> Actor | None:
    """A user, service or integration reference as an actor; only a user's id is an account."""
    ref = _dict(value)
    name, account = _text(ref.get("summary")), _text(ref.get("id"))
    if not str(ref.get("type", "")).startswith("user"):
        account = None
    return Actor(name=name, account=account) if name or account else None


def priority_name(incident: Mapping[str, Any]) -> str | None:
    priority = _dict(incident.get("priority"))
    return _text(priority.get("name")) or _text(priority.get("summary"))


def assignee_ids(incident: Mapping[str, Any]) -> list[str]:
    """The ids of the assignees: `assignments[].assignee` in REST, `assignees[]` in webhooks."""
    people = [_dict(_dict(a).get("assignee")) for a in _list(incident.get("assignments"))]
    people += [_dict(a) for a in _list(incident.get("assignees"))]
    return sorted({i for p in people if (i := _text(p.get("id")))})


def fields(incident: Mapping[str, Any]) -> dict[str, Json]:
    """The readable fields, in PagerDuty's values."""
    return {
        "status": incident.get("status"),
        "severity": [priority_name(incident), incident.get("urgency")],
        "title": str(incident.get("title") or ""),
        "services": _text(_dict(incident.get("service")).get("id")),
        "assignees": assignee_ids(incident),
    }


def merged_into(incident: Mapping[str, Any]) -> Ref | None:
    """The incident that this one was merged into. PagerDuty documents one reason of a resolution:
    `merge_resolve_reason`."""
    reason = _dict(incident.get("resolve_reason"))
    target = _text(_dict(reason.get("incident")).get("id"))
    return Ref(INCIDENT, target) if reason.get("type") == "merge_resolve_reason" and target else None


def may_be_escalated(incident: Mapping[str, Any]) -> bool:
    """False if the incident itself shows that no escalation assigned its present assignees. If True, only its log can
    show it."""
    by_policy = incident.get("assigned_via") == "escalation_policy" and incident.get("status") != RESOLVED
    return by_policy and incident.get("updated_at") != incident.get("created_at")


def escalated(entries: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the newest log entry about the assignees is an escalation. entries: oldest first."""
    kinds = [e.get("type") for e in entries if e.get("type") in ASSIGNING]
    return bool(kinds) and kinds[-1] == "escalate_log_entry"


def consequences(incident: Mapping[str, Any], by_escalation: bool) -> frozenset[str]:
    """Fields whose present value PagerDuty set by itself: a resolved incident has no assignees, and an escalation
    assigns the next level. (An acknowledgement that times out is a change of status like any other: the authority
    table decides on it.)"""
    return frozenset({"assignees"}) if incident.get("status") == RESOLVED or by_escalation else frozenset()


def observation(
    incident: Mapping[str, Any],
    *,
    notes: Sequence[Mapping[str, Any]] | None = None,
    by_escalation: bool = False,
    alert_key: str | None = None,
) -> Observation:
    """A REST incident. notes: all of them, or None when they were not read. alert_key: of its first alert, where read
    (an incident that came from events has no incident key of its own)."""
    ref = Ref(INCIDENT, str(incident["id"]))
    key = _text(incident.get("incident_key")) or alert_key
    into = merged_into(incident)
    return Observation(
        ref=ref,
        fields=fields(incident),
        url=_text(incident.get("html_url")),
        mark=mark_of(key),
        created_at=moment(incident.get("created_at")),
        actor=agent(incident.get("last_status_change_by")),
        dedup_key=key,
        consequences=consequences(incident, by_escalation),
        children=tuple(note(n, ref) for n in notes or () if _text(_dict(n).get("id"))),
        children_complete=notes is not None,
        merged_into=into,
        terminal=into is not None,
    )


def note(payload: Mapping[str, Any], parent: Ref) -> Observation:
    """One note; the hub's mark, if there is one, is removed from the text."""
    text, key = unsign(str(payload.get("content") or ""))
    return Observation(
        ref=Ref(COMMENT, str(payload["id"]), parent.id),
        fields={"text": text, "deleted": False},
        mark=key,
        created_at=moment(payload.get("created_at")),
        actor=agent(payload.get("user")),
    )


def status_changes(entries: Iterable[Mapping[str, Any]], before: str | None) -> list[Change]:
    """The changes of status that log entries (oldest first) show, starting from `before`."""
    out = []
    for entry in entries:
        after = LOG_STATUS.get(str(entry.get("type")))
        if after is None or after == before:
            continue
        out.append(Change(str(entry.get("id")), "status", before, after, agent(entry.get("agent"))))
        before = after
    return out


# Writing. `severity` is [priority's name or None, urgency]; the adapter looks up the ids of priorities.


def assignments(users: Iterable[str]) -> list[dict[str, Any]]:
    return [{"assignee": {"id": user, "type": "user_reference"}} for user in sorted(users)]


def reference(kind: str, id: str) -> dict[str, str]:
    return {"id": id, "type": f"{kind}_reference"}


EVENT_SEVERITY: Mapping[str, str] = {"high": "critical", "low": "warning"}
"""Urgency of the incident → severity of an Events API v2 event; a service's dynamic urgency rules map it back."""


def trigger(routing_key: str, key: str, title: str, urgency: str, details: str, url: str | None) -> dict[str, Any]:
    """The Events API v2 body that opens an alert (summary at most 1024 characters, dedup_key at most 255)."""
    body: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key[:255],
        "payload": {
            "summary": title[:TITLE_LIMIT],
            "source": "lockstep",
            "severity": EVENT_SEVERITY.get(urgency, "critical"),
        },
    }
    if details:
        body["payload"]["custom_details"] = {"description": details}
    if url:
        body["client"] = "Lockstep"
        body["client_url"] = url
    return body
