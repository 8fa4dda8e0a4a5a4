"""What the PagerDuty stand-in holds, and how REST and webhooks show it. No behaviour.

REST and webhooks differ as in life: `incident_number`/`number`, `assignments[].assignee`/`assignees[]`; a webhook has no
`updated_at`. Where the REST document forbids null, a value that is not there is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Shape = dict[str, Any]

API, WEB = "https://api.pagerduty.com", "https://acme.pagerduty.com"


def iso(when: datetime) -> str:
    """REST times have whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reference(kind: str, id: str, summary: str | None = None) -> Shape:
    path = f"{kind[:-1] + 'ies' if kind.endswith('y') else kind + 's'}/{id}"
    return {
        "id": id,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": f"{API}/{path}",
        "html_url": f"{WEB}/{path}",
    }


@dataclass
class User:
    id: str
    name: str
    email: str

    def ref(self) -> Shape:
        return reference("user", self.id, self.name)

    def rest(self) -> Shape:
        full = {**self.ref(), "type": "user", "name": self.name, "email": self.email}
        return {
            **full,
            "time_zone": "Etc/UTC",
            "role": "user",
            "teams": [],
            "contact_methods": [],
            "notification_rules": [],
        }


@dataclass
class Service:
    """acknowledgement_timeout, escalation_delay: seconds, or None for never. levels: the escalation policy's, each a list
    of user ids. routing_key: of its Events API v2 integration."""

    id: str
    name: str
    routing_key: str
    policy: str
    levels: list[list[str]]
    acknowledgement_timeout: float | None = None
    escalation_delay: float | None = None

    def ref(self) -> Shape:
        return reference("service", self.id, self.name)

    def policy_ref(self) -> Shape:
        return reference("escalation_policy", self.policy, f"{self.name} policy")


@dataclass
class Note:
    id: str
    content: str
    user: Shape
    created_at: datetime
    updated_at: datetime

    def rest(self) -> Shape:
        return {
            "id": self.id,
            "user": self.user,
            "channel": {"summary": "The PagerDuty website or APIs"},
            "content": self.content,
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at),
        }


@dataclass
class Alert:
    id: str
    key: str
    summary: str
    created_at: datetime
    status: str = "triggered"


@dataclass
class Incident:
    """`log` is oldest first. merged_into: id of the incident that took this one in. policy: id of the escalation policy."""

    id: str
    number: int
    title: str
    service: str
    policy: str
    created_at: datetime
    updated_at: datetime
    status_at: datetime
    status_by: Shape
    status: str = "triggered"
    urgency: str = "high"
    priority: str | None = None
    key: str | None = None
    details: str = ""
    kind: str = "incident_default"
    assignees: list[str] = field(default_factory=list)
    assigned_via: str = "escalation_policy"
    level: int = 1
    resolved_at: datetime | None = None
    merged_into: str | None = None
    runs_out: datetime | None = None
    escalates: datetime | None = None
    notes: list[Note] = field(default_factory=list)
    log: list[Shape] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    updates: list[Shape] = field(default_factory=list)
    custom_fields: dict[str, Any] = field(default_factory=dict)
    by_hand: bool = False

    @property
    def open(self) -> bool:
        return self.status != "resolved"

    def ref(self) -> Shape:
        return reference("incident", self.id, self.title)


@dataclass
class Subscription:
    """secrets: newest first; several while one is rotated. drops: dropped in a row. disabled_until: UTC."""

    id: str
    url: str
    secrets: list[str]
    events: list[str]
    filter: Shape
    active: bool = True
    drops: int = 0
    disabled_until: datetime | None = None
    description: str = ""

    def rest(self, show_secret: bool = False) -> Shape:
        """The secret is shown in the answer to its creation only."""
        return {
            "id": self.id,
            "type": "webhook_subscription",
            "active": self.active,
            "delivery_method": {
                "id": f"{self.id}D",
                "type": "http_delivery_method",
                "url": self.url,
                "secret": self.secrets[0] if show_secret else None,
                "temporarily_disabled": self.disabled_until is not None,
                "custom_headers": [],
            },
            "description": self.description,
            "events": self.events,
            "filter": self.filter,
        }


def priority_shape(id: str, name: str) -> Shape:
    return {**reference("priority", id, name), "type": "priority", "name": name, "description": f"Priority {name}"}


def _pending(incident: Incident) -> list[Shape]:
    actions = {"unacknowledge": incident.runs_out, "escalate": incident.escalates}
    return [{"type": kind, "at": iso(at)} for kind, at in actions.items() if at is not None]


def rest_incident(
    i: Incident, users: Mapping[str, User], services: Mapping[str, Service], priorities: Mapping[str, str]
) -> Shape:
    """priorities: name → id."""
    service = services[i.service]
    shape: Shape = {
        **i.ref(),
        "type": "incident",
        "summary": f"[#{i.number}] {i.title}",
        "incident_number": i.number,
        "title": i.title,
        "created_at": iso(i.created_at),
        "updated_at": iso(i.updated_at),
        "status": i.status,
        "service": service.ref(),
        "assignments": [{"at": iso(i.status_at), "assignee": users[u].ref()} for u in i.assignees],
        "assigned_via": i.assigned_via,
        "last_status_change_at": iso(i.updated_at if i.status == "triggered" else i.status_at),
        "last_status_change_by": i.status_by,
        "first_trigger_log_entry": reference("trigger_log_entry", str(i.log[0]["id"])) if i.log else None,
        "alert_counts": {
            "triggered": sum(a.status == "triggered" for a in i.alerts),
            "resolved": sum(a.status == "resolved" for a in i.alerts),
            "all": len(i.alerts),
        },
        "is_mergeable": bool(i.alerts) or i.by_hand,
        "incident_type": {"name": i.kind},
        "escalation_policy": service.policy_ref(),
        "teams": [],
        "pending_actions": _pending(i),
        "acknowledgements": [],
        "urgency": i.urgency,
    }
    if i.key and not i.alerts:
        shape["incident_key"] = i.key
    if i.priority:
        shape["priority"] = priority_shape(priorities[i.priority], i.priority)
    if i.resolved_at:
        shape["resolved_at"] = iso(i.resolved_at)
    if i.merged_into:
        shape["resolve_reason"] = {"type": "merge_resolve_reason", "incident": reference("incident", i.merged_into)}
    return shape


def webhook_incident(
    i: Incident, users: Mapping[str, User], services: Mapping[str, Service], priorities: Mapping[str, str]
) -> Shape:
    return {
        "id": i.id,
        "type": "incident",
        "self": f"{API}/incidents/{i.id}",
        "html_url": f"{WEB}/incidents/{i.id}",
        "number": i.number,
        "status": i.status,
        "incident_key": None if i.alerts else i.key,
        "created_at": iso(i.created_at),
        "title": i.title,
        "service": services[i.service].ref(),
        "assignees": [users[u].ref() for u in i.assignees],
        "escalation_policy": services[i.service].policy_ref(),
        "teams": [],
        "priority": priority_shape(priorities[i.priority], i.priority) if i.priority else None,
        "urgency": i.urgency,
        "conference_bridge": None,
        "resolve_reason": None,
        "incident_type": {"name": i.kind},
    }


def rest_alert(alert: Alert, incident: Incident, services: Mapping[str, Service]) -> Shape:
    return {
        **reference("alert", alert.id, alert.summary),
        "type": "alert",
        "created_at": iso(alert.created_at),
        "status": alert.status,
        "alert_key": alert.key,
        "service": services[incident.service].ref(),
        "incident": incident.ref(),
        "severity": "critical",
        "suppressed": False,
    }
