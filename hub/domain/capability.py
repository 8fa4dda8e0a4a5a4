"""A vendor's capabilities, as frozen data. The hub never makes a call that is not declared here, and the contract suite
checks every declaration against the vendor's stand-in. The matrix in `adapters/README.md` is generated from these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CreateSafety(StrEnum):
    """What prevents a create from being carried out twice."""

    IDEMPOTENT = "idempotent"  # the vendor refuses, or folds, a second create with our key
    FINDABLE = "findable"  # our mark is part of the create, and `find(mark)` shows it
    NEITHER = "neither"  # nothing does: of unknown outcome, public content is not sent again, other content is


class Gap(StrEnum):
    """What happens to another author's edit between our last read and our write of the same field."""

    CONDITIONAL = "conditional"  # the vendor refuses our write: it raises `Refused(field="version")`; we read again
    HISTORY = "history"  # the vendor's change history shows it afterwards (`Historian`)
    BLIND = "blind"  # it is overwritten unnoticed: a declared weakness


@dataclass(frozen=True, slots=True)
class FieldCapability:
    """One field of one kind.

    write: "always", "create" (only at creation) or "never". read: part of an observation.
    many: "" (a scalar), "set" (list of words) or "map" (object word → word); merged per element.
    max_length: characters. moves: for a status word, the (from, to) pairs, theirs, that one update can make; None =
    any. walks: a change may need several steps (the adapter is a `Walks`), and a create cannot set it: the object
    starts where the vendor's workflow begins, whatever `Desired.fields` says. consequence: the vendor may change it by
    itself.
    """

    read: bool = True
    write: str = "always"
    gap: Gap = Gap.BLIND
    many: str = ""
    max_length: int | None = None
    moves: frozenset[tuple[str, str]] | None = None
    walks: bool = False
    consequence: bool = False


@dataclass(frozen=True, slots=True)
class KindCapability:
    """One kind of object. create: None = the hub cannot create it at the vendor. edits, deletes: of existing objects
    (a kind that cannot be edited gets a correction posted instead). reads: can be observed at all.
    adoptable: an object that a person made may become, or join, an incident."""

    fields: Mapping[str, FieldCapability]
    create: CreateSafety | None = None
    reads: bool = True
    edits: bool = True
    deletes: bool = False
    adoptable: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` calls in any `per` seconds."""

    count: int
    per: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A vendor, as one connection's adapter offers it (routes and settings may narrow it).

    public: customers see what is written there.
    read_lag: seconds until a read of one object is sure to show our own write. find_lag: the same for `find` and
    `changed_since`, where an index lags behind.
    request_limit: seconds after sending during which the vendor may still carry out a request whose answer never came.
    answer_within: seconds the vendor waits for the answer to its webhook. webhooks: "signed", "secret-path" or "none".
    ordering: "object" (webhooks of one object keep their order) or "none".
    rates: what the vendor allows, in requests. read_calls: requests that one `observe` takes.
    concurrency: calls at once, per connection. poll: (seconds while incidents are open, seconds while quiet).
    degraded: what this connection cannot do, as text for people; empty = nothing.
    """

    vendor: str
    title: str
    kinds: Mapping[str, KindCapability]
    public: bool = False
    read_lag: float = 0.0
    find_lag: float = 0.0
    request_limit: float = 30.0
    answer_within: float = 5.0
    webhooks: str = "signed"
    ordering: str = "none"
    rates: tuple[Rate, ...] = ()
    read_calls: int = 1
    concurrency: int = 4
    poll: tuple[float, float] = (30.0, 300.0)
    degraded: tuple[str, ...] = field(default=())
