"""The plan, for any incident and any link: its writes make everything fit and a second plan is empty; it never touches what it
must not; and it gives the reason where it can do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.capability import FieldCapability, KindCapability
from hub.domain.merge import MISSING
from hub.domain.plan import Planned, Shown, creation, plan, request
from hub.domain.values import Json
from hub.domain.vocabulary import ManyRelation, Same, Table, UnknownWord
from tests.unit.domain import pictures
from tests.unit.domain.pictures import RELATIONS, SPECS

MOVES = frozenset({("open", "busy"), ("open", "done"), ("busy", "done"), ("busy", "open")})
"""Status changes of the workflow; none leads out of "done"."""


@st.composite
def kinds(draw: st.DrawFn, vendor: str) -> KindCapability:
    """Any declaration over a vendor's fields."""
    fields = {}
    for name in RELATIONS[vendor]:
        moves = MOVES if vendor == "pagerduty" and name == "status" and draw(st.booleans()) else None
        write = draw(st.sampled_from(["always", "always", "always", "create", "never"]))
        many = SPECS[name].many if isinstance(RELATIONS[vendor][name], ManyRelation) else ""
        many = "" if (vendor, name) == ("jira", "assignees") else many
        fields[name] = FieldCapability(write=write, moves=moves, many=many)
    return KindCapability(fields)


@st.composite
def links(draw: st.DrawFn, vendor: str) -> Shown:
    """A link's known state, any of them."""
    names = st.sampled_from(sorted(RELATIONS[vendor]))
    few = st.sets(names, max_size=2)
    shadow = draw(pictures.theirs(vendor))
    return Shown(
        shadow,
        held={name: {"rule": "review"} for name in draw(few)},
        frozen=dict.fromkeys(draw(few), "unheard-of"),
        refused={n: draw(pictures.theirs(vendor)).get(n) for n in draw(few)},
        consequences=frozenset(draw(few)),
        only=draw(st.none() | few.map(frozenset)),
        approved=draw(st.none() | few.map(frozenset)),
    )


cases = st.sampled_from(sorted(RELATIONS)).flatmap(lambda v: st.tuples(st.just(v), kinds(v), links(v)))


def written(shown: Shown, planned: Planned) -> Shown:
    """The link after everything is written and approved."""
    return replace(shown, shadow={**shown.shadow, **planned.changes, **planned.waiting})


@given(pictures.fields(), cases)
def test_what_is_written_fits_and_the_next_plan_is_empty(
    fields: dict[str, Json], case: tuple[str, KindCapability, Shown]
) -> None:
    vendor, kind, shown = case
    planned = plan(fields, shown, kind, RELATIONS[vendor])
    for name, target in {**planned.changes, **planned.waiting}.items():
        assert RELATIONS[vendor][name].fits(fields[name], target)
        assert target != shown.shadow.get(name, MISSING), "a write that changes nothing"
    after = plan(fields, written(shown, planned), kind, RELATIONS[vendor])
    assert (after.changes, after.waiting) == ({}, {})
    assert plan(fields, shown, kind, RELATIONS[vendor]) == planned, "it is a function"


@given(pictures.fields(), cases)
def test_what_is_held_frozen_a_consequence_or_refused_is_never_written(
    fields: dict[str, Json], case: tuple[str, KindCapability, Shown]
) -> None:
    vendor, kind, shown = case
    planned = plan(fields, shown, kind, RELATIONS[vendor])
    touched = planned.changes.keys() | planned.waiting.keys()
    assert not touched & (shown.held.keys() | shown.frozen.keys() | shown.consequences)
    assert all(kind.fields[name].write == "always" for name in touched)
    assert shown.only is None or touched <= shown.only
    assert shown.approved is None or (
        planned.changes.keys() <= shown.approved and not planned.waiting.keys() & shown.approved
    )
    assert not planned.changes.keys() & planned.waiting.keys()
    for name, target in {**planned.changes, **planned.waiting}.items():
        assert name not in shown.refused or shown.refused[name] != target
        moves = kind.fields[name].moves
        assert moves is None or (shown.shadow.get(name), target) in moves


@given(pictures.fields(), cases)
def test_what_does_not_fit_and_is_not_written_says_why(
    fields: dict[str, Json], case: tuple[str, KindCapability, Shown]
) -> None:
    vendor, kind, shown = case
    planned = plan(fields, shown, kind, RELATIONS[vendor])
    for name, declared in kind.fields.items():
        silent = name in shown.held or name in shown.consequences or declared.write != "always"
        if silent or (shown.only is not None and name not in shown.only):
            continue
        assert (
            name in planned.changes
            or name in planned.waiting
            or planned.notes.get(name)
            or _fits(vendor, name, fields[name], shown.shadow.get(name))
        )


