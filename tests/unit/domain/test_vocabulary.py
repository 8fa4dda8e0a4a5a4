"""Both laws of every relation, for any table: correct (what comes out fits) and hippocratic (what fits is left alone)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.values import Json
from hub.domain.vocabulary import (
    Elements,
    Entries,
    OneOf,
    Relation,
    Same,
    Table,
    Text,
    UnknownWord,
    VocabularyGap,
)

OURS, THEIRS = ["a", "b", "c", "d"], ["A", "B", ["C", "c"], "D"]

tables = st.lists(st.tuples(st.sampled_from(OURS), st.sampled_from(THEIRS)), min_size=1, max_size=8).map(Table.of)
one_to_one = st.permutations(["A", "B", "C", "D"]).flatmap(
    lambda theirs: st.integers(1, 4).map(lambda n: Table.of(list(zip(OURS, theirs, strict=True))[:n]))
)
texts = st.text(max_size=40) | st.sampled_from(["", "  ", "a\nb", "\x1c", "\u2028", "x" * 60, "…"])


def keeps_the_laws(relation: Relation, ours: Json, theirs: Json) -> None:
    there, here = relation.forward(ours, theirs), relation.backward(ours, theirs)
    assert relation.fits(ours, there)
    assert relation.fits(here, theirs)
    if relation.fits(ours, theirs):
        assert there == theirs
        assert here == ours
    assert relation.forward(ours, there) == there
    assert relation.backward(here, theirs) == here


def subset(words: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(words), max_size=5, unique_by=repr).map(lambda v: sorted(v, key=str))


# ---------------------------------------------------------------- the laws


@given(tables, st.data())
def test_a_table_of_several_to_several_keeps_the_laws(table: Table, data: st.DataObject) -> None:
    ours = data.draw(st.sampled_from([o for o, _ in table.pairs]))
    theirs = data.draw(st.sampled_from([t for _, t in table.pairs]))
    keeps_the_laws(table, ours, theirs)


@given(texts, texts, st.integers(8, 50) | st.none(), st.booleans(), st.sampled_from(["", "(none)"]))
def test_a_text_keeps_the_laws(ours: str, theirs: str, limit: int | None, one_line: bool, empty: str) -> None:
    """theirs: a text that the vendor can show, within its limit, and not empty if it requires one."""
    relation = Text(limit=limit, one_line=one_line, empty=empty)
    theirs = theirs if limit is None else theirs[:limit]
    if empty and not theirs.strip():
        theirs = empty
    keeps_the_laws(relation, ours, theirs)
    if limit is not None:
        assert len(relation.forward(ours, theirs)) <= limit


@given(texts | st.booleans() | st.none(), texts | st.booleans() | st.none())
def test_the_same_on_both_sides_keeps_the_laws(ours: Json, theirs: Json) -> None:
    keeps_the_laws(Same(), ours, theirs)


@given(tables, subset([*OURS, "unmapped"]), st.data())
def test_a_set_keeps_the_laws(table: Table, ours: list[str], data: st.DataObject) -> None:
    """Also where two of the hub's words share one of the vendor's, or one has two."""
    theirs = data.draw(subset([*THEIRS, "Stranger"]))
    relation = Elements(table)
    keeps_the_laws(relation, ours, theirs)
    there = relation.forward(ours, theirs)
    assert ("Stranger" in there) == ("Stranger" in theirs), "what has no counterpart is left alone"
    here = relation.backward(ours, theirs)
    assert ("unmapped" in here) == ("unmapped" in ours)


@given(tables, subset([*OURS, "unmapped"]), st.data())
def test_a_set_against_one_place_keeps_the_laws(table: Table, ours: list[str], data: st.DataObject) -> None:
    theirs = data.draw(st.sampled_from([t for _, t in table.pairs]) | st.none())
    keeps_the_laws(OneOf(table), ours, theirs)


@given(one_to_one, tables, st.data())
def test_a_map_keeps_the_laws(keys: Table, words: Table, data: st.DataObject) -> None:
    """One of the vendor's keys for each of the hub's: a table does not define what several would mean together."""
    our_words, their_words = [o for o, _ in words.pairs], [t for _, t in words.pairs]
    ours = data.draw(st.dictionaries(st.sampled_from([*OURS, "unmapped"]), st.sampled_from(our_words)))
    theirs = data.draw(st.dictionaries(st.sampled_from(["A", "B", "C", "D", "Stranger"]), st.sampled_from(their_words)))
    relation = Entries(keys, words)
    keeps_the_laws(relation, ours, theirs)
    assert relation.forward(ours, theirs).get("Stranger") == theirs.get("Stranger")
    assert relation.backward(ours, theirs).get("unmapped") == ours.get("unmapped")


# ---------------------------------------------------------------- what they are for


def test_a_coarser_word_does_not_drag_a_finer_one_back() -> None:
    status = Table.of([["acknowledged", "acknowledged"], ["monitoring", "acknowledged"], ["resolved", "resolved"]])
    assert status.backward("monitoring", "acknowledged") == "monitoring"
    assert status.forward("monitoring", "resolved") == "acknowledged"


def test_the_first_fitting_pair_wins() -> None:
    table = Table.of([["SEV1", "high"], ["SEV2", "high"], ["SEV2", "critical"]])
    assert table.backward("SEV5", "high") == "SEV1"
    assert table.forward("SEV2", "low") == "high"
    assert table.forward("SEV2", "critical") == "critical"


def test_a_word_may_be_a_tuple() -> None:
    """A tuple of words, such as priority and urgency, is one word; JSON does not distinguish list and tuple."""
    table = Table.of([["SEV1", ["P1", "high"]]])
    assert table.fits("SEV1", ["P1", "high"])
    assert table.fits("SEV1", ("P1", "high"))
    assert table.backward(None, ["P1", "high"]) == "SEV1"


def test_an_unknown_word_is_said_with_its_side() -> None:
    table = Table.of([["a", "A"]])
    for side, ask in (("ours", lambda: table.forward("x", "A")), ("theirs", lambda: table.backward("a", "x"))):
        with pytest.raises(UnknownWord) as unknown:
            ask()
        assert (unknown.value.side, unknown.value.word) == (side, "x")


def test_a_gap_is_refused_at_start_with_its_place() -> None:
    table = Table.of([["a", "A"], ["b", ["B", "b"]]])
    assert table.require("connection x: field status", ["a", "b"], ["A", ["B", "b"]]) is table
    with pytest.raises(VocabularyGap, match=r"connection x: field status.*our word 'c'.*their word 'D'"):
        table.require("connection x: field status", ["a", "c"], ["A", "D"])


def test_a_title_fits_its_own_truncation() -> None:
    relation = Text(limit=10, one_line=True)
    assert relation.forward("A long title", None) == "A long ti…"
    assert relation.backward("A long title", "A long ti…") == "A long title"
    assert relation.backward("A long title", "Another") == "Another"


def test_a_text_that_may_not_be_empty_has_a_word_for_nothing() -> None:
    relation = Text(empty="(no title)")
    assert relation.forward("", None) == "(no title)"
    assert relation.backward("", "(no title)") == ""


@pytest.mark.parametrize(
    ("ours", "theirs", "there"),
    [
        (["checkout"], ["C2", "Unknown"], ["Unknown", "C1"]),
        (["checkout", "search"], ["C1"], ["C1"]),
        (["search"], ["C1"], ["C1"]),
        ([], ["C1", "Unknown"], ["Unknown"]),
    ],
)
def test_two_of_ours_may_share_one_of_theirs(ours: list[str], theirs: list[str], there: list[str]) -> None:
    """Two services on one component: it stays as long as one of them is affected."""
    relation = Elements(Table.of([["checkout", "C1"], ["search", "C1"], ["mail", "C2"]]))
    assert relation.forward(ours, theirs) == there


def test_one_of_ours_may_have_two_of_theirs() -> None:
    """One service with two components: people at the vendor decide which of them is affected."""
    relation = Elements(Table.of([["checkout", "Web"], ["checkout", "API"]]))
    assert relation.forward(["checkout"], ["API"]) == ["API"]
    assert relation.forward(["checkout"], []) == ["Web"]
    assert relation.forward(["checkout"], ["Web", "API"]) == ["Web", "API"]
    assert relation.forward([], ["Web", "API"]) == []
    assert relation.backward(["checkout"], ["API"]) == ["checkout"]


def test_field_paths_are_what_theirs_says_in_our_words() -> None:
    people = Table.of([["ada", "U1"], ["ben", "U2"]])
    assert Elements(people).field_paths(["U2", "U9"]) == {"ben": True}
    assert OneOf(people).field_paths("U1") == {"ada": True}
    assert OneOf(people).field_paths(None) == {}
    assert Entries(people, Same()).field_paths({"U1": "x", "U9": "y"}) == {"ada": "x"}
