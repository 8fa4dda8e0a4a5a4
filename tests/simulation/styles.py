"""The four vendors of the model: capabilities, vocabularies and peculiarities.

Capabilities and words are those of the real adapters where they matter to the engine, without their HTTP.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, Gap, KindCapability
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Json
from hub.domain.vocabulary import Elements, Entries, OneOf, Relation, Same, Table, Text

PEOPLE = ("ada", "bob", "cy")
SERVICES = ("checkout", "search", "mail")
TAGS = ("db", "eu", "cache", "vip")

VOCABULARIES = Path(__file__).resolve().parents[2] / "mappings" / "vocabularies"


@lru_cache
def table(vendor: str, name: str) -> Table:
    """The packaged word table of a vendor's field: the same that the real adapter has."""
    with (VOCABULARIES / f"{vendor}.toml").open("rb") as file:
        return Table.of(tomllib.load(file)[name])


UNKNOWN_WORD = "Blocked"
"""A status that is in no word table."""

REFUSED_TEXT = "☠"
"""A text with this sign in it is refused by the vendors whose `refuses` names the field."""


@dataclass(frozen=True)
class Style:
    """answers: a write's answer shows the object. listing: a poll shows whole objects. silent: fields whose change sends no
    webhook. editable: fields that people may change on the vendor's own pages. closed: the vendor's words for a closed
    status. clears: field → value that the vendor sets by itself when an object is closed. expires: (from, to) status of an
    acknowledgement's time-out. commands: people send commands in chat. merges: people may merge two objects. refuses: text
    fields that the vendor may refuse.
    """

    vendor: str
    capabilities: Capabilities
    relations: Mapping[str, Mapping[str, Relation]]
    answers: bool
    listing: bool
    editable: tuple[str, ...]
    closed: frozenset[str]
    silent: frozenset[str] = frozenset()
    clears: Mapping[str, Json] = field(default_factory=dict)
    expires: tuple[str, str] | None = None
    commands: bool = False
    merges: bool = False
    refuses: frozenset[str] = frozenset()
    names_field: bool = True
    """A refusal names the field."""
    born: Mapping[str, Json] = field(default_factory=dict)
    """Fields of a new object whose first value is fixed, whatever was requested (a workflow's first status)."""
    half_born: Mapping[str, Json] = field(default_factory=dict)
    """Fields that a create sets by a second request, which may fail → their value until then."""
    partial: bool = False
    """An object can be read without its comments."""
    hides_deleted: bool = False
    """A deleted object is "not found", as is one that the hub's account may not read."""
    overlap: float = 60.0
    """Seconds by which a poll goes back behind its cursor."""

    workflow: frozenset[tuple[str, str]] | None = None
    """The (from, to) pairs of the status that this account's workflow has; None = any."""

    def words(self, name: str) -> list[Json]:
        """The vendor's words that people use for the field `name`."""
        relation = self.relations[INCIDENT][name]
        if name == "status" and self.workflow:
            return sorted({word for pair in self.workflow for word in pair} - {UNKNOWN_WORD})
        assert isinstance(relation, Table)
        out: list[Json] = []
        for _, word in relation.pairs:
            if word not in out:
                out.append(word)
        return out

    def with_field(self, kind: str, name: str, **changes: Any) -> Style:
        """The same vendor with another declaration of one field."""
        kinds = dict(self.capabilities.kinds)
        fields = {**kinds[kind].fields, name: replace(kinds[kind].fields[name], **changes)}
        return self.with_kind(kind, fields=fields)

    def with_kind(self, kind: str, **changes: Any) -> Style:
        """The same vendor with another declaration of one kind (another route or plan)."""
        kinds = dict(self.capabilities.kinds)
        kinds[kind] = replace(kinds[kind], **changes)
        return replace(self, capabilities=replace(self.capabilities, kinds=kinds))


def accounts(prefix: str, names: tuple[str, ...]) -> Table:
    return Table.of([(n, f"{prefix}-{n}") for n in names])


