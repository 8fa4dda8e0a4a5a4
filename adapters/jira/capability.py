"""Jira's capabilities, as frozen data, and the relations between our values and a connection's."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.jira.labels import Components, Labels
from adapters.jira.settings import Settings
from adapters.registry import Spec
from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, Gap, KindCapability, Rate
from hub.domain.incident import SEVERITIES, STATUSES
from hub.domain.values import COMMENT, INCIDENT
from hub.domain.vocabulary import OneOf, Relation, Same, Table, Text

FIND_LAG = {True: 15.0, False: 5.0}
"""Seconds, Cloud and Data Center, by which the search index (used to find marks) may lag."""

SUMMARY_LIMIT = 255
TEXT_LIMIT = {True: 30_000, False: 15_000}
"""Most characters. Jira's own limit is 32,767 of the text in *its* form; escapes in wiki markup may double a text."""

RATES = (Rate(50, 1.0),)
"""The rate that a small site sustained: Jira publishes no limit for API tokens. A 429 is obeyed in any case."""

NEEDED = {
    "severity": "priority",
    "services": "components",
    "tags": "labels",
    "assignees": "assignee",
    "description": "description",
}
"""The hub's field → Jira's: the fields that `without` may switch off for a project whose screens lack them."""

_HISTORY = FieldCapability(gap=Gap.HISTORY)

FIELDS: Mapping[str, FieldCapability] = {
    "title": FieldCapability(gap=Gap.HISTORY, max_length=SUMMARY_LIMIT),
    "description": _HISTORY,
    "status": FieldCapability(gap=Gap.HISTORY, walks=True),
    "severity": _HISTORY,
    "tags": FieldCapability(gap=Gap.HISTORY, many="set"),
    "services": FieldCapability(gap=Gap.HISTORY, many="set"),
    "assignees": _HISTORY,
}


def capabilities(settings: Settings) -> Capabilities:
    """The declared capabilities of this connection."""
    fields = {name: c for name, c in FIELDS.items() if name not in settings.without}
    return Capabilities(
        vendor="jira",
        title="Jira Cloud" if settings.cloud else "Jira Data Center",
        kinds={
            INCIDENT: KindCapability(fields, create=CreateSafety.FINDABLE, adoptable=True),
            COMMENT: KindCapability(
                {"text": FieldCapability(max_length=TEXT_LIMIT[settings.cloud]), "deleted": FieldCapability()},
                create=CreateSafety.FINDABLE,
                deletes=True,
            ),
        },
        read_lag=1.0,
        find_lag=FIND_LAG[settings.cloud],
        request_limit=30.0,
        answer_within=20.0,
        webhooks="secret-path" if settings.webhook_auth == "path" else "signed",
        ordering="none",
        rates=RATES,
        read_calls=2,  # the issue and its comments
        concurrency=4,
        degraded=tuple(f"{name} is not kept in step (`without`)" for name in sorted(settings.without)),
    )


def relations(spec: Spec, settings: Settings) -> Mapping[str, Mapping[str, Relation]]:
    """kind → field → relation. Raises VocabularyGap for an incomplete table, ValueError for a wrong setting."""

    def table(field: str) -> Table:
        return Table.of(spec.vocabulary.get(field, ()))

    place = f"connection {spec.name} (jira), vocabulary"
    status = table("status").require(f"{place} status", STATUSES, [s for walk in settings.walks.values() for s in walk])
    severity = table("severity")
    if "severity" not in settings.without:
        severity.require(f"{place} severity", SEVERITIES)
    if unknown := settings.without - set(NEEDED):
        raise ValueError(
            f"connection {spec.name}: setting 'without' names {', '.join(sorted(unknown))}, which cannot be left out"
        )
    limit = TEXT_LIMIT[settings.cloud]
    incident: dict[str, Relation] = {
        "title": Text(limit=SUMMARY_LIMIT, empty="(no title)", one_line=True),
        "description": Text(limit=limit),
        "status": status,
        "severity": severity,
        "tags": Labels(),
        "services": Components(table("services")),
        "assignees": OneOf(table("people")),
    }
    return {
        INCIDENT: {name: r for name, r in incident.items() if name not in settings.without},
        COMMENT: {"text": Text(limit=limit, empty="(empty)"), "deleted": Same()},
    }
