"""Text ↔ HTML ↔ Adaptive Card Markdown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.teams import cards, markup, wire
from adapters.teams.cards import Names
from hub.domain.errors import Refused
from hub.domain.values import Desired

NAMES = Names(person=lambda who: who, service=lambda which: which)
TYPED = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u00a0") | st.sampled_from("\n<>&*"))


@given(TYPED)
def test_what_was_typed_comes_back_as_it_was(text: str) -> None:
    """No text loses or changes a visible character on its way to HTML and back."""
    assert markup.from_html(markup.to_html(text)).split() == text.split()


@given(TYPED)
def test_no_typed_text_becomes_markup(text: str) -> None:
    """Nothing that anybody types is an element or an attribute in the message."""
    assert "<" not in markup.to_html(text).replace("<br>", "")


def test_lines_and_runs_of_spaces_are_kept() -> None:
    """Indented text of several lines looks the same afterwards."""
    text = "first\n\n    indented   wide\nlast & <b>"
    assert markup.from_html(markup.to_html(text)) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p>\n<p>two</p>", "one\ntwo"),
        ("<div><div>a <b>bold</b> word</div></div>", "a bold word"),
        ("<ul><li>x</li><li>y</li></ul>", "- x\n- y"),
        ('<a href="https://example.com/x">see</a>', "see (https://example.com/x)"),
        ('<a href="https://example.com">https://example.com</a>', "https://example.com"),
        ('<at id="0">Jane Smith</at>&nbsp;look &amp; say', "Jane Smith look & say"),
        ('<p>so <img alt="chart" src="x"><script>alert(1)</script></p>', "so chart"),
        ("<p>unclosed <b>tag", "unclosed tag"),
        ("", ""),
    ],
)
def test_what_people_write_in_teams_is_read_as_they_see_it(html: str, text: str) -> None:
    """The HTML of the editor becomes plain lines."""
    assert markup.from_html(html) == text


def test_nothing_in_a_card_is_emphasis_link_mention_or_date() -> None:
    """Markdown, entities and the card's own functions are all taken literally."""
    shown = markup.to_markdown("*b* [x](http://y) <at>z</at> {{DATE(2017-02-14)}} &amp; `c`\n1. one\n- two\\")
    assert "{{" not in shown
    assert "<" not in shown
    for sign in "*[]`":
        assert sign not in shown.replace(f"\\{sign}", "")
    assert "&amp;amp;" in shown
    assert "1\\. one\n\n\\- two\\\\" in shown


FIELDS = {"status": "triggered", "severity": "SEV1", "title": "Down", "description": "x", "services": ["checkout"]}


@given(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["triggered", "resolved"]),
            "title": st.text(max_size=wire.TITLE_LIMIT),
            "description": st.text(st.characters(exclude_categories=["Cs"]), max_size=wire.DESCRIPTION_LIMIT),
            "tags": st.lists(st.text(max_size=20), max_size=8),
            "roles": st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
        }
    )
)
def test_a_card_says_exactly_what_was_written_on_it(fields: dict[str, object]) -> None:
    """Whatever had to be shortened for the eye, the fields and the mark are read back as they were."""
    clean = json.loads(json.dumps(fields))
    card = cards.draw(clean, "marky1", {}, NAMES)
    attachments = [{"contentType": cards.CARD_TYPE, "content": json.dumps(card)}]
    assert cards.read(attachments) == (clean, "marky1")


@pytest.mark.parametrize("letter", ["a", "*", '"', "\n*", "漢", "😀", "<", "\x01"])
def test_a_message_stays_below_its_size_however_long_the_description(letter: str) -> None:
    """The longest description of the worst characters still fits, by shortening what is shown."""
    fields = {**FIELDS, "description": (letter * wire.DESCRIPTION_LIMIT)[: wire.DESCRIPTION_LIMIT]}
    payload = wire.root_payload(fields, "marky1", {"number": "INC-1", "url": "https://hub.example.com/1"}, NAMES)
    assert cards.size(payload) <= cards.LIMIT
    known = cards.read(payload["attachments"])
    assert known
    assert known[0]["description"] == fields["description"]


def test_what_cannot_fit_is_refused_in_words() -> None:
    """Thousands of different tags are no card."""
    tags = [f"{n:x}-{n * 7919:x}" for n in range(5000)]
    with pytest.raises(Refused, match="exceeds the size"):
        wire.root_payload({**FIELDS, "tags": tags}, "marky1", {}, NAMES)


def test_the_state_stands_in_words_and_not_only_in_colour() -> None:
    """A reader without colours knows status and severity."""
    card = cards.draw({**FIELDS, "status": "monitoring"}, None, {"number": "INC-7"}, NAMES)
    assert any("Status: monitoring · Severity: SEV1" in str(part.get("text")) for part in card["body"])
    assert card["fallbackText"] == "INC-7 SEV1 monitoring: Down"


def test_only_web_addresses_become_buttons() -> None:
    """Links come from many systems; a script is no link."""
    links = [
        {"title": "PAY-1", "url": "https://jira.example.com/PAY-1", "system": "jira"},
        {"title": "bad", "url": "javascript:alert(1)", "system": "x"},
        {"title": "worse", "url": "https:///nowhere"},
        "no mapping",
    ]
    card = cards.draw(FIELDS, None, {"url": "https://hub.example.com/INC-1", "links": links}, NAMES)
    assert [a["url"] for a in card["actions"]] == ["https://hub.example.com/INC-1", "https://jira.example.com/PAY-1"]
    assert card["actions"][1]["title"] == "jira · PAY-1"


@pytest.mark.parametrize("text", ["", "ls1:", "ls1:!!!", "ls1:AAAA", "ls1:eJwDAAAAAAE=", "other"])
def test_a_spoilt_hidden_block_is_no_block(text: str) -> None:
    """Garbage in the place of our data is not an error."""
    assert cards.unpack(text) is None


def test_a_hidden_block_that_swells_is_not_unpacked_whole() -> None:
    """A small block cannot fill the memory."""
    bomb = cards.pack({"title": "a" * 5_000_000}, "marky1")
    assert cards.unpack(bomb) is None


def test_a_comment_too_long_for_a_message_is_refused_with_its_field() -> None:
    """The vendor's limit is kept before anything is sent."""
    with pytest.raises(Refused) as caught:
        wire.reply_payload("&" * wire.COMMENT_LIMIT, "marky1", None)
    assert caught.value.field == "text"


def test_a_workflow_card_holds_nothing_hidden() -> None:
    """What can never be read back carries no data."""
    payload = wire.workflow_payload(Desired("incident", FIELDS, context={"number": "INC-7"}), NAMES)
    content = payload["attachments"][0]["content"]
    assert content["type"] == "AdaptiveCard"
    assert "lockstep" not in {part.get("id") for part in content["body"]}
