"""PagerDuty's webhooks: the signature, the delivery id, and which incident changed. Pure.

Facts from "Webhooks" in PagerDuty's developer docs: one event per request; HMAC-SHA256 over the raw body in
`X-PagerDuty-Signature: v1=<hex>[,v1=<hex>]`, several while a secret is rotated; no time stamp in it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.http import clean
from adapters.pagerduty.wire import agent
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import COMMENT, INCIDENT, Actor, Hint, Json, Ref, Request

SIGNATURE = "x-pagerduty-signature"
MOST = 20
"""Most signatures or messages read from one request."""

HERE, INSIDE, ROLES = "data", "data.incident", "data.incident_role_assignments[].incident"
"""Path to the incident's id in an event."""

EVENTS: Mapping[str, str] = {
    "incident.triggered": HERE,
    "incident.acknowledged": HERE,
    "incident.unacknowledged": HERE,
    "incident.escalated": HERE,
    "incident.delegated": HERE,
    "incident.reassigned": HERE,
    "incident.reopened": HERE,
    "incident.resolved": HERE,
    "incident.priority_updated": HERE,
    "incident.service_updated": HERE,
    "incident.incident_type.changed": HERE,
    "incident.annotated": INSIDE,
    "incident.status_update_published": INSIDE,
    "incident.responder.added": INSIDE,
    "incident.responder.replied": INSIDE,
    "incident.conference_bridge.updated": INSIDE,
    "incident.custom_field_values.updated": INSIDE,
    "incident.role.assigned": ROLES,
    "incident.task.created": INSIDE,
    "incident.task.updated": INSIDE,
    "incident.task.completed": INSIDE,
    "incident.workflow.started": INSIDE,
    "incident.workflow.completed": INSIDE,
    "incident.action_invocation.created": INSIDE,
    "incident.action_invocation.updated": INSIDE,
    "incident.action_invocation.terminated": INSIDE,
}
"""Every incident event of V3 → path to the incident's id. There is no event for a changed title or urgency, a snooze,
an edited or deleted note, or a merge: polling finds those."""

DATA_TYPES: Mapping[str, str] = {
    "incident": HERE,
    "incident_note": INSIDE,
    "incident_status_update": INSIDE,
    "incident_responder": INSIDE,
    "incident_conference_bridge": INSIDE,
    "incident_field_values": INSIDE,
    "incident_role_assignment": ROLES,
    "incident_task": INSIDE,
    "incident_workflow_instance": INSIDE,
    "incident_action_invocation": INSIDE,
}
"""The `type` of an event's `data` → path to the incident's id, for data that comes without its envelope."""

IGNORED: Mapping[str, str] = {
    "pagey.ping": "a test ping of PagerDuty's",
    "ping": "a test ping of PagerDuty's",
    "service.created": "about a service, not an incident",
    "service.updated": "about a service, not an incident",
    "service.deleted": "about a service, not an incident",
    "service.custom_field_values.updated": "about a service, not an incident",
    "service": "about a service, not an incident",
    "service_field_values": "about a service, not an incident",
}
"""Events and data types that concern no incident → the reason for ignoring them."""

V2 = (
    "a PagerDuty V2 webhook, which is out of support since October 2022 and cannot be verified; "
    "replace it in PagerDuty by a V3 subscription (`lockstep doctor` says how)"
)


def authenticate(request: Request, secrets: Sequence[str]) -> str:
    """The delivery id. Raises InvalidSignature.

    The id is the event's own, which the signature covers. (`X-Webhook-Id` is the same on retries too, but unsigned: a
    replayed body under a future delivery's id would make us discard the real delivery as a repeat.)
    """
    if not secrets:
        raise InvalidSignature("the secret webhook_secret of this connection is not set")
    header = request.headers.get(SIGNATURE)
    if not header:
        raise InvalidSignature("the signature header is missing")
    given = [p.strip()[3:].encode("utf-8", "replace") for p in header.split(",")[:MOST] if p.strip().startswith("v1=")]
    if not given:
        raise InvalidSignature("the signature header has no v1 entry")
    valid = False
    for secret in secrets:
        expected = (
            hmac.new(secret.encode("utf-8", "surrogateescape"), request.body, hashlib.sha256).hexdigest().encode()
        )
        for signature in given:
            valid |= hmac.compare_digest(expected, signature)
    if not valid:
        raise InvalidSignature("no signature matches the body")
    return _delivery(request.body)


