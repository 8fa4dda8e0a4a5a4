"""The capabilities of each route of Teams, as frozen data, and the relations between the hub's words and the card's."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.registry import Spec
from adapters.teams import wire
from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, Gap, KindCapability, Rate
from hub.domain.incident import SEVERITIES, STATUSES
from hub.domain.values import COMMENT, INCIDENT
from hub.domain.vocabulary import Elements, Entries, Relation, Same, Table, Text

MANY: Mapping[str, str] = {"services": "set", "assignees": "set", "tags": "set", "roles": "map", "impacts": "map"}
LENGTHS: Mapping[str, int] = {"title": wire.TITLE_LIMIT, "description": wire.DESCRIPTION_LIMIT}


def _card(read: bool, write: str) -> dict[str, FieldCapability]:
    return {
        name: FieldCapability(
            read=read, write=write, gap=Gap.BLIND, many=MANY.get(name, ""), max_length=LENGTHS.get(name)
        )
        for name in wire.FIELDS
    }


def graph() -> Capabilities:
    """Route "graph": a service account in a channel; a card that is edited in place, and its thread."""
    return Capabilities(
        vendor="teams",
        title="Microsoft Teams (Graph, service account)",
        kinds={
            INCIDENT: KindCapability(
                fields={
                    **_card(read=True, write="always"),
                    wire.REACTIONS: FieldCapability(write="never", many="set"),
                },
                create=CreateSafety.FINDABLE,
            ),
            COMMENT: KindCapability(
                fields={
                    "text": FieldCapability(gap=Gap.BLIND, max_length=wire.COMMENT_LIMIT),
                    "deleted": FieldCapability(gap=Gap.BLIND),
                },
                create=CreateSafety.FINDABLE,
                deletes=True,
            ),
        },
        read_lag=2.0,
        request_limit=60.0,
        answer_within=3.0,
        rates=(Rate(4, 1.0),),  # of the requests on one channel
        read_calls=2,  # a card and its thread
        concurrency=4,
    )


def workflow() -> Capabilities:
    """Route "workflow": a Workflows webhook, which accepts cards and returns nothing."""
    post_only = {"reads": False, "edits": False, "create": CreateSafety.NEITHER}
    return Capabilities(
        vendor="teams",
        title="Microsoft Teams (Workflows webhook)",
        kinds={
            INCIDENT: KindCapability(fields=_card(read=False, write="create"), **post_only),  # type: ignore[arg-type]
            COMMENT: KindCapability(
                fields={"text": FieldCapability(read=False, write="create", max_length=wire.DESCRIPTION_LIMIT)},
                **post_only,  # type: ignore[arg-type]
            ),
        },
        answer_within=5.0,
        rates=(Rate(4, 1.0),),
        concurrency=1,
        degraded=(
            "A Workflows webhook answers 202 without a message id: a card that was posted can never be edited.",
            "There are no threads: a comment is posted as a card of its own.",
            "Nothing can be read back: replies, edits and reactions in Teams are not seen.",
            "202 means only that the flow was started: a card may be posted twice, or never appear.",
            "The flow belongs to a person and stops with that account: give it a second owner.",
        ),
    )


def activity() -> Capabilities:
    """Route "activity": notifications in the activity feed, sent as the application."""
    return Capabilities(
        vendor="teams",
        title="Microsoft Teams (activity feed)",
        kinds={
            INCIDENT: KindCapability(
                fields=_card(read=False, write="create"), create=CreateSafety.NEITHER, reads=False, edits=False
            )
        },
        answer_within=5.0,
        rates=(Rate(5, 1.0),),
        concurrency=1,
        degraded=(
            "A notification in the activity feed has no id: it can neither be edited nor withdrawn.",
            "Nothing can be read back, and a click on it is not reported.",
            "It reaches only people for whom the Teams app with this activity type is installed.",
        ),
    )


def relations(spec: Spec, comment: int = wire.COMMENT_LIMIT) -> Mapping[str, Mapping[str, Relation]]:
    """kind → field → relation. Raises VocabularyGap that names the table. comment: most characters of a comment on this
    route. The card stores people and services by the hub's ids and shows their names."""

    def table(field: str, words: tuple[str, ...]) -> Table:
        place = f"connection {spec.name}: vocabulary of {field!r}"
        return Table.of(spec.vocabulary.get(field, ())).require(place, ours=words)

    return {
        INCIDENT: {
            "status": table("status", STATUSES),
            "severity": table("severity", SEVERITIES),
            "title": Text(limit=wire.TITLE_LIMIT, one_line=True),
            "description": Text(limit=wire.DESCRIPTION_LIMIT),
            "services": Elements(Same()),
            "assignees": Elements(Same()),
            "tags": Elements(Same()),
            "roles": Entries(Same(), Same()),
            "impacts": Entries(Same(), Same()),
            "owner_team": Same(),
        },
        COMMENT: {"text": Text(limit=comment), "deleted": Same()},
    }