def _fits(vendor: str, name: str, ours: Json, theirs: Json) -> bool:
    try:
        return RELATIONS[vendor][name].fits(ours, theirs)
    except UnknownWord:
        return False


@given(pictures.fields(), cases)
def test_a_new_object_is_born_as_what_we_hold(fields: dict[str, Json], case: tuple[str, KindCapability, Shown]) -> None:
    vendor, kind, _ = case
    made, notes = creation(fields, kind, RELATIONS[vendor])
    assert made.keys() | notes.keys() == {n for n, c in kind.fields.items() if c.write != "never"}
    for name, theirs in made.items():
        assert RELATIONS[vendor][name].fits(fields[name], theirs)
    moving = {n for n, c in kind.fields.items() if c.moves is not None}
    after = plan(fields, Shown(made), kind, {n: r for n, r in RELATIONS[vendor].items() if n not in moving})
    assert after.changes == {}, "and needs no correction"


def apply(now: Mapping[str, Json], changes: Mapping[str, Json], kind: KindCapability) -> dict[str, Json]:
    """The fields after a vendor carried out a request."""
    out = dict(now)
    for name, change in changes.items():
        many = kind.fields[name].many
        if many == "set":
            kept = [t for t in now.get(name) or [] if t not in change["remove"]]
            out[name] = kept + [t for t in change["add"] if t not in kept]
        elif many == "map":
            out[name] = {**(now.get(name) or {}), **change}
        else:
            out[name] = change
    return out


@given(pictures.fields(), cases)
def test_a_request_says_just_the_difference(fields: dict[str, Json], case: tuple[str, KindCapability, Shown]) -> None:
    """A set as elements to add and remove: carried out, it gives what was planned. An entry that leaves a map is not in the
    request: the adapter handles that, from the whole map in `desired`."""
    vendor, kind, shown = case
    planned = plan(fields, shown, kind, RELATIONS[vendor])
    done = apply(shown.shadow, request(planned.changes, shown.shadow, kind), kind)
    for name, target in planned.changes.items():
        if kind.fields[name].many == "map":
            assert {k: v for k, v in done[name].items() if k in target} == target
        elif kind.fields[name].many == "set":
            assert sorted(done[name]) == sorted(target)
        else:
            assert done[name] == target


# ---------------------------------------------------------------- readable examples

STATUS = {
    "status": Table.of([["triggered", "open"], ["monitoring", "busy"], ["resolved", "done"], ["resolved", "closed"]])
}


def _kind(**more: object) -> KindCapability:
    return KindCapability({"status": FieldCapability(**more)})  # type: ignore[arg-type]


def test_what_fits_costs_nothing() -> None:
    assert plan({"status": "resolved"}, Shown({"status": "closed"}), _kind(), STATUS) == Planned({}, {}, {})


def test_the_nearest_legal_word_is_written() -> None:
    kind = _kind(moves=frozenset({("busy", "closed")}))
    assert plan({"status": "resolved"}, Shown({"status": "busy"}), kind, STATUS).changes == {"status": "closed"}


def test_a_move_that_the_vendor_cannot_make_is_said_in_words() -> None:
    planned = plan(
        {"status": "triggered"}, Shown({"status": "done"}), _kind(moves=frozenset({("open", "done")})), STATUS
    )
    assert planned.changes == {}
    assert planned.notes == {"status": "the vendor allows no move from 'done' to a word for 'triggered'"}


def test_a_field_of_a_public_object_waits_for_its_approval() -> None:
    relations = {"public_text": Same()}
    kind = KindCapability({"public_text": FieldCapability()})
    planned = plan({"public_text": "New"}, Shown({"public_text": "Old"}, approved=frozenset()), kind, relations)
    assert (planned.changes, planned.waiting) == ({}, {"public_text": "New"})


def test_a_refused_value_is_not_tried_again_but_another_one_is() -> None:
    shown = Shown({"status": "open"}, refused={"status": "done"})
    assert plan({"status": "resolved"}, shown, _kind(), STATUS).notes["status"].startswith("refused")
    assert plan({"status": "monitoring"}, shown, _kind(), STATUS).changes == {"status": "busy"}


@pytest.mark.parametrize("write", ["create", "never"])
def test_what_only_a_create_can_set_is_never_updated(write: str) -> None:
    assert plan({"status": "resolved"}, Shown({"status": "open"}), _kind(write=write), STATUS) == Planned({}, {}, {})
