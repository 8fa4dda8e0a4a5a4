"""The state of the PagerDuty stand-in: users, services, incidents, webhook subscriptions, accepted events, queued
webhooks.

Only data and rules about this data. It imports no other file of the stand-in.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.sandboxing import Outgoing
from hub.ports import Clock, Ids

Payload = dict[str, Any]
"""A JSON object as PagerDuty sends it."""

API, WEB = "https://api.pagerduty.com", "https://acme.pagerduty.com"


def reference(kind: str, id: str, summary: str | None = None) -> Payload:
    """A reference to one of PagerDuty's objects, as its API shows it."""
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

    def ref(self) -> Payload:
        return reference("user", self.id, self.name)


@dataclass
class Service:
    """acknowledgement_timeout, escalation_delay: seconds, or None for never. levels: the levels of the escalation
    policy, each a list of user ids. routing_key: the key of the service's Events API v2 integration."""

    id: str
    name: str
    routing_key: str
    policy: str
    levels: list[list[str]]
    acknowledgement_timeout: float | None = None
    escalation_delay: float | None = None

    def ref(self) -> Payload:
        return reference("service", self.id, self.name)

    def policy_ref(self) -> Payload:
        return reference("escalation_policy", self.policy, f"{self.name} policy")


@dataclass
class Note:
    id: str
    content: str
    user: Payload
    created_at: datetime
    updated_at: datetime


@dataclass
class Alert:
    id: str
    key: str
    summary: str
    created_at: datetime
    status: str = "triggered"


@dataclass
class Incident:
    """`log` is oldest first. merged_into: id of the incident that this one was merged into. policy: id of the
    escalation policy. runs_out: when the acknowledgement or snooze times out. escalates: when the next escalation is
    due."""

    id: str
    number: int
    title: str
    service: str
    policy: str
    created_at: datetime
    updated_at: datetime
    status_at: datetime
    status_by: Payload
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
    log: list[Payload] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    updates: list[Payload] = field(default_factory=list)
    custom_fields: dict[str, Any] = field(default_factory=dict)
    by_hand: bool = False

    @property
    def open(self) -> bool:
        return self.status != "resolved"

    def ref(self) -> Payload:
        return reference("incident", self.id, self.title)


@dataclass
class Subscription:
    """secrets: newest first; two after a rotation. drops: deliveries dropped in a row. disabled_until: UTC."""

    id: str
    url: str
    secrets: list[str]
    events: list[str]
    filter: Payload
    active: bool = True
    drops: int = 0
    disabled_until: datetime | None = None
    description: str = ""


def _people() -> dict[str, User]:
    named = (("PADA001", "Ada"), ("PBOB002", "Bob"), ("PCYD003", "Cyd"), ("PLOCK00", "Lockstep"))
    return {id: User(id, name, f"{name.lower()}@example.com") for id, name in named}


def _services() -> dict[str, Service]:
    named = (("PCHECKO", "Checkout", [["PADA001"], ["PBOB002"]]), ("PSEARCH", "Search", [["PBOB002"], ["PCYD003"]]))
    return {
        id: Service(id, name, hashlib.sha256(id.encode()).hexdigest()[:32], f"{id}EP", levels)
        for id, name, levels in named
    }


@dataclass
class State:
    """token: the accepted API key. priorities: name → id; empty = the feature is off. hidden: ids of incidents that are
    answered with 404 because access is not allowed. bare_throttle: a 429 comes without headers and body. custom_fields:
    the defined names. extensions: as `GET /extensions` lists them. events: bodies that the Events API has accepted,
    each with the time (UTC) at which it takes effect. outgoing: webhooks that wait for delivery, oldest first."""

    clock: Clock
    ids: Ids
    rate_limited: bool = True
    token: str = "u+sandbox-token"
    users: dict[str, User] = field(default_factory=_people)
    services: dict[str, Service] = field(default_factory=_services)
    priorities: dict[str, str] = field(default_factory=lambda: {f"P{n}": f"PPRIO0{n}" for n in range(1, 6)})
    custom_fields: set[str] = field(default_factory=set)
    extensions: list[Payload] = field(default_factory=list)
    bare_throttle: bool = False
    incidents: dict[str, Incident] = field(default_factory=dict, init=False)
    subscriptions: dict[str, Subscription] = field(default_factory=dict, init=False)
    hidden: set[str] = field(default_factory=set, init=False)
    number: int = field(default=0, init=False)
    events: list[tuple[datetime, Payload]] = field(default_factory=list, init=False)
    outgoing: list[Outgoing] = field(default_factory=list, init=False)

    def id(self, first: str, size: int = 14) -> str:
        """A new id in PagerDuty's format, with this first letter."""
        return first + self.ids.new()[1 - size :].upper()

    def agent(self, user: str) -> Payload:
        return self.users[user].ref()
