"""The plain values that cross the border between the hub and an adapter.

Nothing here talks, knows the time or keeps state. Everything is frozen and made of JSON-like values, so that a value can
be stored, compared, hashed and replayed. "Theirs" is always the vendor's own vocabulary, "ours" the hub's.
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
"""The kinds of objects that are kept in step. A vendor's copy of each is a *link* of that kind."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Names one object at one vendor: what it is, its stable id, and the id of the object that it belongs to (if any)."""

    kind: str
    id: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The correlation mark of one create: `key` is written *into* the created object, so that it can be found again.

    kind: kind of the object; parent: the object it was created under; since: UTC, when the create was first intended
    (a vendor that can only list recent objects need not look further back).
    """

    kind: str
    key: str
    since: datetime
    parent: Ref | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """The person (or machine) behind a change, as far as known. `account` is the vendor's own id of them."""

    name: str | None = None
    email: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What a vendor showed of one object at one moment.

    state: "present"; "absent" (the vendor does not show it: deleted *or* not allowed, never to be read as deleted);
    "deleted" (the vendor says in so many words that it is gone).
    fields: theirs, one value for each field that the adapter declares readable for this kind.
    version: the vendor's own version of the object (etag, `updated`), used for conditional writes and to tell repeats.
    mark: the key of our mark, if the object carries one.
    type: "incident", "maintenance", "command" or "other"; only "incident" is ever adopted, and a comment that is a
    "command" (addressed to us) is not copied.
    created_at: vendor's clock, UTC; compared only with the connection's activation, for adoption.
    consequences: fields whose present value the vendor set by itself, as a consequence of something else (a resolved
    incident has no assignees). Such a value is no edit.
    children: comments and updates that came along; `children_complete` says that there are no others, so that a known
    child that is missing has been deleted.
    merged_into: the object into which the vendor merged this one.
    terminal: the vendor accepts no further change to this object.
    restricted: visible to a part of the audience only (a comment for one role): never copied elsewhere.
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
    """One entry of a vendor's own change history: `field` went from `before` to `after` (theirs). `id` is the vendor's."""

    id: str
    field: str
    before: Json
    after: Json
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asked for in chat: verb `ack|resolve|status|sev|note|who|help|confirm|unconfirm`, and the words after it."""

    verb: str
    argument: str = ""
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """One thing that a webhook says has happened. It names an object to look at; it is never itself the truth.

    event: the vendor's own word. ref: the object to look at (for a comment: `kind="comment"`, `parent` = its incident);
    None with `ignored` set = an event that concerns nobody, with the reason in words;
    None with `resync=True` = "you have missed something": poll the whole connection.
    deleted: the vendor says that the object is gone.
    subscription: the vendor says that its webhook subscription needs care ("renew" or "recreate").
    alone: it is about the object's own fields; nothing was said under it.
    born: it says only that the object was made, and this vendor's answer to a create shows the whole object: who has that
    answer, or has read the object since, learns nothing from it.
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
    """An incoming HTTP request, framework-free. Header names are lower-case; `body` is raw; `received_at` is hub time, UTC."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered inside the response of a webhook (a handshake, the answer to a chat command)."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    store: bool = True
    """False: nothing happened that must be kept (a handshake)."""


@dataclass(frozen=True, slots=True)
class Desired:
    """An object to be created. fields: theirs, forwarded from ours. parent: the object it belongs to.

    context: facts for texts and cards that are nobody's field: `number` ("INC-12"), `url` of the incident in the hub,
    `links` (list of {"title", "url", "system"}: the same incident elsewhere), `author` (display name of a comment's author).
    """

    kind: str
    fields: Fields
    parent: Ref | None = None
    actor: Actor | None = None
    context: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """A change to an existing object. changes: field → theirs, what must differ from now on; desired: all fields, theirs.

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
    """One line of a poll: this object may have changed. observation: given when the listing shows every readable field
    of the object itself (children excepted), so that an unchanged one costs no read."""

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
    """One line of `doctor`: level "ok", "warn" or "error"; what was seen; what to do about it."""

    level: str
    what: str
    remedy: str = ""