def _texts(limit: int) -> Mapping[str, Relation]:
    return {"text": Text(limit=limit), "deleted": Same()}


_ITEM = {"text": FieldCapability(gap=Gap.BLIND), "deleted": FieldCapability()}
_ANY = FieldCapability


def pagerduty() -> Style:
    """Coarse states, priority and urgency as one value, an acknowledgement that times out, no webhook for a title."""
    history = _ANY(gap=Gap.HISTORY)
    fields = {
        "status": history,
        "title": _ANY(max_length=1024),
        "severity": history,
        "assignees": _ANY(gap=Gap.HISTORY, many="set", consequence=True),
        "services": _ANY(write="create"),
    }
    capabilities = Capabilities(
        vendor="pagerduty",
        title="Model of PagerDuty",
        kinds={
            INCIDENT: KindCapability(fields=fields, create=CreateSafety.IDEMPOTENT, adoptable=True),
            COMMENT: KindCapability(fields=_ITEM, create=CreateSafety.FINDABLE, deletes=True),
        },
        read_lag=1.0,
        find_lag=3.0,
        ordering="object",
        poll=(60.0, 300.0),
    )
    relations = {
        INCIDENT: {
            "status": table("pagerduty", "status"),
            "title": Text(limit=1024, empty="(no title)", one_line=True),
            "severity": table("pagerduty", "severity"),
            "assignees": Elements(accounts("PU", PEOPLE)),
            "services": OneOf(accounts("PS", SERVICES)),
        },
        COMMENT: _texts(2000),
    }
    return Style(
        vendor="pagerduty", capabilities=capabilities, relations=relations, partial=True, answers=True, listing=True,
        editable=("status", "title", "severity", "assignees"), closed=frozenset({"resolved"}), silent=frozenset({"title"}),
        clears={"assignees": []}, expires=("acknowledged", "triggered"), merges=True, refuses=frozenset({"title"}),
        half_born={"status": "triggered"},
    )  # fmt: skip


JIRA_MOVES = frozenset({
    ("To Do", "In Progress"), ("In Progress", "To Do"), ("In Progress", "In Review"), ("In Review", "In Progress"),
    ("In Review", "Done"), ("Done", "Reopened"), ("Reopened", "In Progress"), (UNKNOWN_WORD, "In Progress"),
})  # fmt: skip


def jira() -> Style:
    """A workflow without direct transitions, one assignee, labels, short titles, writes answered without the object."""
    history = _ANY(gap=Gap.HISTORY)
    fields = {
        "status": _ANY(gap=Gap.HISTORY, walks=True),
        "title": _ANY(gap=Gap.HISTORY, max_length=255),
        "description": history,
        "severity": history,
        "tags": _ANY(gap=Gap.HISTORY, many="set"),
        "services": _ANY(gap=Gap.HISTORY, many="set"),
        "assignees": history,
    }
    capabilities = Capabilities(
        vendor="jira",
        title="Model of Jira",
        kinds={
            INCIDENT: KindCapability(fields=fields, create=CreateSafety.FINDABLE, adoptable=True),
            COMMENT: KindCapability(fields=_ITEM, create=CreateSafety.FINDABLE, deletes=True),
        },
        read_lag=1.0,
        find_lag=8.0,
        poll=(60.0, 300.0),
    )
    relations = {
        INCIDENT: {
            "status": table("jira", "status"),
            "title": Text(limit=255, empty="(no title)", one_line=True),
            "description": Text(limit=30_000),
            "severity": table("jira", "severity"),
            "tags": Elements(Same()),
            "services": Elements(accounts("JC", SERVICES)),
            "assignees": OneOf(accounts("JU", PEOPLE)),
        },
        COMMENT: _texts(30_000),
    }
    return Style(
        vendor="jira", capabilities=capabilities, relations=relations, partial=True, answers=False, listing=True,
        editable=("status", "title", "description", "severity", "tags", "services", "assignees"),
        closed=frozenset({"Done"}), refuses=frozenset({"title"}), overlap=120.0,
        born={"status": "To Do"}, hides_deleted=True, workflow=JIRA_MOVES,
    )  # fmt: skip


