"""The house rules that a company sets: which incident gets which link, who may open one, what the public sees, and when.

Plain values, built and checked by `hub.settings.load` from `lockstep.toml`. The rules here are pure functions of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.domain.authority import DEFAULT, Authority
from hub.domain.incident import CLOSED, SEVERITIES
from hub.domain.values import Fields, Json

POLICY = "policy"
"""The source of what house rules decide; anybody's word is stronger."""

INTERNAL = frozenset({"hub", POLICY})
"""Sources that are no connection, whose names no connection may have: a person or a command here, and the house rules."""

WEAKEST = 99


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """One connection. state: what it starts in ("observe", "enabled"); order: the last tie-break between connections;
    settings: its whole table in the configuration, without secrets."""

    name: str
    vendor: str
    state: str = "observe"
    order: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkRule:
    """This connection gets a link for every incident that fits: at least as grave as `severity_at_least`, touching one of
    `services` (None = any), at one of `impacts_at_least`... A `hold` link waits for a person's approval before it is created.
    """

    connection: str
    slot: str = "primary"
    severity_at_least: str | None = None
    services: frozenset[str] | None = None
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Public:
    """What is public. title, text: templates for a draft ({services} = their public names); never from internal fields.
    free: fields that, once the page's incident is approved, flow without a further approval; all others are held.
    withdraw_when_closed: a draft still unapproved when the incident closes is withdrawn."""

    title: str = "We are investigating a problem with {services}"
    text: str = "We are investigating a problem with {services} and will report here."
    free: frozenset[str] = frozenset({"status", "severity", "impacts"})
    withdraw_when_closed: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """links: in order; opens: connections whose incidents, made by people there, open an incident here.
    creates_per_minute: cap over all connections. comments: whether internal comments are copied between internal tools.
    impact_of: severity → how an affected service looks to customers until somebody says otherwise."""

    links: tuple[LinkRule, ...] = ()
    opens: frozenset[str] = frozenset()
    public: Public = field(default_factory=Public)
    creates_per_minute: int = 60
    comments: bool = True
    impact_of: Mapping[str, str] = field(
        default_factory=lambda: {
            "SEV1": "major_outage", "SEV2": "partial_outage", "SEV3": "degraded", "SEV4": "degraded", "SEV5": "operational",
        }
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Config:
    """All that the engine needs to know about this company. services: id → public name; people: id → {"name", "email",
    "accounts": {connection: account}}; base_url: of the hub's own pages, may be ""."""

    connections: Mapping[str, ConnectionConfig]
    policy: Policy = field(default_factory=Policy)
    authority: Authority = DEFAULT
    services: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    base_url: str = ""

    @property
    def orders(self) -> Mapping[str, int]:
        """connection → its place, the last tie-break between two changes at the same time."""
        return {name: connection.order for name, connection in self.connections.items()}

    def rank(self, source: str, field_name: str) -> tuple[int, int]:
        """(authority's rank, the connection's order) of a source for a field; smaller wins."""
        if source == POLICY:
            return WEAKEST, WEAKEST
        vendor = self.connections[source].vendor if source in self.connections else source
        order = self.connections[source].order if source in self.connections else -1
        return self.authority.rank(field_name, vendor), order


def grave_enough(severity: Json, at_least: str | None) -> bool:
    """Whether `severity` is at least as grave as `at_least` (None = always). An unknown severity is grave."""
    if at_least is None or severity not in SEVERITIES:
        return True
    return SEVERITIES.index(severity) <= SEVERITIES.index(at_least)


def wanted_links(fields: Fields, rules: Sequence[LinkRule]) -> list[LinkRule]:
    """The links that policy wants for an incident with these fields; none for one that is closed. In rule order, the
    first rule for a (connection, slot) wins."""
    if fields.get("status") in CLOSED:
        return []
    wanted: dict[tuple[str, str], LinkRule] = {}
    for rule in rules:
        if not grave_enough(fields.get("severity"), rule.severity_at_least):
            continue
        if rule.services is not None and not rule.services & set(fields.get("services") or ()):
            continue
        wanted.setdefault((rule.connection, rule.slot), rule)
    return list(wanted.values())


def content_hash(content: Fields) -> str:
    """What an approval is bound to: the exact public content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
