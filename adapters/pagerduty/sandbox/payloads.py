"""The JSON of the PagerDuty stand-in's REST responses and webhooks, made from its state. Pure functions.

REST and webhooks differ as PagerDuty's do: `incident_number`/`number`, `assignments[].assignee`/`assignees[]`; a
webhook has no `updated_at`. Where PagerDuty's REST document forbids null, a missing value is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from adapters.pagerduty.sandbox.state import (
    API,
    WEB,
    Alert,
    Incident,
    Note,
    Payload,
    Service,
    Subscription,
    User,
    reference,
)


def iso(when: datetime) -> str:
    """A time as REST shows it: UTC, in whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rest_user(user: User) -> Payload:
    full = {**user.ref(), "type": "user", "name": user.name, "email": user.email}
    return {
        **full,
        "time_zone": "Etc/UTC",
        "role": "user",
        "teams": [],
        "contact_methods": [],
        "notification_rules": [],
    }


def rest_note(note: Note) -> Payload:
    return {
        "id": note.id,
        "user": note.user,
        "channel": {"summary": "The PagerDuty website or APIs"},
        "content": note.content,
        "created_at": iso(note.created_at),
        "updated_at": iso(note.updated_at),
    }


def rest_subscription(subscription: Subscription, show_secret: bool = False) -> Payload:
    """A webhook subscription. Its secret is shown only in the response to its creation."""
    return {
        "id": subscription.id,
        "type": "webhook_subscription",
        "active": subscription.active,
        "delivery_method": {
            "id": f"{subscription.id}D",
            "type": "http_delivery_method",
            "url": subscription.url,
            "secret": subscription.secrets[0] if show_secret else None,
            "temporarily_disabled": subscription.disabled_until is not None,
            "custom_headers": [],
        },
        "description": subscription.description,
        "events": subscription.events,
        "filter": subscription.filter,
    }


def priority_payload(id: str, name: str) -> Payload:
    return {**reference("priority", id, name), "type": "priority", "name": name, "description": f"Priority {name}"}


def _pending(incident: Incident) -> list[Payload]:
    actions = {"unacknowledge": incident.runs_out, "escalate": incident.escalates}
    return [{"type": kind, "at": iso(at)} for kind, at in actions.items() if at is not None]


def rest_incident(
    i: Incident, users: Mapping[str, User], services: Mapping[str, Service], priorities: Mapping[str, str]
) -> Payload:
    """priorities: name → id."""
    service = services[i.service]
    shown: Payload = {
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
        shown["incident_key"] = i.key
    if i.priority:
        shown["priority"] = priority_payload(priorities[i.priority], i.priority)
    if i.resolved_at:
        shown["resolved_at"] = iso(i.resolved_at)
    if i.merged_into:
        shown["resolve_reason"] = {"type": "merge_resolve_reason", "incident": reference("incident", i.merged_into)}
    return shown


def webhook_incident(
    i: Incident, users: Mapping[str, User], services: Mapping[str, Service], priorities: Mapping[str, str]
) -> Payload:
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
        "priority": priority_payload(priorities[i.priority], i.priority) if i.priority else None,
        "urgency": i.urgency,
        "conference_bridge": None,
        "resolve_reason": None,
        "incident_type": {"name": i.kind},
    }


def rest_alert(alert: Alert, incident: Incident, services: Mapping[str, Service]) -> Payload:
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