def statuspage() -> Style:
    """Public: its own title, a status of four words, components with impacts, published updates."""
    fields = {
        "status": _ANY(),
        "public_title": _ANY(max_length=255),
        "severity": _ANY(),
        "impacts": _ANY(many="map"),
    }
    capabilities = Capabilities(
        vendor="statuspage",
        title="Model of Statuspage",
        kinds={
            INCIDENT: KindCapability(fields=fields, create=CreateSafety.FINDABLE),
            UPDATE: KindCapability(fields=_ITEM, create=CreateSafety.FINDABLE),
        },
        public=True,
        webhooks="secret-path",
        read_lag=2.0,
        concurrency=1,
        poll=(60.0, 300.0),
    )
    relations = {
        INCIDENT: {
            "status": table("statuspage", "status"),
            "public_title": Text(limit=255, one_line=True),
            "severity": table("statuspage", "severity"),
            "impacts": Entries(accounts("SC", SERVICES), table("statuspage", "impacts")),
        },
        UPDATE: _texts(25_000),
    }
    return Style(
        vendor="statuspage", capabilities=capabilities, relations=relations, answers=True, listing=True,
        editable=("status", "public_title", "severity", "impacts"), closed=frozenset({"resolved", "postmortem"}),
        hides_deleted=True,
    )  # fmt: skip


def teams() -> Style:
    """A card that only the hub writes, replies by people, commands in chat."""
    fields = {
        "status": _ANY(gap=Gap.CONDITIONAL),
        "severity": _ANY(gap=Gap.CONDITIONAL),
        "title": _ANY(gap=Gap.CONDITIONAL, max_length=2000),
        "assignees": _ANY(gap=Gap.CONDITIONAL, many="set"),
        "services": _ANY(gap=Gap.CONDITIONAL, many="set"),
    }
    capabilities = Capabilities(
        vendor="teams",
        title="Model of Teams",
        kinds={
            INCIDENT: KindCapability(fields=fields, create=CreateSafety.FINDABLE),
            COMMENT: KindCapability(fields=_ITEM, create=CreateSafety.FINDABLE, deletes=True),
        },
        read_lag=2.0,
        find_lag=2.0,
        poll=(60.0, 300.0),
    )
    words = [(s, s) for s in ("triggered", "acknowledged", "identified", "monitoring", "resolved", "cancelled")]
    relations = {
        INCIDENT: {
            "status": Table.of(words),
            "severity": Table.of([(f"SEV{n}", f"SEV{n}") for n in range(1, 6)]),
            "title": Text(limit=2000, one_line=True),
            "assignees": Elements(accounts("TU", PEOPLE)),
            "services": Elements(accounts("TS", SERVICES)),
        },
        COMMENT: _texts(20_000),
    }
    return Style(
        vendor="teams", capabilities=capabilities, relations=relations, partial=True, answers=False, listing=False, editable=(),
        closed=frozenset({"resolved", "cancelled"}), commands=True,
    )  # fmt: skip


def posts_only(style: Style) -> Style:
    """The same vendor behind a route that accepts posts, and neither reads, edits nor identifies them."""
    kinds = {}
    for name, kind in style.capabilities.kinds.items():
        fields = {
            n: replace(f, read=False, write="create", gap=Gap.BLIND) for n, f in kind.fields.items() if n != "deleted"
        }
        kinds[name] = replace(kind, fields=fields, create=CreateSafety.NEITHER, reads=False, edits=False, deletes=False)
    capabilities = replace(style.capabilities, kinds=kinds, webhooks="none")
    return replace(style, capabilities=capabilities, editable=(), commands=False)


STYLES = {"pagerduty": pagerduty, "jira": jira, "statuspage": statuspage, "teams": teams}
