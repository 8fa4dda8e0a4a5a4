"""The plan: what must be written at a vendor so that it shows our values. Pure.

Never written: a field that the vendor does not accept, is held for a person, frozen on an unknown word, set by the
vendor as a consequence, or was refused with this same value. A note states, for people, why a field cannot be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.domain.capability import FieldCapability, KindCapability
from hub.domain.values import Fields, Json
from hub.domain.vocabulary import Elements, OneOf, Relation, Table, Text, UnknownWord


@dataclass(frozen=True)
class Shown:
    """The state of one link. refused: field → the value that the vendor refused; only: the fields that this link
    follows (None = all)."""

    shadow: Fields
    held: Fields = field(default_factory=dict)
    frozen: Fields = field(default_factory=dict)
    refused: Fields = field(default_factory=dict)
    consequences: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    approved: frozenset[str] | None = None
    """For a public object: the fields that may flow without a further approval (None = all)."""


@dataclass(frozen=True)
class Planned:
    """changes: field → the whole value to write, in the vendor's words; waiting: the same, for fields that need an
    approval; notes: field → why it is not shown, or not in full."""

    changes: dict[str, Json]
    waiting: dict[str, Json]
    notes: dict[str, str]


def plan(fields: Fields, shown: Shown, kind: KindCapability, relations: Mapping[str, Relation]) -> Planned:
    """Plans the writes to an existing object."""
    changes: dict[str, Json] = {}
    waiting: dict[str, Json] = {}
    notes: dict[str, str] = {}
    for name, capability in kind.fields.items():
        relation = relations.get(name)
        if relation is None or capability.write != "always" or name not in fields:
            continue
        if shown.only is not None and name not in shown.only:
            continue
        if name in shown.frozen:
            notes[name] = f"frozen: the vocabulary has no pair for the vendor's word {shown.frozen[name]!r}; add one"
            continue
        if name in shown.held or name in shown.consequences or fields[name] is None:
            continue
        now = shown.shadow.get(name)
        if isinstance(relation, (Elements, OneOf)) and (unknown := relation.unmapped(fields[name])):
            notes[name] = f"not shown, as the vocabulary has no pair: {', '.join(unknown)}; add pairs for those to show"
        if isinstance(relation, Text) and relation.cuts(fields[name]):
            notes[name] = f"cut to {relation.limit} characters at the vendor"
        try:
            if relation.fits(fields[name], now):
                continue
            target = _target(fields[name], now, relation, capability)
        except UnknownWord as e:
            notes[name] = f"the vocabulary has no pair for our word {e.word!r}; add one"
            continue
        if target is None and capability.moves is not None:
            notes[name] = f"the vendor allows no move from {now!r} to a word for {fields[name]!r}"
        elif name in shown.refused and shown.refused[name] == target:
            notes[name] = "refused by the vendor; correct the cause, then run `lockstep failed-writes retry ID`"
        elif shown.approved is not None and name not in shown.approved:
            waiting[name] = target
        else:
            changes[name] = target
    return Planned(changes, waiting, notes)


def _target(ours: Json, now: Json, relation: Relation, capability: FieldCapability) -> Json:
    """The value to write; None when one move that the vendor allows leads to no fitting word."""
    target = relation.forward(ours, now)
    if capability.moves is None or (now, target) in capability.moves:
        return target
    if isinstance(relation, Table):
        for o, t in relation.pairs:
            if o == ours and (now, t) in capability.moves:
                return t
    return None


def creation(
    fields: Fields, kind: KindCapability, relations: Mapping[str, Relation]
) -> tuple[dict[str, Json], dict[str, str]]:
    """(the fields of a new object, in the vendor's words; field → why it cannot be shown)."""
    out: dict[str, Json] = {}
    notes: dict[str, str] = {}
    for name, capability in kind.fields.items():
        relation = relations.get(name)
        if relation is None or capability.write == "never" or capability.walks or fields.get(name) is None:
            continue
        try:
            out[name] = relation.forward(fields[name], None)
        except UnknownWord as e:
            notes[name] = f"the vocabulary has no pair for our word {e.word!r}; add one"
    return out, notes


def request(changes: Fields, shadow: Fields, kind: KindCapability) -> dict[str, Json]:
    """The changes in the form that an adapter takes: a set as elements to add and remove, a map as its changed
    entries."""
    out: dict[str, Json] = {}
    for name, target in changes.items():
        many = kind.fields[name].many if name in kind.fields else ""
        now = shadow.get(name)
        if many == "set" and isinstance(target, list):
            out[name] = {
                "add": [t for t in target if t not in (now or [])],
                "remove": [t for t in now or [] if t not in target],
            }
        elif many == "map" and isinstance(target, Mapping):
            out[name] = {k: v for k, v in target.items() if (now or {}).get(k) != v}
        else:
            out[name] = target
    return out
