"""The merge, for any canonical incident and any set of observations: independent of their order, without changes the second time,
nothing lost without a record, and every value from a source that may set it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.authority import DEFAULT, Verdict
from hub.domain.incident import Provenance
from hub.domain.merge import MISSING, Merged, Seen, edit, merge, value_at
from hub.domain.values import Json
from hub.domain.vocabulary import ManyRelation, UnknownWord
from tests.unit.domain import pictures
from tests.unit.domain.pictures import RELATIONS, SPECS, START

ORDERS = {name: place for place, name in enumerate(["jira", "pagerduty", "elsewhere", "statuspage"])}


def merged(fields: Mapping[str, Json], provenance: Mapping[str, Provenance], seen: list[Seen]) -> Merged:
    return merge(fields, provenance, seen, DEFAULT, SPECS, ORDERS)


def again(seen: list[Seen], after: Merged) -> list[Seen]:
    """The same observations, on links whose shadows already have them."""
    links = after.links
    return [replace(s, shadow=links[s.link].shadow, held=links[s.link].held, frozen=links[s.link].frozen) for s in seen]


def news(fields: Mapping[str, Json], seen: list[Seen]) -> Iterator[tuple[Seen, str, Json]]:
    """(link, field path, value in the hub's words) of every change at a link that differs from what the hub holds; derived from
    the table in the module's docstring, independently of its code. A field with an unknown word yields the word itself."""
    for s in seen:
        for name in s.remote.keys() & s.relations.keys() - s.consequences:
            before, now, relation = s.shadow.get(name, MISSING), s.remote[name], s.relations[name]
            if (before == now and name not in s.frozen) or now in s.own.get(name, ()):
                continue
            ours = fields.get(name)
            try:
                if not SPECS[name].many or not isinstance(relation, ManyRelation):
                    if not relation.fits(ours, now):
                        yield s, name, relation.backward(ours, now)
                    continue
                was = {} if before == MISSING else relation.field_paths(before)
                field_paths = relation.field_paths(now)
                for key in was.keys() | field_paths.keys():
                    held = value_at(fields, f"{name}/{key}")
                    fits = relation.fits(ours, now) and key in field_paths
                    if was.get(key) != field_paths.get(key) and held != field_paths.get(key) and not fits:
                        yield s, f"{name}/{key}", field_paths.get(key)
            except UnknownWord as unknown:
                yield s, name, unknown


# ---------------------------------------------------------------- the laws


@given(pictures.fields(), pictures.provenances(), pictures.several(), st.data())
def test_the_result_does_not_depend_on_the_order_of_the_observations(
    fields: dict[str, Json], provenance: dict[str, Provenance], seen: list[Seen], data: st.DataObject
) -> None:
    one = merged(fields, provenance, seen)
    other = merged(fields, provenance, data.draw(st.permutations(seen)))
    assert one == other
    assert merged(fields, provenance, seen) == one, "nor on anything else"


@given(pictures.fields(), pictures.provenances(), pictures.several())
def test_the_same_observations_are_no_news_the_second_time(
    fields: dict[str, Json], provenance: dict[str, Provenance], seen: list[Seen]
) -> None:
    first = merged(fields, provenance, seen)
    second = merged(first.fields, first.provenance, again(seen, first))
    assert second.entries == []
    assert second.changed == set()
    assert second.fields == first.fields
    assert second.provenance == first.provenance
    assert second.links == first.links


@settings(max_examples=400)  # enough for rare rules (two of the same rank at the same time) to occur
@given(pictures.fields(), pictures.provenances(), pictures.several())
def test_nothing_that_changed_there_is_lost_without_a_word(
    fields: dict[str, Json], provenance: dict[str, Provenance], seen: list[Seen]
) -> None:
    after = merged(fields, provenance, seen)
    for s, field_path, value in news(fields, seen):
        entries = [e for e in after.entries if e.link == s.link and e.field_path == field_path]
        if isinstance(value, UnknownWord):
            assert s.frozen.get(field_path) == value.word or [e.value for e in entries] == [value.word]
            assert after.links[s.link].frozen[field_path] == value.word
            continue
        won = value_at(after.fields, field_path) == value
        said = any(e.kind in ("overruled", "review") and e.value == value and e.rule for e in entries)
        assert won or said, f"{s.link} said {field_path} is {value!r}"


@given(pictures.fields(), pictures.provenances(), pictures.several())
def test_every_new_value_comes_from_somebody_who_may_set_it(
    fields: dict[str, Json], provenance: dict[str, Provenance], seen: list[Seen]
) -> None:
    after = merged(fields, provenance, seen)
    told = {(field_path, repr(value)) for _, field_path, value in news(fields, seen)}
    for field_path in after.changed:
        name, value = field_path.partition("/")[0], value_at(after.fields, field_path)
        entry = next(e for e in after.entries if e.kind == "changed" and e.field_path == field_path)
        assert (entry.value, entry.ours) == (value, value_at(fields, field_path))
        assert (field_path, repr(value)) in told
        assert DEFAULT.judge(name, entry.source, value_at(fields, field_path), value) is Verdict.TAKE
        assert after.provenance[field_path].source == entry.source
    untouched = after.fields.keys() - {field_path.partition("/")[0] for field_path in after.changed}
    assert all(after.fields[name] == fields[name] for name in untouched), "and nothing else happened"
    assert all(
        after.provenance.get(field_path) == p for field_path, p in provenance.items() if field_path not in after.changed
    )


@given(pictures.fields(), pictures.provenances(), pictures.several())
def test_the_shadow_is_what_was_seen(
    fields: dict[str, Json], provenance: dict[str, Provenance], seen: list[Seen]
) -> None:
    after = merged(fields, provenance, seen)
    for s in seen:
        known = {n: v for n, v in s.remote.items() if n in s.relations}
        assert after.links[s.link].shadow == {**s.shadow, **known}


@given(pictures.fields(), pictures.provenances(), st.sampled_from(sorted(RELATIONS)), st.data())
def test_what_we_wrote_comes_back_as_no_news(
    fields: dict[str, Json], provenance: dict[str, Provenance], vendor: str, data: st.DataObject
) -> None:
    """No echo, whatever the state before."""
    shown = data.draw(pictures.seen(vendor, 0))
    before = {n: v for n, v in shown.shadow.items() if not isinstance(_read(vendor, n, v), UnknownWord)}
    written = {name: relation.forward(fields[name], before.get(name)) for name, relation in RELATIONS[vendor].items()}
    echo = replace(shown, shadow=before, remote=written, frozen={}, own={})
    after = merged(fields, provenance, [echo])
    scalars = [e for e in after.entries if "/" not in e.field_path]
    assert not scalars
    assert all(after.fields[n] == fields[n] for n in fields if not SPECS[n].many)
    settled = merged(fields, provenance, [replace(echo, shadow=written)])
    assert (settled.entries, settled.fields) == ([], fields)


def _read(vendor: str, name: str, value: Json) -> Any:
    try:
        relation = RELATIONS[vendor][name]
        return relation.field_paths(value) if isinstance(relation, ManyRelation) else relation.backward(None, value)
    except UnknownWord as unknown:
        return unknown


@given(pictures.fields(), pictures.fields(), pictures.provenance("hub"))
def test_an_edit_made_here_is_taken_as_it_is(
    fields: dict[str, Json], wanted: dict[str, Json], proof: Provenance
) -> None:
    after = edit(fields, {}, wanted, proof, SPECS)
    assert after.fields == {n: dict(sorted(v.items())) if isinstance(v, dict) else v for n, v in wanted.items()}
    assert {e.field_path for e in after.entries} == after.changed == set(after.provenance)
    assert edit(after.fields, after.provenance, wanted, proof, SPECS).entries == []


# ---------------------------------------------------------------- readable examples of the table


def _seen(vendor: str, shadow: dict[str, Json], remote: dict[str, Json], at: int = 5, **more: Any) -> Seen:
    return Seen(
        link=vendor, source=vendor, vendor=vendor, order=(0,), shadow=shadow, remote=remote,
        relations=RELATIONS[vendor], after=START + timedelta(minutes=at - 1), until=START + timedelta(minutes=at), **more,
    )  # fmt: skip


def _proof(source: str, at: int, rank: int = 5) -> Provenance:
    moment = START + timedelta(minutes=at)
    return Provenance(source, moment, moment, rank)


FIELDS: dict[str, Json] = {"status": "monitoring", "title": "Payments fail", "tags": ["x"], "assignees": ["ada"]}


def test_theirs_only_is_taken() -> None:
    after = merged(FIELDS, {}, [_seen("jira", {"title": "Payments fail"}, {"title": "Payments fail often"})])
    assert after.fields["title"] == "Payments fail often"
    assert [(e.kind, e.rule, e.ours) for e in after.entries] == [("changed", "only", "Payments fail")]


def test_the_later_of_two_edits_wins_and_the_earlier_is_kept_in_the_journal() -> None:
    provenance = {"title": _proof("hub", 9, rank=0)}
    after = merged(FIELDS, provenance, [_seen("jira", {"title": "Old"}, {"title": "Theirs"}, at=5)])
    assert after.fields["title"] == "Payments fail"
    assert [(e.kind, e.rule, e.value) for e in after.entries] == [("overruled", "latest", "Theirs")]
    after = merged(FIELDS, provenance, [_seen("jira", {"title": "Old"}, {"title": "Theirs"}, at=12)])
    assert after.fields["title"] == "Theirs"


def test_of_two_edits_at_the_same_time_the_smaller_rank_wins() -> None:
    provenance = {"title": _proof("hub", 3, rank=0)}
    seen = replace(_seen("jira", {"title": "Old"}, {"title": "Theirs"}), after=START)
    after = merged(FIELDS, provenance, [seen])
    assert [(e.kind, e.rule) for e in after.entries] == [("overruled", "rank")]


def test_a_time_out_of_an_acknowledgement_does_not_pull_monitoring_back() -> None:
    after = merged(FIELDS, {}, [_seen("pagerduty", {"status": "busy"}, {"status": "open"})])
    assert after.fields["status"] == "monitoring"
    assert [(e.kind, e.rule) for e in after.entries] == [("overruled", "authority")]


def test_a_resolve_on_the_public_page_waits_for_a_person() -> None:
    after = merged(FIELDS, {}, [_seen("statuspage", {"status": "MONITORING"}, {"status": "RESOLVED"})])
    assert after.fields["status"] == "monitoring"
    assert after.links["statuspage"].held["status"]["value"] == "resolved"
    assert [e.kind for e in after.entries] == ["review"]


def test_a_word_that_nobody_knows_freezes_its_field_until_it_is_mapped() -> None:
    seen = _seen("jira", {"status": "MONITORING"}, {"status": "Backlog", "title": "New"})
    after = merged(FIELDS, {}, [seen])
    assert after.links["jira"].frozen == {"status": "Backlog"}
    assert (after.fields["status"], after.fields["title"]) == ("monitoring", "New")
    thawed = replace(
        seen, shadow=after.links["jira"].shadow, frozen=after.links["jira"].frozen, remote={"status": "RESOLVED"}
    )
    assert merged(after.fields, after.provenance, [thawed]).links["jira"].frozen == {}


def test_a_consequence_of_the_vendors_own_making_is_no_edit() -> None:
    seen = _seen("pagerduty", {"assignees": ["ADA"]}, {"assignees": []}, consequences=frozenset({"assignees"}))
    after = merged(FIELDS, {}, [seen])
    assert (after.fields, after.entries) == (FIELDS, [])
    assert after.links["pagerduty"].shadow["assignees"] == []


def test_a_step_of_our_own_walk_is_no_news_but_a_persons_step_is() -> None:
    own = {"status": ["ACKNOWLEDGED", "IDENTIFIED"]}
    ours = {**FIELDS, "status": "resolved"}
    assert merged(ours, {}, [_seen("jira", {"status": "NEW"}, {"status": "IDENTIFIED"}, own=own)]).entries == []
    person = merged(ours, {}, [_seen("jira", {"status": "NEW"}, {"status": "CANCELLED"}, own=own)])
    assert person.fields["status"] == "cancelled"


def test_sets_are_merged_by_element() -> None:
    """One system adds, another removes: both count; an element that the vendor cannot express stays."""
    fields = {**FIELDS, "tags": ["x", "y"]}
    seen = [
        _seen("jira", {"tags": ["x", "y"]}, {"tags": ["x"]}),
        _seen("elsewhere", {"tags": ["x", "y"]}, {"tags": ["x", "y", "z"]}),
    ]
    after = merged(fields, {}, seen)
    assert after.fields["tags"] == ["x", "z"]
    assert after.changed == {"tags/y", "tags/z"}


@pytest.mark.parametrize(("first", "second"), [(3, 9), (9, 3)])
def test_of_two_links_with_news_the_later_one_wins(first: int, second: int) -> None:
    seen = [
        _seen("jira", {"title": "Payments fail"}, {"title": "From the first"}, at=first),
        _seen("elsewhere", {"title": "Payments fail"}, {"title": "From the second"}, at=second),
    ]
    after = merged(FIELDS, {}, seen)
    winner, loser = ("second", "first") if second > first else ("first", "second")
    assert after.fields["title"] == f"From the {winner}"
    assert [(e.value, e.rule) for e in after.entries if e.kind == "overruled"] == [(f"From the {loser}", "latest")]
