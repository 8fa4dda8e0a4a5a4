"""The response bodies of the JSON API, for its OpenAPI document. `hub.services.serialize` makes the actual responses;
the tests check each of them against these models."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Row = TypeVar("Row")
Values = dict[str, Any]
When = AwareDatetime


class Answer(BaseModel):
    """Base of every response body: a field that is not described is not sent."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Page(Answer, Generic[Row]):
    """next: pass it as `before` to get the next page; null = this is the last page."""

    items: list[Row]
    next: str | None


class Incident(Answer):
    id: str
    number: str = Field(examples=["INC-12"])
    open: bool
    fields: Values
    rev: int = Field(description="Revision: incremented by every change.")
    dedup_key: str | None
    previous_id: str | None = Field(description="The incident of which this one is a recurrence.")
    merged_into: str | None
    created_at: When
    updated_at: When


class Link(Answer):
    """The tie between an incident, or one of its comments or updates, and an object at a vendor."""

    id: str
    incident_id: str
    connection: str
    kind: str = Field(examples=["incident"])
    slot: str = Field(examples=["primary"])
    state: str = Field(description="pending, live, held, frozen, unreachable, gone or unlinked.")
    reason: str | None = Field(description="Why it is not live.")
    item_id: str | None = Field(
        description="The comment or update that it links, if it is not a link of the incident itself."
    )
    remote_id: str | None
    url: str | None
    shadow: Values = Field(description="What the vendor showed last, in the vendor's words.")
    held: Values = Field(description="Fields that wait for a person, with their value.")
    frozen: Values = Field(description="Fields with a value that has no mapping.")
    refused: Values = Field(description="Fields that the vendor refused.")
    notes: Values
    plan: Values | None = Field(description="What would be written next.")
    rev: int
    lag: float = Field(description="Seconds for which the link has been behind; 0 = in step.")
    seen_at: When | None
    written_at: When | None
    approved_by: str | None
    created_at: When


class LinkInFull(Link):
    draft: Values | None = Field(description="The content that waits for approval.")
    content_hash: str | None = Field(description="Of the draft: an approval is bound to it.")


class Comment(Answer):
    id: str
    kind: str
    incident_id: str
    origin: str = Field(description="The connection where it was written, or `hub`.")
    author: str | None
    text: str | None
    deleted: bool
    rev: int
    created_at: When
    restricted: bool = Field(description="Visible to a part of the audience only, and never copied.")


class Update(Answer):
    id: str
    kind: str
    incident_id: str
    origin: str
    author: str | None
    text: str | None
    deleted: bool
    rev: int
    created_at: When
    audience: str
    state: str = Field(description="draft, approved or withdrawn.")
    status: str | None = Field(description="The incident's status when it was written.")
    approved_by: str | None
    content_hash: str | None = Field(None, description="Of a draft: an approval is bound to it.")


class IncidentInFull(Incident):
    provenance: Values = Field(description="The source of each value, and when it changed.")
    links: list[Link]
    copies: list[Link] = Field(description="The links of its comments and updates.")
    comments: list[Comment]
    updates: list[Update]


class JournalLine(Answer):
    seq: int
    at: When
    kind: str
    source: str | None
    data: Values | None = Field(description="null: erased; the hash chain still verifies.")


class Journal(Answer):
    """verified: the hash chain verifies; broken: where it does not, else null."""

    items: list[JournalLine]
    verified: bool
    broken: str | None


class Unmatched(Answer):
    id: str
    connection: str
    kind: str
    remote_id: str
    state: str = Field(description="waiting, linked, opened, proposed or ignored.")
    reason: str | None
    candidates: list[Any]
    first_seen: When


class InboxRow(Answer):
    id: str
    connection: str
    delivery_id: str
    state: str = Field(description="new, done, ignored or failed.")
    reason: str | None
    attempts: int
    size: int = Field(description="Bytes of the body.")
    received_at: When
    done_at: When | None


class InboxRowInFull(InboxRow):
    headers: dict[str, str]
    body: str = Field(description="As received; bytes that are not UTF-8 are replaced.")


class FailedWrite(Answer):
    """A write that a vendor refused. It waits for a person: retry or discard it."""

    id: str
    link_id: str
    incident_id: str
    connection: str
    op: str
    state: str = Field(description="failed; withdrawn once it was retried or discarded.")
    changes: Values = Field(description="Field → the vendor's value that was to be written.")
    error: str | None = Field(description="What the vendor answered.")
    error_class: str | None
    attempts: int
    unknowns: int = Field(description="Attempts of which it is not known whether they took effect.")
    created_at: When
    settled_at: When | None
    due_at: When | None


class FailedWriteInFull(FailedWrite):
    incident: str | None = Field(description="The number of its incident.", examples=["INC-12"])
    remote_id: str | None = Field(description="The object to write; null: it was to be created.")
    url: str | None = Field(description="The address of that object.")


class Connection(Answer):
    name: str
    vendor: str
    state: str
    healthy: bool = Field(description="The last call succeeded.")
    failures: int = Field(description="Calls that failed in a row.")
    open_until: When | None = Field(description="When the next call is tried; none is made before.")
    reason: str | None
    activated_at: When | None
    invalid_signatures: int
    polled_at: When | None
    poll_due: When | None
    subscription_due: When | None
    public: bool | None = Field(description="Customers see what is written there.")
    degraded: list[str] = Field(description="What it cannot do.")
    counts: dict[str, int] = Field(description="Its links by state.")


class Connections(Answer):
    items: list[Connection]


class Incidents(Page[Incident]):
    pass


class Links(Page[Link]):
    pass


class UnmatchedObjects(Page[Unmatched]):
    pass


class Inbox(Page[InboxRow]):
    pass


class FailedWrites(Page[FailedWrite]):
    pass


class Pause(Answer):
    paused: bool
