"""The authority table has an answer for every field, vendor and value, and agrees with its description."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.authority import DEFAULT, MOVES, RULES, Authority, Verdict, load, move
from hub.domain.incident import CLOSED, FIELDS, STATUSES

VENDORS = ["pagerduty", "jira", "teams", "statuspage", "cachet", "hub"]
NAMES = sorted({name for kind in FIELDS.values() for name in kind})
words = st.text(max_size=12)
values = st.sampled_from(STATUSES) | words | st.none() | st.integers() | st.lists(words, max_size=2)
vendors, names = st.sampled_from(VENDORS) | words, st.sampled_from(NAMES) | words

lines = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["*", "status", "severity", "title"]),
        "vendor": st.sampled_from(["*", "pagerduty", "jira"]),
        "take": st.lists(st.sampled_from(MOVES), max_size=3),
        "review": st.lists(st.sampled_from(MOVES), max_size=2),
        "rule": st.sampled_from(RULES),
        "rank": st.integers(0, 9),
    }
)
tables = st.lists(lines, max_size=8).map(lambda rows: Authority.parse([*rows, {"take": ["any"]}], "here"))


@given(tables | st.just(DEFAULT), names, vendors, values, values)
def test_every_question_has_an_answer(table: Authority, name: str, vendor: str, before: object, after: object) -> None:
    """Whether field, vendor and values are known or not."""
    assert table.judge(name, vendor, before, after) in Verdict
    assert table.rule(name, vendor) in RULES
    assert isinstance(table.rank(name, vendor), int)
    assert move(name, before, after) in MOVES


@given(tables, lines.map(lambda row: Authority.parse([row, {}], "there")), names, vendors)
def test_the_most_particular_line_answers_and_the_overlay_before_the_base(
    table: Authority, overlay: Authority, name: str, vendor: str
) -> None:
    row = overlay.over(table).row(name, vendor)
    for wanted in ((name, vendor), (name, "*"), ("*", vendor), ("*", "*")):
        fitting = [r for r in overlay.rows + table.rows if (r.field, r.vendor) == wanted]
        if fitting:
            assert row == fitting[0]
            return
    raise AssertionError("no line at all")


@given(st.sampled_from(STATUSES), st.sampled_from(STATUSES))
def test_a_change_of_status_is_exactly_one_kind_of_move(before: str, after: str) -> None:
    kind = move("status", before, after)
    assert (kind == "reopen") == (before in CLOSED and after not in CLOSED)
    assert (kind == "close") == (after in CLOSED)
    assert kind != "any"
    assert move("title", before, after) == "any"


STEPS = {
    "forward": ("acknowledged", "monitoring"),
    "close": ("monitoring", "resolved"),
    "cancel": ("triggered", "cancelled"),
    "reopen": ("resolved", "acknowledged"),
    "time-out": ("acknowledged", "triggered"),
    "backward": ("monitoring", "identified"),
    "pulled back": ("monitoring", "triggered"),
}
DEFAULTS = """
             | forward | close  | cancel | reopen | time-out | backward | pulled back
  pagerduty  | take    | take   | take   | take   | take     | keep     | keep
  jira       | take    | take   | take   | take   | keep     | take     | take
  teams      | take    | take   | take   | take   | take     | take     | take
  statuspage | take    | review | review | review | keep     | review   | review
  cachet     | take    | review | review | review | keep     | review   | review
  hub        | take    | take   | take   | take   | take     | take     | take
  others     | take    | take   | take   | take   | take     | take     | take
"""


def _cells() -> list[tuple[str, str, str]]:
    head, *rows = [[field_path.strip() for field_path in row.split("|")] for row in DEFAULTS.strip("\n").splitlines()]
    return [
        (row[0], step, verdict)
        for row in rows
        for step, verdict in zip(head[1:], row[1:], strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize(("vendor", "step", "verdict"), _cells())
def test_the_default_table_on_a_status(vendor: str, step: str, verdict: str) -> None:
    before, after = STEPS[step]
    assert DEFAULT.judge("status", vendor, before, after) == verdict


def test_the_public_page_never_sets_the_severity() -> None:
    for vendor in ("statuspage", "cachet"):
        assert DEFAULT.judge("severity", vendor, "SEV3", "SEV1") is Verdict.KEEP


def test_a_person_here_has_the_last_word() -> None:
    for name in NAMES:
        ranks = {vendor: DEFAULT.rank(name, vendor) for vendor in VENDORS if vendor != "hub"}
        assert DEFAULT.rank(name, "hub") <= min(ranks.values()), name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[authority]]\nfield = "*"\nvendor = "*"\ntake = ["sideways"]', "line 1: 'sideways' is not a move"),
        ('[[authority]]\nrule = "first"', "line 1: 'first' is not a rule"),
        ('[[authority]]\nfeild = "status"', "line 1: unknown key 'feild'"),
        ('[[authority]]\nfield = "status"', "needs a last line for field"),
        ("", "needs a last line for field"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        load(text, "lockstep.toml")
    assert str(refused.value).startswith("lockstep.toml")