def _delivery(body: bytes) -> str:
    try:
        event = _load(body).get("event")
    except Unusable:
        event = None
    id = event.get("id") if isinstance(event, dict) else None
    return str(id) if _is_id(id) else "sha256:" + hashlib.sha256(body).hexdigest()


def hints(body: bytes) -> tuple[Hint, ...]:
    """The hints in an authentic body. Raises only Unusable, for any bytes."""
    payload = _load(body)
    if isinstance(payload.get("messages"), list):
        return _v2(payload["messages"])
    event = payload.get("event")
    if event is None and isinstance(payload.get("type"), str):
        return _meant(clean_word(payload["type"]), DATA_TYPES, payload, None)
    if not isinstance(event, dict):
        raise Unusable("there is no `event` object in the body")
    name = event.get("event_type")
    if not isinstance(name, str) or not name:
        raise Unusable("`event.event_type` is not a string")
    data = event.get("data")
    return _meant(clean_word(name), EVENTS, data if isinstance(data, dict) else {}, _actor(event.get("agent")))


def _meant(name: str, table: Mapping[str, str], data: Mapping[str, Any], actor: Actor | None) -> tuple[Hint, ...]:
    if name in IGNORED:
        return (Hint(name, actor=actor, ignored=IGNORED[name]),)
    where = table.get(name)
    if where is None:
        return (Hint(name, actor=actor, ignored=f"unknown event {name}"),)
    incidents = _incidents(data, where)
    if not incidents:
        raise Unusable(f"`{where}` of {name} names no incident")
    if data.get("type") == "incident_note" and _is_id(data.get("id")):
        return (Hint(name, Ref(COMMENT, data["id"], incidents[0]), actor=actor),)
    return tuple(Hint(name, Ref(INCIDENT, id), actor=actor, alone=where == HERE) for id in incidents)


def _incidents(data: Mapping[str, Any], where: str) -> list[str]:
    if where == HERE:
        named: list[Json] = [data]
    elif where == INSIDE:
        named = [data.get("incident")]
    else:
        roles = data.get("incident_role_assignments")
        named = [r.get("incident") for r in roles[:MOST] if isinstance(r, dict)] if isinstance(roles, list) else []
        named = named or [data.get("incident")]
    found = [i["id"] for i in named if isinstance(i, dict) and _is_id(i.get("id"))]
    return list(dict.fromkeys(found))


def _v2(messages: Sequence[Json]) -> tuple[Hint, ...]:
    names = [clean_word(m["event"]) for m in messages[:MOST] if isinstance(m, dict) and isinstance(m.get("event"), str)]
    return tuple(Hint(name, ignored=V2) for name in names) or (Hint("messages", ignored=V2),)


def _actor(value: Json) -> Actor | None:
    found = agent(value)
    if found is None:
        return None
    return Actor(
        name=clean_word(found.name) if found.name else None, account=found.account if _is_id(found.account) else None
    )


def _load(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise Unusable("the body is not JSON") from None
    if not isinstance(payload, dict):
        raise Unusable("the body is not a JSON object")
    return payload


def _is_id(value: Json) -> bool:
    """Whether a value may be an id: printable, without white space, of a plausible length."""
    return (
        isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable() and not any(c.isspace() for c in value)
    )


def clean_word(text: str) -> str:
    """A vendor's value or name, cleaned for storing and showing."""
    return "".join(c if c.isprintable() else "?" for c in clean(text, 200))
