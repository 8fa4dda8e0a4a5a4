"""Texts and labels: any text sent to Jira is read back unchanged, and text that people wrote there is readable."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jira import adf, jql, wiki
from adapters.jira.labels import Labels, is_mark, mark_label, visible
from adapters.jira.sandbox.validation import check_adf, check_label
from hub.domain.vocabulary import Text

TEXT = st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=60)
MARKUP = st.text(st.sampled_from(list("ab1 \n\\*_-+^~{}[]|!?#@%&;:.()h6bq/")), max_size=30)
SHOWN = Text()


@given(TEXT | MARKUP)
def test_a_text_survives_wiki_markup(text: str) -> None:
    assert SHOWN.fits(text, wiki.to_plain(wiki.from_plain(text)))


@given(TEXT | MARKUP)
def test_a_text_survives_adf_and_is_a_valid_document(text: str) -> None:
    document = adf.from_plain(text)
    check_adf(document, "description")
    assert SHOWN.fits(text, adf.to_plain(document))


def test_nothing_that_a_person_types_is_markup() -> None:
    """A hyphen inside a word stays readable; everything that the renderer would interpret is escaped."""
    assert wiki.from_plain("half-open *b* [ls:abc]") == r"half-open \*b\* \[ls:abc\]"
    assert wiki.from_plain("h1. no\nC:\\dir").splitlines() == ["&#104;1. no", "C:&#92;dir"]


def test_markup_of_people_becomes_readable() -> None:
    written = (
        "h2. Cause\n{code:java}x = 1{code}\nSee [the page|https://a.example/b] or [https://c.example].\\\\\n"
        "[~ada] and [~accountid:5b10] *know* {color:red}this{color}"
    )
    assert wiki.to_plain(written) == (
        "Cause\nx = 1\nSee the page (https://a.example/b) or https://c.example.\n@ada and @5b10 *know* this"
    )


def text(words: str, **marks: Any) -> Any:
    return {"type": "text", "text": words, **marks}


def doc(*content: Any) -> Any:
    return {"type": "doc", "version": 1, "content": list(content)}


def para(*content: Any) -> Any:
    return {"type": "paragraph", "content": list(content)}


@pytest.mark.parametrize(
    ("content", "reads"),
    [
        (para(text("a"), {"type": "hardBreak"}, text("b")), "a\nb"),
        (para(text("page", marks=[{"type": "link", "attrs": {"href": "https://x.example"}}])), "page (https://x.example)"),
        (para({"type": "mention", "attrs": {"id": "5b10", "text": "@Ada"}}), "@Ada"),
        (para({"type": "mention", "attrs": {"id": "5b10"}}), "@5b10"),
        (para({"type": "emoji", "attrs": {"shortName": ":fire:"}}), ":fire:"),
        (para({"type": "inlineCard", "attrs": {"url": "https://x.example"}}), "https://x.example"),
        (para({"type": "date", "attrs": {"timestamp": "1582152559000"}}), "2020-02-19"),
        (para({"type": "date", "attrs": {"timestamp": "soon"}}), "soon"),
        ({"type": "heading", "attrs": {"level": 2}, "content": [text("Cause")]}, "Cause"),
        ({"type": "bulletList", "content": [{"type": "listItem", "content": [para(text("a"))]}] * 2}, "- a\n- a"),
        ({"type": "orderedList", "content": [{"type": "listItem", "content": [para(text("a"))]}] * 2}, "1. a\n2. a"),
        ({"type": "panel", "content": [para(text("careful"))]}, "careful"),
        ({"type": "blockquote", "content": [para(text("said"))]}, "> said"),
        ({"type": "codeBlock", "content": [text("x = 1")]}, "x = 1"),
        ({"type": "taskList", "content": [{"type": "taskItem", "attrs": {"state": "DONE"}, "content": [text("t")]}]}, "[x] t"),
        (
            {"type": "table", "content": [{"type": "tableRow", "content": [{"type": "tableCell", "content": [para(text("c"))]}] * 2}]},
            "c | c",
        ),
        ({"type": "expand", "attrs": {"title": "More"}, "content": [para(text("x"))]}, "More\n\nx"),
        ({"type": "mediaSingle", "content": [{"type": "media", "attrs": {"alt": "a.png"}}]}, "[a.png]"),
        ({"type": "nodeOfTheFuture", "content": [text("kept")]}, "kept"),
        ({"type": "blockOfTheFuture", "content": [para(text("kept"))]}, "kept"),
        ({"type": "extension", "attrs": {"text": "kept"}}, "kept"),
    ],
)  # fmt: skip
def test_every_kind_of_node_degrades_to_its_text(content: Any, reads: str) -> None:
    assert adf.to_plain(doc(content)) == reads


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.fixed_dictionaries({}, optional={"type": st.sampled_from(sorted(adf._NODES)), "content": inner, "attrs": inner, "text": inner, "marks": st.lists(inner)}),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_reading_a_document_never_fails(document: Any) -> None:
    assert isinstance(adf.to_plain(document), str)


def test_a_document_nested_without_end_is_cut() -> None:
    node: Any = text("deep")
    for _ in range(500):
        node = {"type": "panel", "content": [node]}
    assert adf.to_plain(doc(node)) == ""


# ---------------------------------------------------------------- labels

WORDS = st.lists(
    st.text("ab -\t", min_size=1, max_size=5) | st.sampled_from(["customer impact", "lockstep-abcdef", "db"]),
    max_size=4,
)


@given(WORDS, WORDS)
def test_labels_obey_both_laws(ours: list[str], theirs: list[str]) -> None:
    """Correct: what comes out fits. Hippocratic: what fits is left alone."""
    relation = Labels()
    assert relation.fits(ours, relation.forward(ours, theirs))
    assert relation.fits(relation.backward(ours, theirs), theirs)
    if relation.fits(ours, theirs):
        assert relation.forward(ours, theirs) == theirs
        assert relation.backward(ours, theirs) == ours
    for label in relation.forward(ours, []):
        check_label(label)
        assert not is_mark(label)


def test_a_tag_with_a_space_is_its_label() -> None:
    relation = Labels()
    assert relation.forward(["customer impact"], []) == ["customer-impact"]
    assert relation.backward(["customer impact"], ["customer-impact", "eu"]) == ["customer impact", "eu"]


def test_the_mark_never_shows_among_the_labels() -> None:
    assert visible(["db", mark_label("abcdef123"), "lockstep-x"]) == ["db", "lockstep-x"]


# ---------------------------------------------------------------- JQL


@given(st.text(max_size=20))
def test_no_value_ends_its_quotes(value: str) -> None:
    literal = jql.quoted(value)
    assert literal[0] == literal[-1] == '"'
    inner = literal[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner
    assert "\\" not in inner
    assert literal.isprintable()
