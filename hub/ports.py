"""The ports: what the hub needs from outside itself, and what it asks of an adapter.

`Clock`, `Ids` and `Wake` are injected everywhere, so that the simulation owns time, chance and lost messages. An adapter
implements `Adapter`, and as many of the small optional protocols as its vendor allows. Protocol version: `PROTOCOL`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol, TypeGuard, runtime_checkable

from hub.domain.capability import Capabilities
from hub.domain.values import (
    Actor,
    Change,
    Changes,
    Command,
    Desired,
    Fields,
    Finding,
    Hint,
    Json,
    Mark,
    Observation,
    Ref,
    Reply,
    Request,
    Update,
    Written,
)
from hub.domain.vocabulary import Relation

PROTOCOL = 1


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> datetime:
        """UTC, timezone-aware."""
        ...

    def monotonic(self) -> float:
        """Seconds; only differences mean something."""
        ...


class Ids(Protocol):
    """The one source of ids and chance."""

    def new(self) -> str:
        """A fresh id: 26 lower-case letters and digits, sorting roughly by time."""
        ...

    def token(self, size: int = 32) -> str:
        """An unguessable URL-safe secret of `size` random bytes."""
        ...

    def chance(self) -> float:
        """Evenly spread in [0, 1)."""
        ...


class Wake(Protocol):
    """The one wake-up port. A wake-up may be lost: the sweep finds the row again. It never raises."""

    def wake(self, task: str, name: str) -> None:
        """task: "inbox" (a connection), "look" (a link), "deliver" (a link), "plan" (an incident), "poll" (a connection)."""
        ...


class Notebook(Protocol):
    """A small durable memory that a connection's adapter may keep between calls (a learned workflow, a delta link)."""

    def read(self, name: str) -> Json | None: ...

    def write(self, name: str, value: Json) -> None: ...


