"""Both laws, for every world, kind and field: what comes out fits (correct), and what fits is left alone (hippocratic)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.incident import FIELDS
from hub.domain.vocabulary import ManyRelation, OneOf, Table, UnknownWord
from tests.contract import strategies
from tests.contract.cases import DECLARED, RELATIONS

EVERY = [
    pytest.param(world, kind, field, id=f"{world}:{kind}.{field}")
    for world, kinds in RELATIONS.items()
    for kind, relations in kinds.items()
    if kind in DECLARED[world].kinds
    for field in relations
    if field in DECLARED[world].kinds[kind].fields
]
each = pytest.mark.parametrize(("world", "kind", "field"), EVERY)


@each
@given(data=st.data())
def test_both_laws(world: str, kind: str, field: str, data: st.DataObject) -> None:
    relation = RELATIONS[world][kind][field]
    ours = data.draw(strategies.ours(relation), label="ours")
    theirs = data.draw(strategies.theirs(relation), label="theirs")
    there, here = relation.forward(ours, theirs), relation.backward(ours, theirs)
    assert relation.fits(ours, there), "correct, forward"
    assert relation.fits(here, theirs), "correct, backward"
    if relation.fits(ours, theirs):
        assert there == theirs, "hippocratic, forward"
        assert here == ours, "hippocratic, backward"
    assert relation.backward(ours, there) == ours, "what we have written is no news when it comes back"
    assert relation.forward(here, theirs) == theirs, "what we have taken over is not written back"


@each
def test_every_word_of_ours_can_be_said_there(world: str, kind: str, field: str) -> None:
    """A closed vocabulary has no gap: the plan always finds a vendor's word."""
    relation, spec = RELATIONS[world][kind][field], FIELDS[kind][field]
    if isinstance(relation, Table) and spec.words:
        for word in spec.words:
            assert relation.fits(word, relation.forward(word, None))


@each
@given(data=st.data())
def test_a_word_that_nobody_knows_is_said_to_be_unknown(world: str, kind: str, field: str, data: st.DataObject) -> None:
    relation = RELATIONS[world][kind][field]
    if isinstance(relation, Table):
        word = data.draw(st.text(max_size=9).filter(lambda w: not any(t == w for _, t in relation.pairs)))
        with pytest.raises(UnknownWord) as unknown:
            relation.backward(None, word)
        assert (unknown.value.side, unknown.value.word) == ("theirs", word)


@each
@given(data=st.data())
def test_what_is_merged_by_element_is_seen_by_element(world: str, kind: str, field: str, data: st.DataObject) -> None:
    """The field paths of a set or map equal what `backward` returns: merging by element and as a whole agree."""
    relation = RELATIONS[world][kind][field]
    many = DECLARED[world].kinds[kind].fields[field].many
    assert (not FIELDS[kind][field].many) or isinstance(relation, ManyRelation)
    assert not many or isinstance(relation, ManyRelation)
    if isinstance(relation, ManyRelation) and not isinstance(relation, OneOf):
        theirs = data.draw(strategies.theirs(relation))
        whole = relation.backward({} if many == "map" else [], theirs)
        field_paths = relation.field_paths(theirs)
        assert set(whole) == set(field_paths)
        if many == "map":
            assert dict(whole) == dict(field_paths)
