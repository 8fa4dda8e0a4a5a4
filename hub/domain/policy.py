"""A company's policy: which incidents get which links, which connections open incidents, what is published, and when.

Plain values, built and checked by `hub.settings.load` from `lockstep.toml`. The rules are pure functions of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.domain.authority import DEFAULT, Authority
from hub.domain.incident import CLOSED, SEVERITIES
from hub.domain.values import Fields, Json

POLICY = "policy"
"""The source of values that policy sets; any other source outranks it."""

INTERNAL = frozenset({"hub", POLICY})
"""Sources that are not connections, so that no connection may have these names: a person or command here, and
policy."""

WEAKEST = 99

SLOT = re.compile(r"(?!secondary|duplicate)[a-z0-9][a-z0-9-]{0,59}")
SLOT_WORDS = (
    "must consist of lower-case letters, digits and hyphens, such as primary; slots that begin with secondary or duplicate are "
    "reserved for the objects of merged incidents and for duplicates, which are closed"
)


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """One connection. state: its first state ("observe" or "enabled"); order: the last tie-break between connections;
    settings: its whole table in the configuration, without secrets."""

    name: str
    vendor: str
    state: str = "observe"
    order: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkRule:
    """This connection gets a link for every incident at least as severe as `severity_at_least` (None = any) that
    affects one of `services` (None = any). hold: the object is created only after a person approved it.
    """

    connection: str
    slot: str = "primary"
    severity_at_least: str | None = None
    services: frozenset[str] | None = None
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Public:
    """What is published. title, text: templates for a draft ({services} = their public names); never from internal
    fields. free: fields that need no further approval once the page's incident is approved; all others are held.
    withdraw_when_closed: whether a draft that is not approved when the incident closes is withdrawn."""

    title: str = "We are investigating a problem with {services}"
    text: str = "We are investigating a problem with {services} and will report here."
    free: frozenset[str] = frozenset({"status", "severity", "impacts"})
    withdraw_when_closed: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """links: in order; opens: connections where an incident that a person made opens an incident here.
    creates_per_minute: limit over all connections. comments: whether internal comments are copied between internal
    tools. impact_of: severity → the impact on an affected service until a person or a system sets another."""

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
    """The company's configuration, as the engine uses it. services: id → public name; people: id → {"name", "email",
    "accounts": {connection: account}}; base_url: of the hub's own pages, may be ""."""

    connections: Mapping[str, ConnectionConfig]
    policy: Policy = field(default_factory=Policy)
    authority: Authority = DEFAULT
    services: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    base_url: str = ""

    @property
    def orders(self) -> Mapping[str, int]:
        """connection → its order, the last tie-break between two changes at the same time."""
        return {name: connection.order for name, connection in self.connections.items()}

    def rank(self, source: str, field_name: str) -> tuple[int, int]:
        """(authority's rank, the connection's order) of a source for a field; smaller wins."""
        if source == POLICY:
            return WEAKEST, WEAKEST
        vendor = self.connections[source].vendor if source in self.connections else source
        order = self.connections[source].order if source in self.connections else -1
        return self.authority.rank(field_name, vendor), order


def severe_enough(severity: Json, at_least: str | None) -> bool:
    """Whether `severity` is at least as severe as `at_least` (None = always). An unknown severity counts as severe."""
    if at_least is None or severity not in SEVERITIES:
        return True
    return SEVERITIES.index(severity) <= SEVERITIES.index(at_least)


def wanted_links(fields: Fields, rules: Sequence[LinkRule]) -> list[LinkRule]:
    """The links that policy wants for an incident with these fields; none for a closed one. In rule order; the first
    rule for a (connection, slot) wins."""
    if fields.get("status") in CLOSED:
        return []
    wanted: dict[tuple[str, str], LinkRule] = {}
    for rule in rules:
        if not severe_enough(fields.get("severity"), rule.severity_at_least):
            continue
        if rule.services is not None and not rule.services & set(fields.get("services") or ()):
            continue
        wanted.setdefault((rule.connection, rule.slot), rule)
    return list(wanted.values())


def content_hash(content: Fields) -> str:
    """The hash that an approval is bound to: SHA-256 of the exact public content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
