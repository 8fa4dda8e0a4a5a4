"""Generated values for a relation: the hub's, and those that the vendor can show. Known and unknown words, texts, people."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from adapters.jira.labels import Labels
from hub.domain.values import Json
from hub.domain.vocabulary import Elements, Entries, OneOf, Relation, Same, Table, Text

Values = st.SearchStrategy[Json]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    ["", " ", "a  b", "line\nline", "…", "\u2028x", "x" * 300, "(no title)", "lockstep-abcdef"]
)
ids = st.sampled_from(["ada", "ben", "checkout", "search", "unmapped-1", "unmapped-2"])


def our_words(relation: Relation) -> Values:
    """The hub's words that the relation knows, one value at a time."""
    if isinstance(relation, Table):
        return st.sampled_from([ours for ours, _ in relation.pairs]) if relation.pairs else st.nothing()
    return ids if isinstance(relation, Same) else texts


def their_words(relation: Relation) -> Values:
    if isinstance(relation, Table):
        return st.sampled_from([theirs for _, theirs in relation.pairs]) if relation.pairs else st.nothing()
    return ids if isinstance(relation, Same) else texts


def _unknowns(relation: Relation) -> Values:
    """Words that are in no table: left alone in a set or map. A relation that knows all words has none."""
    return st.sampled_from(["unmapped-1", "unmapped-2"]) if isinstance(relation, Table) else st.nothing()


def _set_of(words: Values) -> Values:
    return st.lists(words, max_size=5, unique_by=repr).map(lambda v: sorted(v, key=str))


def ours(relation: Relation) -> Values:
    """A value of the hub."""
    if isinstance(relation, (Elements, OneOf)):
        return _set_of(our_words(relation.each) | _unknowns(relation.each))
    if isinstance(relation, Labels):
        return _set_of(texts)
    if isinstance(relation, Entries):
        keys = our_words(relation.keys) | _unknowns(relation.keys)
        return st.dictionaries(keys, our_words(relation.values), max_size=4)
    if isinstance(relation, Same):
        return st.booleans() | texts | st.none()
    return our_words(relation)


def theirs(relation: Relation) -> Values:
    """A value that the vendor can show: a text within its limit, and never empty if the vendor requires one."""
    if isinstance(relation, Elements):
        return _set_of(their_words(relation.each) | _unknowns(relation.each))
    if isinstance(relation, OneOf):
        return st.none() | their_words(relation.each)
    if isinstance(relation, Labels):
        labels = st.text("abcxyz-_äß", min_size=1, max_size=12)
        return _set_of(labels)
    if isinstance(relation, Entries):
        keys = their_words(relation.keys) | _unknowns(relation.keys)
        return st.dictionaries(keys, their_words(relation.values), max_size=4)
    if isinstance(relation, Same):
        return st.booleans() | texts | st.none()
    if isinstance(relation, Text):
        return texts.filter(lambda text: _can_be_shown(relation, text))
    return their_words(relation)


def _can_be_shown(relation: Text, text: Any) -> bool:
    if relation.limit is not None and len(text) > relation.limit:
        return False
    return bool(text.strip()) or not relation.empty
