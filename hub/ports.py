"""The ports: what the hub needs from its environment, and what it requires of an adapter.

`Clock`, `Ids` and `Wake` are injected everywhere, so that the simulation controls time, randomness and lost messages.
An adapter implements `Adapter`, and those of the small optional protocols that its vendor supports. Protocol version:
`PROTOCOL`.
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
        """Seconds; only differences are meaningful."""
        ...


class Ids(Protocol):
    """The one source of ids and random numbers."""

    def new(self) -> str:
        """A fresh id: 26 lower-case letters and digits, sorting roughly by time."""
        ...

    def token(self, size: int = 32) -> str:
        """An unguessable URL-safe secret of `size` random bytes."""
        ...

    def chance(self) -> float:
        """A random number, uniform in [0, 1)."""
        ...


class Wake(Protocol):
    """The one wake-up port. A wake-up may be lost: the sweep finds the due row. Never raises."""

    def wake(self, task: str, key: str) -> None:
        """task: one of `hub.sync.tasks.TASKS`. key: of the row that it works on (connection, link, incident)."""
        ...


class Notebook(Protocol):
    """Durable key-value storage of a connection's adapter between calls (a learned workflow, a delta link)."""

    def read(self, name: str) -> Json | None: ...

    def write(self, name: str, value: Json) -> None: ...


class Secrets(Protocol):
    """A connection's secrets: configured ones from the environment or files, those received at run time from the vault.
    `get` raises `hub.domain.errors.Unauthorised`, which names the missing secret, never its value."""

    def get(self, name: str) -> str: ...

    def all(self, name: str) -> Sequence[str]:
        """All currently valid values, newest first (several while a signing secret is rotated); may be empty."""
        ...

    def put(self, name: str, value: str) -> None:
        """Stores the value in the vault, encrypted. Older values are kept for `all`."""
        ...

    def refresh(self) -> None:
        """Drops cached values: another process may have stored a newer one."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """Why a configured connection has no adapter in this process. what: shown to people; remedy: what to do about it.

    Its webhooks are answered 503 and its rows stay unchanged; nothing is read, planned or written there until the
    process is restarted with what is missing.
    """

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


class Adapter(Protocol):
    """One connection to one vendor. Made by `adapters.registry`; may be used from several threads.

    Every method that calls the vendor raises only `hub.domain.errors.VendorError`s. No method retries, sleeps or limits
    its own rate: the hub does, in one place. All values in fields are in the vendor's vocabulary.
    """

    capabilities: Capabilities

    relations: Mapping[str, Mapping[str, Relation]]
    """kind → field → the relation between our value and the vendor's."""

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        """Returns the delivery id (the same on a vendor's retry; a hash of the body if the vendor sends none).

        Raises InvalidSignature. Compares in constant time, on the raw body.
        """
        ...

    def hints(self, request: Request) -> Sequence[Hint]:
        """The hints that an authentic request contains. Pure. Raises Unusable."""
        ...

    def observe(self, ref: Ref) -> Observation:
        """Reads one object, with comments and updates if one read can return them. Not found → state "absent"."""
        ...

    def find(self, mark: Mark) -> Sequence[Observation]:
        """Every object that carries the mark, oldest first."""
        ...

    def create(self, desired: Desired, mark: Mark) -> Written:
        """Creates one object with the mark inside the same request."""
        ...

    def update(self, ref: Ref, update: Update) -> Written:
        """Writes exactly `update.changes`, in one vendor write."""
        ...

    def changed_since(self, cursor: Json | None) -> Changes:
        """What may have changed since `cursor` (None = first poll: only objects that are open now)."""
        ...


@runtime_checkable
class PartialReads(Protocol):
    """An object can be read without its comments and updates, in fewer calls."""

    def read_fields(self, ref: Ref) -> Observation:
        """One incident as `observe` reads it, without children (`children_complete` False), in one call if possible."""
        ...