class Secrets(Protocol):
    """A connection's secrets. From the environment or files by configuration, or from the vault for those that arrive at
    run time. `get` raises `hub.domain.errors.Unauthorised` that names the missing secret, never its value."""

    def get(self, name: str) -> str: ...

    def all(self, name: str) -> Sequence[str]:
        """Every value that is valid now, newest first (a signing secret while it is rotated); empty when there is none."""
        ...

    def put(self, name: str, value: str) -> None:
        """Into the vault, encrypted. Kept beside older ones for `all`."""
        ...

    def refresh(self) -> None:
        """Forgets what was read before: another process may have put a newer value."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """Why a configured connection has no adapter in this process, in words for people. remedy: what to do about it.

    Its webhooks are answered 503, its rows wait as they are, and nothing is read, planned or written there until the process
    is started again with what is missing.
    """

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


class Adapter(Protocol):
    """One connection to one vendor. Made by `adapters.registry`; may be used from several threads.

    Every method that calls the vendor raises only `hub.domain.errors.VendorError`s. No method retries, sleeps or limits
    its own rate: that is the hub's, in one place. All words in fields are theirs.
    """

    capabilities: Capabilities

    relations: Mapping[str, Mapping[str, Relation]]
    """kind → field → the relation between our word and theirs."""

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        """Returns the delivery id (same on the vendor's retries; a hash of the body where the vendor has none).

        Raises InvalidSignature. Compares in constant time, on the raw body.
        """
        ...

    def hints(self, request: Request) -> Sequence[Hint]:
        """What an authentic request says has happened. Pure. Raises Unusable."""
        ...

    def observe(self, ref: Ref) -> Observation:
        """Reads one object, with its comments and updates where they can be read together. Not found → state "absent"."""
        ...

    def find(self, mark: Mark) -> Sequence[Observation]:
        """Every object that carries the mark, oldest first."""
        ...

    def create(self, desired: Desired, mark: Mark) -> Written:
        """Creates one object with the mark inside the same request."""
        ...

    def update(self, ref: Ref, update: Update) -> Written:
        """Writes `update.changes`, and nothing else, in one vendor write."""
        ...

    def changed_since(self, cursor: Json | None) -> Changes:
        """The polling net: what may have changed since `cursor` (None = first time: only what is open now)."""
        ...


@runtime_checkable
class PartialReads(Protocol):
    """An object can be read without its comments and updates, by fewer calls than with them."""

    def read_fields(self, ref: Ref) -> Observation:
        """One incident as `observe` reads it, without children (`children_complete` False), in one call where that can be."""
        ...


@runtime_checkable
class KnowsIds(Protocol):
    """Its ids have a form, so that a slip of the pen is told at once, and no call is made for it."""

    def no_id(self, id: str) -> str | None:
        """Why no incident there can have this id, in words for a person; None if one may. Pure."""
        ...


@runtime_checkable
class Historian(Protocol):
    """The vendor has a change history: see `Gap.HISTORY`."""

    def history(self, ref: Ref, since: Json | None) -> tuple[Sequence[Change], Json]:
        """(changes after `since`, oldest first; the position after them). since None: no changes, only the position."""
        ...


@runtime_checkable
class Walks(Protocol):
    """A field may need several legal steps (a Jira workflow)."""

    def walk(self, ref: Ref, field: str, now: Json, target: Json) -> Sequence[Json]:
        """The words on the way from `now` to `target`, target last; [] when there is no way known (then `Refused`-like
        words are on the link). May read from the vendor; the steps are stored by the hub before the first is taken."""
        ...


@runtime_checkable
class LinksBack(Protocol):
    """An object can point to the same incident elsewhere, beside its fields."""

    def link_back(self, ref: Ref, context: Fields) -> None:
        """Shows `context["url"]` and `context["links"]` (see `Desired`) on the object. Idempotent: may be called again, and is
        called again when they change. It is a write of its own, never part of the create."""
        ...


@runtime_checkable
class Replies(Protocol):
    """The vendor wants an answer inside the response."""

    def handshake(self, request: Request) -> Reply | None:
        """Before authentication: a validation request, answered without storing anything. None = not a handshake."""
        ...

    def reply(self, request: Request, ask: Ask) -> Reply | None:
        """After the request is stored: the answer, from our own rows only. None = a plain 202."""
        ...


class Ask(Protocol):
    """What an adapter may ask the hub while it answers in a response: our own rows, never a vendor."""

    def incident(self, ref: Ref | None, hint: str) -> Mapping[str, Any] | None:
        """The incident that the object `ref` shows, or the one numbered in `hint`: {"number", "title", "status",
        "severity", "roles", "assignees", "url", "links": [...]}, or None."""
        ...

    def may(self, actor: Actor | None, command: Command) -> str | None:
        """None if this person may do this, else the reason in words."""
        ...


@runtime_checkable
class ReadsReactions(Protocol):
    """People may answer an object with a reaction that means a command (a table in the connection's settings)."""

    def reactions(self, observation: Observation) -> Sequence[tuple[str, Command]]:
        """What the reactions seen on an observed incident ask for: (stable id, command). The hub applies an id once."""
        ...


@runtime_checkable
class Subscribes(Protocol):
    """The vendor's webhook subscription can be made and kept by us."""

    def subscribe(self, url: str, secrets: Secrets) -> Json:
        """Creates it, or adopts or re-enables ours if it exists; stores a secret shown once by `secrets.put`.
        Returns {"id": str, "expires_at": ISO 8601 UTC or None, ...}: kept by the hub and given back to `renew`."""
        ...

    def renew(self, subscription: Json, secrets: Secrets) -> Json:
        """Extends, re-enables or recreates it; the same form as `subscribe` returns. Idempotent."""
        ...


@runtime_checkable
class Probes(Protocol):
    """Is the vendor well, and are we set up right? For `doctor` and for the breaker's half-open state."""

    def probe(self) -> None:
        """The cheapest authenticated read. Raises a VendorError."""
        ...

    def examine(self) -> Sequence[Finding]:
        """Credentials, permissions, webhook registered, clock skew, another integration on the same pair, ..."""
        ...


# --- which of the optional ones an adapter has ----------------------------------------------------------------------
# `isinstance` says the same; of a protocol it costs as much as a question to the database, and these are asked all the time.


@cache
def _has(adapter: Any, protocol: Any) -> bool:
    return issubclass(adapter, protocol)


def _offers(adapter: Any, protocol: Any) -> bool:
    return _has(adapter.__class__, protocol)


def replies(adapter: object) -> TypeGuard[Replies]:
    """Whether the vendor wants an answer inside the response."""
    return _offers(adapter, Replies)


def reads_reactions(adapter: object) -> TypeGuard[ReadsReactions]:
    """Whether reactions may be commands there."""
    return _offers(adapter, ReadsReactions)


def links_back(adapter: object) -> TypeGuard[LinksBack]:
    """Whether its objects can point to the same incident elsewhere."""
    return _offers(adapter, LinksBack)
