"""Request bodies and queries of the JSON API: strict models, so that a wrong type, an unknown name or a text that is
too long is refused with its place before anything is done. An incident's fields are made from their table in
`hub.domain.incident`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from hub.domain.incident import AUDIENCES, CLOSED, FIELDS, PUBLIC, FieldSpec
from hub.domain.values import INCIDENT
from hub.services.checks import COMMENT_LIMIT

TEXT = r"^[^\x00]*$"
WORDS = r"^[^\x00]*[^\s\x00][^\x00]*$"
REF = r"^([Ii][Nn][Cc]-)?[0-9]{1,9}$|^[0-9a-v]{26}$"
HASH = r"^[0-9a-f]{64}$"
BEFORE = "^[0-9A-Za-z]+$"

PATTERNS: dict[str, str] = {
    TEXT: "contains a NUL character",
    WORDS: "must not be blank",
    REF: "is not an incident's number or id: write 12, INC-12 or the id",
    HASH: "is not a hash: write the 64 characters (0-9, a-f) of `content_hash` as shown",
    BEFORE: "must be the `next` of the page before",
}
"""Pattern → message for a string that does not match it."""

Text = Annotated[str, Field(pattern=TEXT)]
"""Any text without NUL, which PostgreSQL does not store."""

Words = Annotated[str, Field(pattern=WORDS)]
"""A text that is not blank."""

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=TEXT)]
Word = Annotated[Words, Field(max_length=200)]
Ref = Annotated[str, Field(pattern=REF)]
Hash = Annotated[str, Field(pattern=HASH)]

MANY = 200
"""The most elements in a set or a map."""


class Strict(BaseModel):
    """Base of every request body and query."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _kind(spec: FieldSpec) -> Any:
    word: Any = Literal[spec.words] if spec.words else Word
    if spec.many == "set":
        return Annotated[list[word], Field(max_length=MANY)]
    if spec.many == "map":
        return Annotated[dict[Word, word], Field(max_length=MANY)]
    if spec.default is None:
        return Annotated[Words, Field(max_length=spec.limit)] | None
    return word if spec.words else Annotated[Words if spec.needed else Text, Field(max_length=spec.limit)]


_FIELDS: dict[str, Any] = {name: (_kind(spec), Field(default=None)) for name, spec in FIELDS[INCIDENT].items()}
_OPEN: Any = Literal[tuple(word for word in FIELDS[INCIDENT]["status"].words if word not in CLOSED)]
_AUDIENCE: Any = Literal[AUDIENCES]

IncidentFields: Any = create_model(
    "IncidentFields",
    __base__=Strict,
    __doc__="The fields of an incident to set. A set or a map replaces the previous one.",
    **_FIELDS,
)
NewIncidentFields: Any = create_model(
    "NewIncidentFields",
    __base__=Strict,
    __doc__="The fields of a new incident.",
    **{
        **_FIELDS,
        "title": (Annotated[Words, Field(max_length=FIELDS[INCIDENT]["title"].limit)], ...),
        "status": (_OPEN, Field(default=None)),
    },
)


class OpenIncident(Strict):
    """dedup_key: while an incident with this key is open, no second one is opened."""

    fields: NewIncidentFields
    dedup_key: Annotated[Text, Field(min_length=1, max_length=300)] | None = None


class EditIncident(Strict):
    fields: IncidentFields


class MergeIncident(Strict):
    """into: the incident that stays."""

    into: Ref


class WriteComment(Strict):
    text: Annotated[Words, Field(max_length=COMMENT_LIMIT)]


class DraftUpdate(Strict):
    """audience: who reads the text. Only `public` updates reach customers; the others stay in internal tools."""

    text: Annotated[Words, Field(max_length=COMMENT_LIMIT)]
    audience: _AUDIENCE = PUBLIC


class Approve(Strict):
    """content_hash: of the content that was read; if the content has changed since, nothing is approved."""

    content_hash: Hash


class Relink(Strict):
    """The object, and its connection, that is linked to this incident from now on."""

    connection: Name
    remote_id: Annotated[Text, Field(min_length=1, max_length=300)]
    slot: Annotated[Text, Field(min_length=1, max_length=60)] = "primary"


class Review(Strict):
    """decision: "take" the vendor's value, or "keep" the hub's."""

    field: Name
    decision: Literal["take", "keep"]


class LinkUnmatched(Strict):
    """incident: the one to link the object to."""

    incident: Ref


class SetConnection(Strict):
    """observe: plans are shown, nothing is written."""

    state: Literal["enabled", "observe", "disabled"]


class SetPause(Strict):
    """paused: nothing is written anywhere."""

    paused: bool


Before = Annotated[str, Field(min_length=1, max_length=40, pattern=BEFORE)]


class Paging(Strict):
    """A page of a list, newest first."""

    limit: int = Field(50, ge=1, le=200, description="Rows in the answer.")
    before: Before | None = Field(None, description="`next` of the previous page.")


class IncidentPaging(Paging):
    before: Ref | None = Field(None, description="`next` of the previous page, or an incident's number.")
    open: Literal["true", "false"] | None = Field(None, description="Only open ones, or only closed ones.")


class LinkPaging(Paging):
    incident: Ref | None = Field(None, description="Only the links of this incident.")
    state: Literal["pending", "live", "held", "frozen", "unreachable", "gone", "unlinked"] | None = Field(
        None, description="Only links in this state."
    )


class InboxPaging(Paging):
    state: Literal["new", "done", "ignored", "failed"] | None = Field(None, description="Only those in this state.")


class UnmatchedPaging(Paging):
    state: Literal["waiting", "linked", "opened", "proposed", "ignored"] | None = Field(
        None, description="Only those in this state."
    )