@runtime_checkable
class KnowsIds(Protocol):
    """The vendor's ids have a known format, so that a mistyped id is rejected without a call."""

    def no_id(self, id: str) -> str | None:
        """Why no incident of this vendor can have this id, as text for a person; None if one can. Pure."""
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
        """The steps from `now` to `target`, target last, as vendor values; [] when no path is known (the hub then
        treats the write as refused). May read from the vendor; the hub stores the steps before it takes the first."""
        ...


@runtime_checkable
class LinksBack(Protocol):
    """An object can carry links to the same incident in other systems, outside its fields."""

    def link_back(self, ref: Ref, context: Fields) -> None:
        """Shows `context["url"]` and `context["links"]` (see `Desired`) on the object. Idempotent; called
        again when they change. A separate write, never part of the create."""
        ...


@runtime_checkable
class Replies(Protocol):
    """The vendor expects an answer in the webhook's response."""

    def handshake(self, request: Request) -> Reply | None:
        """Called before authentication: answers a validation request; nothing is stored. None = not a handshake."""
        ...

    def reply(self, request: Request, ask: Ask) -> Reply | None:
        """Called after the request is stored: the answer, from the hub's own rows only. None = a plain 202."""
        ...


class Ask(Protocol):
    """What an adapter may read from the hub while it answers a webhook: the hub's own rows, never a vendor."""

    def incident(self, ref: Ref | None, hint: str) -> Mapping[str, Any] | None:
        """The incident that the object `ref` shows, or the one numbered in `hint`: {"number", "title", "status",
        "severity", "roles", "assignees", "url", "links": [...]}, or None."""
        ...

    def may(self, actor: Actor | None, command: Command) -> str | None:
        """None if this person may run the command, else the reason as text."""
        ...


@runtime_checkable
class ReadsReactions(Protocol):
    """A reaction to an object can be a command (mapped by a table in the connection's settings)."""

    def reactions(self, observation: Observation) -> Sequence[tuple[str, Command]]:
        """(stable id, command) of each reaction on an observed incident. The hub applies each id once."""
        ...


@runtime_checkable
class Subscribes(Protocol):
    """The hub can create and renew the vendor's webhook subscription."""

    def subscribe(self, url: str, secrets: Secrets) -> Json:
        """Creates it, or adopts or re-enables ours if it exists; stores a secret that is shown only once by
        `secrets.put`. Returns {"id": str, "expires_at": ISO 8601 UTC or None, ...}, which the hub passes to `renew`."""
        ...

    def renew(self, subscription: Json, secrets: Secrets) -> Json:
        """Extends, re-enables or recreates it; the same form as `subscribe` returns. Idempotent."""
        ...


@runtime_checkable
class Probes(Protocol):
    """Checks of the vendor's health and of the connection's setup: for `doctor` and the breaker's half-open state."""

    def probe(self) -> None:
        """The cheapest authenticated read. Raises a VendorError."""
        ...

    def examine(self) -> Sequence[Finding]:
        """Credentials, permissions, webhook registered, clock skew, another integration on the same pair, ..."""
        ...


# --- which optional protocols an adapter has ------------------------------------------------------------------------
# `isinstance` returns the same, but on a protocol it costs as much as a database query, and these run constantly.


@cache
def _has(adapter: Any, protocol: Any) -> bool:
    return issubclass(adapter, protocol)


def _offers(adapter: Any, protocol: Any) -> bool:
    return _has(adapter.__class__, protocol)


def replies(adapter: object) -> TypeGuard[Replies]:
    """Whether the vendor expects an answer in the webhook's response."""
    return _offers(adapter, Replies)


def reads_reactions(adapter: object) -> TypeGuard[ReadsReactions]:
    """Whether reactions can be commands."""
    return _offers(adapter, ReadsReactions)


def links_back(adapter: object) -> TypeGuard[LinksBack]:
    """Whether its objects can carry links to the same incident in other systems."""
    return _offers(adapter, LinksBack)
