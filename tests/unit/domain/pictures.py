"""Generated canonical incidents and observations of their links, for the property tests of the pure rules: every kind of
relation, unknown words, values that were never seen before, several vendors, any order of events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from hub.domain.incident import FIELDS, SEVERITIES, STATUSES, FieldSpec, Provenance
from hub.domain.merge import Seen
from hub.domain.values import INCIDENT, Json
from hub.domain.vocabulary import Elements, Entries, OneOf, Relation, Same, Table, Text

SPECS: Mapping[str, FieldSpec] = FIELDS[INCIDENT]
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PEOPLE = ["ada", "ben", "cyd"]
SERVICES = ["checkout", "search", "mail"]
TAGS = ["x", "y", "z"]
TITLES = ["Payments fail", "Payments fail often in the west", "", "P"]

COARSE = Table.of(
    [
        ["triggered", "open"],
        ["acknowledged", "busy"],
        ["identified", "busy"],
        ["monitoring", "busy"],
        ["resolved", "done"],
        ["cancelled", "done"],
    ]
)
FINE = Table.of([[w, w.upper()] for w in STATUSES] + [["triggered", "NEW"], ["resolved", "CLOSED"]])
SEVERITY = Table.of([[w, [w[-1], "high" if w < "SEV3" else "low"]] for w in SEVERITIES])
ACCOUNTS = Table.of([[p, p.upper()] for p in PEOPLE])
COMPONENTS = Table.of([[s, f"c-{s}"] for s in SERVICES])
IMPACTS = Table.of([["operational", "ok"], ["degraded", "slow"], ["partial_outage", "slow"], ["major_outage", "down"]])

RELATIONS: Mapping[str, Mapping[str, Relation]] = {
    "pagerduty": {
        "status": COARSE, "severity": SEVERITY, "title": Text(limit=12, one_line=True), "assignees": Elements(ACCOUNTS),
    },
    "jira": {"status": FINE, "title": Text(), "assignees": OneOf(ACCOUNTS), "tags": Elements(Same())},
    "statuspage": {"status": FINE, "impacts": Entries(COMPONENTS, IMPACTS), "services": Elements(COMPONENTS)},
    "elsewhere": {"status": FINE, "title": Same(), "tags": Elements(Same()), "services": Elements(COMPONENTS)},
}  # fmt: skip
"""vendor → field → relation; "elsewhere" is in no row of the authority table."""


def _some(words: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(words), max_size=3, unique_by=repr).map(lambda v: sorted(v, key=str))


def fields() -> st.SearchStrategy[dict[str, Json]]:
    """The fields that the hub holds."""
    return st.fixed_dictionaries(
        {
            "status": st.sampled_from(STATUSES),
            "severity": st.sampled_from(SEVERITIES),
            "title": st.sampled_from(TITLES),
            "tags": _some(TAGS),
            "services": _some(SERVICES),
            "assignees": _some([*PEOPLE, "unmapped"]),
            "impacts": st.dictionaries(
                st.sampled_from(SERVICES), st.sampled_from(["operational", "degraded", "major_outage"])
            ),
        }
    )


_THEIRS: Mapping[str, Mapping[str, st.SearchStrategy[Json]]] = {
    "pagerduty": {
        "status": st.sampled_from(["open", "busy", "done", "unheard-of"]),
        "severity": st.sampled_from([["1", "high"], ["3", "low"], ["3", "odd"]]),
        "title": st.sampled_from(["Payments fa…", "Payments", "P"]),
        "assignees": _some(["ADA", "BEN", "STRANGER"]),
    },
    "jira": {
        "status": st.sampled_from(["NEW", "TRIGGERED", "IDENTIFIED", "RESOLVED", "CLOSED", "Backlog"]),
        "title": st.sampled_from(TITLES),
        "assignees": st.sampled_from([None, "ADA", "BEN"]),
        "tags": _some(TAGS),
    },
    "statuspage": {
        "status": st.sampled_from(["NEW", "MONITORING", "RESOLVED", "?"]),
        "impacts": st.dictionaries(st.sampled_from(["c-checkout", "c-mail", "c-other"]), st.sampled_from(["ok", "slow", "down"])),
        "services": _some(["c-checkout", "c-search", "c-other"]),
    },
    "elsewhere": {
        "status": st.sampled_from(["ACKNOWLEDGED", "CANCELLED", "NEW"]),
        "title": st.sampled_from(TITLES),
        "tags": _some(TAGS),
        "services": _some(["c-checkout", "c-mail"]),
    },
}  # fmt: skip


def theirs(vendor: str) -> st.SearchStrategy[dict[str, Json]]:
    """The fields that a vendor shows; some may be missing."""
    return st.fixed_dictionaries({}, optional=dict(_THEIRS[vendor]))


minutes = st.integers(0, 6)


@st.composite
def provenance(draw: st.DrawFn, source: str | None = None) -> Provenance:
    after = draw(minutes)
    until = after + draw(st.integers(0, 4))
    who = source or draw(st.sampled_from(["hub", "pagerduty", "jira", "statuspage", "elsewhere"]))
    return Provenance(
        who, START + timedelta(minutes=after), START + timedelta(minutes=until), draw(st.sampled_from([1, 2, 5])), None
    )


def provenances() -> st.SearchStrategy[dict[str, Provenance]]:
    """The source of the hub's values, if known."""
    field_paths = ["status", "severity", "title", *(f"tags/{t}" for t in TAGS), *(f"services/{s}" for s in SERVICES)]
    field_paths += [*(f"assignees/{p}" for p in PEOPLE), *(f"impacts/{s}" for s in SERVICES)]
    return st.dictionaries(st.sampled_from(field_paths), provenance(), max_size=len(field_paths))


@st.composite
def seen(draw: st.DrawFn, vendor: str, number: int) -> Seen:
    """One link's observation."""
    after = draw(minutes)
    shadow, remote = draw(theirs(vendor)), draw(theirs(vendor))
    names = st.sampled_from(sorted(RELATIONS[vendor]))
    frozen = dict.fromkeys(draw(st.sets(names, max_size=1)), "unheard-of") if draw(st.booleans()) else {}
    own = {n: [remote[n]] for n in draw(st.sets(names, max_size=1)) if n in remote and draw(st.booleans())}
    return Seen(
        link=f"link-{number}",
        source=vendor,
        vendor=vendor,
        order=(number,),
        shadow=shadow,
        remote=remote,
        relations=RELATIONS[vendor],
        after=START + timedelta(minutes=after),
        until=START + timedelta(minutes=after + draw(st.integers(0, 4))),
        consequences=frozenset(draw(st.sets(names, max_size=1))) if draw(st.booleans()) else frozenset(),
        frozen=frozen,
        own=own,
    )


@st.composite
def several(draw: st.DrawFn) -> list[Seen]:
    """Observations of up to four links."""
    vendors = draw(st.lists(st.sampled_from(sorted(RELATIONS)), min_size=1, max_size=4))
    return [draw(seen(vendor, number)) for number, vendor in enumerate(vendors)]
