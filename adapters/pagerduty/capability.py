"""Settings, relations and capabilities of one connection to PagerDuty. Pure; built once, at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.pagerduty import wire
from adapters.pagerduty.client import API_URL, EVENTS_URL
from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, Gap, KindCapability, Rate
from hub.domain.incident import SEVERITIES, STATUSES
from hub.domain.values import COMMENT, INCIDENT, UPDATE
from hub.domain.vocabulary import Elements, OneOf, Relation, Same, Table, Text

Vocabulary = Mapping[str, list[list[Any]]]


@dataclass(frozen=True)
class Settings:
    """The connection's table in `lockstep.toml`.

    from_email: a user of the account, the sender of writes for people who are not users of it. reopen: whether the hub
    may reopen a resolved incident (which pages people again). priorities: the account's priority names; [] = the
    feature is off. assign: whether the hub may assign people (a directly assigned incident no longer escalates).
    default_service,
    escalation_policy: PagerDuty ids for incidents that name none. create_by, status_by: "rest" or "events" (Events API
    v2). custom_field: name of an incident custom field that gets the incident's address in the hub. service_ids,
    team_ids: narrow what is polled and subscribed to. notes_per_poll: incidents whose notes one poll compares.
    """

    from_email: str
    api_url: str = API_URL
    events_url: str = EVENTS_URL
    reopen: bool = False
    priorities: tuple[str, ...] = ("P1", "P2", "P3", "P4", "P5")
    assign: bool = True
    default_service: str = ""
    escalation_policy: str = ""
    create_by: str = "rest"
    status_by: str = "rest"
    custom_field: str = ""
    service_ids: tuple[str, ...] = ()
    team_ids: tuple[str, ...] = ()
    notes_per_poll: int = 5

    @classmethod
    def read(cls, connection: str, table: Mapping[str, Any]) -> Settings:
        """Raises ValueError that names the connection, the setting and what it must be."""
        values: dict[str, Any] = {}
        for name, field in cls.__dataclass_fields__.items():
            if name not in table:
                continue
            values[name] = _checked(f"connection {connection}: setting {name!r}", str(field.type), table[name])
        if "@" not in values.get("from_email", ""):
            raise ValueError(
                f"connection {connection}: setting 'from_email' must be the e-mail address of a user of the PagerDuty account"
            )
        settings = cls(**values)
        for name in ("create_by", "status_by"):
            if getattr(settings, name) not in ("rest", "events"):
                raise ValueError(f'connection {connection}: setting {name!r} must be "rest" or "events"')
        if settings.status_by == "events" and settings.create_by != "events":
            raise ValueError(f'connection {connection}: status_by = "events" needs create_by = "events"')
        return settings


def _checked(place: str, kind: str, value: Any) -> Any:
    """The value of a setting of this kind (an annotation of `Settings`). Raises ValueError."""
    if kind == "tuple[str, ...]":
        if isinstance(value, list) and all(isinstance(v, str) and v for v in value):
            return tuple(value)
        raise ValueError(f"{place} must be a list of strings")
    if kind == "bool":
        fits, words = isinstance(value, bool), "true or false"
    elif kind == "int":
        fits, words = isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number from 0 up"
    else:
        fits, words = isinstance(value, str), "a text"
    if not fits:
        raise ValueError(f"{place} must be {words}")
    return value


def _severity(connection: str, settings: Settings, vocabulary: Vocabulary) -> Table:
    """The severity table. PagerDuty's value is [priority's name or None, urgency]; TOML has no null, so "" in a table
    is read as None."""
    name = "severity" if settings.priorities else "severity_without_priorities"
    place = f"connection {connection}: field severity, table {name!r}"
    pairs = []
    for pair in vocabulary.get(name, []):
        if len(pair) != 2 or not isinstance(pair[1], (list, tuple)) or len(pair[1]) != 2:
            raise ValueError(f'{place}: {pair!r} is not [our word, [priority\'s name or "", urgency]]')
        priority, urgency = pair[1]
        if urgency not in wire.URGENCIES:
            raise ValueError(f"{place}: {urgency!r} is not an urgency; there are {', '.join(wire.URGENCIES)}")
        if (priority or None) in (None, *settings.priorities):
            pairs.append([pair[0], [priority or None, urgency]])
    theirs = [[p, u] for p in (*settings.priorities, None) for u in wire.URGENCIES]
    return Table.of(pairs).require(place, ours=SEVERITIES, theirs=theirs)


def relations(connection: str, settings: Settings, vocabulary: Vocabulary) -> dict[str, dict[str, Relation]]:
    """kind → field → relation. Raises VocabularyGap or ValueError with the place."""
    status = Table.of(vocabulary.get("status", []))
    return {
        INCIDENT: {
            "status": status.require(f"connection {connection}: field status", ours=STATUSES, theirs=wire.STATUSES),
            "severity": _severity(connection, settings, vocabulary),
            "title": Text(limit=wire.TITLE_LIMIT, empty="(no title)", one_line=True),
            "description": Text(),
            "services": OneOf(Table.of(vocabulary.get("services", []))),
            "assignees": Elements(Table.of(vocabulary.get("people", []))),
        },
        COMMENT: {"text": Text(), "deleted": Same()},
        UPDATE: {"text": Text()},
    }


DEGRADED: Mapping[str, str] = {
    "reopen": "The hub does not reopen a resolved PagerDuty incident (setting `reopen`).",
    "priorities": "Without priorities, severity shows in PagerDuty as urgency only.",
    "assign": "The hub does not assign people in PagerDuty (setting `assign`).",
    "events": "Incidents are created through the Events API: they appear some seconds later.",
}


REST_LAG, EVENTS_LAG = 1.0, 15.0
"""Seconds until a read shows the hub's write. PagerDuty documents neither lag: the response to a REST write shows the
write itself; an event takes effect after its response."""


def capabilities(settings: Settings) -> Capabilities:
    """The declared capabilities of this connection; the contract suite proves each line against the stand-in."""
    degraded = [
        DEGRADED[name]
        for name, lacks in (
            ("reopen", not settings.reopen),
            ("priorities", not settings.priorities),
            ("assign", not settings.assign),
            ("events", settings.create_by == "events"),
        )
        if lacks
    ]
    moves = wire.MOVES | wire.REOPENING if settings.reopen else wire.MOVES
    return Capabilities(
        vendor="pagerduty",
        title="PagerDuty",
        kinds={
            INCIDENT: KindCapability(
                fields={
                    "status": FieldCapability(gap=Gap.HISTORY, moves=moves),
                    "severity": FieldCapability(gap=Gap.BLIND),
                    "title": FieldCapability(gap=Gap.BLIND, max_length=wire.TITLE_LIMIT),
                    "description": FieldCapability(read=False, write="create"),
                    "services": FieldCapability(write="create"),
                    "assignees": FieldCapability(
                        gap=Gap.BLIND, many="set", write="always" if settings.assign else "never", consequence=True
                    ),
                },
                create=CreateSafety.IDEMPOTENT,
                adoptable=True,
            ),
            COMMENT: KindCapability(
                fields={"text": FieldCapability(gap=Gap.BLIND), "deleted": FieldCapability(gap=Gap.BLIND)},
                create=CreateSafety.FINDABLE,
                deletes=True,
            ),
            UPDATE: KindCapability(
                fields={"text": FieldCapability(read=False, write="create")},
                create=CreateSafety.NEITHER,
                reads=False,
                edits=False,
            ),
        },
        read_lag=EVENTS_LAG if settings.status_by == "events" else REST_LAG,
        find_lag=EVENTS_LAG if settings.create_by == "events" else REST_LAG,
        answer_within=5.0,
        webhooks="signed",
        ordering="object",
        rates=(Rate(960, 60.0),),
        read_calls=3,  # the incident, its notes, and who has it where its policy does
        concurrency=4,
        poll=(30.0, 300.0),
        degraded=tuple(degraded),
    )
