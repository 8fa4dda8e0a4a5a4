"""The canonical incident: its fields, their vocabularies (the finest of all the systems'), and their provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.domain.values import COMMENT, INCIDENT, UPDATE, Json


class Status(StrEnum):
    """In the order of an incident's life; `cancelled` closes it, like `resolved`."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"


STATUSES = tuple(s.value for s in Status)
CLOSED = frozenset({Status.RESOLVED.value, Status.CANCELLED.value})
SEVERITIES = ("SEV1", "SEV2", "SEV3", "SEV4", "SEV5")
"""SEV1 is the most severe."""

IMPACTS = ("operational", "degraded", "partial_outage", "major_outage", "maintenance")
"""A service's state as its customers see it."""

PUBLIC = "public"
AUDIENCES = (PUBLIC, "internal")
"""The readers of an update. Customers read public updates; no other content may be published to them."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of the canonical object. many: "" (a scalar), "set" or "map". public: customers read it; never derived
    from an internal field. words: the closed vocabulary, if it has one. limit: characters. needed: never blank."""

    many: str = ""
    public: bool = False
    words: tuple[str, ...] = ()
    default: Json = None
    limit: int = 32_000
    needed: bool = False


FIELDS: Mapping[str, Mapping[str, FieldSpec]] = {
    INCIDENT: {
        "status": FieldSpec(words=STATUSES, default="triggered"),
        "severity": FieldSpec(words=SEVERITIES, default="SEV3"),
        "title": FieldSpec(default="", limit=1_000, needed=True),
        "description": FieldSpec(default=""),
        "services": FieldSpec(many="set", default=[]),
        "tags": FieldSpec(many="set", default=[]),
        "assignees": FieldSpec(many="set", default=[]),
        "roles": FieldSpec(many="map", default={}),
        "owner_team": FieldSpec(),
        "business_unit": FieldSpec(),
        "restriction": FieldSpec(),
        "impacts": FieldSpec(many="map", words=IMPACTS, default={}),
        "public_title": FieldSpec(public=True, limit=255),
        "public_text": FieldSpec(public=True),
    },
    COMMENT: {
        "text": FieldSpec(default=""),
        "deleted": FieldSpec(default=False),
    },
    UPDATE: {
        "text": FieldSpec(default="", public=True),
        "deleted": FieldSpec(default=False),
    },
}
"""kind → field → its specification. People and services are named by our own ids ("ada", "checkout")."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value came from: `source` is a connection's name, or "hub" (a person or rule here).

    after, until: the interval in which it changed, on the hub's clock (last seen unchanged, first seen changed), so
    that the vendors' clocks need not agree. For a change made here, both are the same moment.
    """

    source: str
    after: datetime
    until: datetime
    rank: int = 0
    actor: str | None = None

    def before(self, other: Provenance) -> bool:
        """Whether this change is certainly earlier: its interval ends before the other's begins."""
        return self.until <= other.after and self.after < other.until
