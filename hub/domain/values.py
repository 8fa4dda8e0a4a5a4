"""The plain values that pass between the hub and an adapter.

Nothing here does I/O, reads a clock or keeps state. Everything is frozen and made of JSON-like values, so that a value
can be stored, compared, hashed and replayed. "Theirs" always means the vendor's own vocabulary, "ours" the hub's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = Any
"""None, bool, int, float, str, list of Json or dict of str to Json."""

Fields = Mapping[str, Json]

INCIDENT, COMMENT, UPDATE = "incident", "comment", "update"
"""The kinds of objects that are synchronised. Each has a *link* of that kind to its copy at a vendor."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Identifies one object at one vendor: its kind, its stable id, and the id of the object that it belongs to, if
    any."""

    kind: str
    id: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The correlation mark of one create: `key` is written *into* the created object, so that the object can be found.

    kind: kind of the object; parent: the object it was created under; since: UTC, when the create was first intended
    (an adapter whose vendor only lists objects need not list older ones).
    """

    kind: str
    key: str
    since: datetime
    parent: Ref | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or machine that made a change, as far as known. account: the vendor's id of the account."""

    name: str | None = None
    email: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What a vendor showed of one object at one moment.

    state: "present"; "absent" (the vendor does not show it: deleted *or* not allowed, so never treated as deleted);
    "deleted" (the vendor reports explicitly that it was deleted).
    fields: theirs, one value for each field that the adapter declares readable for this kind.
    version: the vendor's own version of the object (etag, `updated`), used for conditional writes and to recognise
    repeats. mark: the key of our mark, if the object carries one.
    type: "incident", "maintenance", "command" or "other"; only "incident" is ever adopted, and a comment that is a
    "command" (addressed to us) is not copied.
    created_at: vendor's clock, UTC; compared only with the connection's activation, for adoption.
    consequences: fields whose present value the vendor set by itself, as a consequence of something else (a resolved
    incident has no assignees). Such a value is not an edit.
    children: comments and updates in the same answer. children_complete: there are no others, so a known child that is
    missing has been deleted.
    merged_into: the object into which the vendor merged this one.
    terminal: the vendor accepts no further change to this object.
    restricted: visible to a part of the audience only (a comment for one role), so never copied elsewhere.
    """

    ref: Ref
    state: str = "present"
    fields: Fields = field(default_factory=dict)
    version: str | None = None
    url: str | None = None
    mark: str | None = None
    type: str = "incident"
    created_at: datetime | None = None
    actor: Actor | None = None
    dedup_key: str | None = None
    consequences: frozenset[str] = frozenset()
    children: tuple[Observation, ...] = ()
    children_complete: bool = False
    merged_into: Ref | None = None
    terminal: bool = False
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a vendor's own change history: `field` went from `before` to `after` (theirs). `id` is the
    vendor's."""

    id: str
    field: str
    before: Json
    after: Json
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A person's chat command. verb: `ack|resolve|status|sev|note|who|help|confirm|unconfirm`; argument: the text after
    it."""

    verb: str
    argument: str = ""
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """One event that a webhook reports. It names an object to read; its own content is never taken as the object's
    state.

    event: the vendor's own word. ref: the object to read (for a comment: `kind="comment"`, `parent` = its incident);
    None with `ignored` set = an event that needs no action; `ignored` is the reason, as text;
    None with `resync=True` = the vendor reports that events were missed: poll the whole connection.
    deleted: the vendor reports that the object was deleted.
    subscription: the vendor reports that its webhook subscription needs an action ("renew" or "recreate").
    alone: the event is about the object's own fields; no comment or update changed.
    born: the event reports only that the object was created, and this vendor's answer to a create shows the whole
    object: nothing is new in it once that answer, or a later read, was merged.
    """

    event: str
    ref: Ref | None = None
    deleted: bool = False
    actor: Actor | None = None
    command: Command | None = None
    ignored: str | None = None
    resync: bool = False
    subscription: str | None = None
    alone: bool = False
    born: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """An incoming HTTP request, framework-free. Header names are lower-case; `body` is raw; `received_at` is hub time,
    UTC."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a webhook request (a handshake, the answer to a chat command)."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    store: bool = True
    """False: the request need not be stored (a handshake)."""


@dataclass(frozen=True, slots=True)
class Desired:
    """An object to be created. fields: theirs, forwarded from ours. parent: the object it belongs to.

    context: facts for texts and cards that are not fields: `number` ("INC-12"), `url` of the incident in the hub,
    `links` (list of {"title", "url", "system"}: the same incident elsewhere), `author` (display name of a comment's
    author).
    """

    kind: str
    fields: Fields
    parent: Ref | None = None
    actor: Actor | None = None
    context: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """A change to an existing object. changes: field → the new value, theirs; desired: all fields as they should be,
    theirs.

    A set field (see `capability.FieldCapability.many`) is given in `changes` as {"add": [...], "remove": [...]}.
    A deletion is `changes == {"deleted": True}`. expected: the vendor's version that was read right before, for vendors
    with conditional writes.
    """

    changes: Fields
    desired: Fields
    expected: str | None = None
    actor: Actor | None = None
    context: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """A vendor's answer to a write. observation: the whole object if the answer showed it, else None.

    ref is None when the vendor gives no id (a post that can never be edited): the link is then post-only.
    existed: a create found that its idempotency key was already used; `ref` is the object that has it.
    """

    ref: Ref | None
    url: str | None = None
    version: str | None = None
    observation: Observation | None = None
    existed: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """One object that a poll listed: it may have changed. observation: given when the listing shows every readable
    field of the object itself (not its children), so that an unchanged object needs no read."""

    ref: Ref
    observation: Observation | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """The answer to `changed_since`: cursor is the adapter's own JSON for the next call; `more`: call again at once."""

    items: tuple[Changed, ...]
    cursor: Json
    more: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `lockstep doctor`. level: "ok", "warn" or "error"; what: what was found; remedy: what to do about
    it."""

    level: str
    what: str
    remedy: str = ""
