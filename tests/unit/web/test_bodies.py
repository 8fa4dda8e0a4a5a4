"""A body is parsed strictly, and every fault is reported with its place; only Problem is raised."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.web import bodies
from hub.web.problems import Problem

NESTED = "[" * 17 + "]" * 17


@pytest.mark.parametrize(
    ("raw", "status", "place", "words"),
    [
        (b"", 400, "body", "is empty"),
        (b"{", 400, "body", "line 1, column 2"),
        (b"{'a': 1}", 400, "body", "not JSON"),
        (b"\xff\xfe", 400, "body", "not UTF-8 (byte 1)"),
        ('{"a": "é"}'.encode("latin-1"), 400, "body", "not UTF-8 (byte 8)"),
        ('{"a": 1}'.encode("utf-16"), 400, "body", "not UTF-8"),
        (b'{"a": 1, "a": 2}', 400, "body", "the name 'a' occurs twice"),
        (b'{"a": {"b": ["x", "\\u0000"]}}', 422, "body.a.b.1", "NUL"),
        (b'{"a\\u0000b": 1}', 422, "body.a\\x00b", "NUL"),
        (b'"\\ud800"', 422, "body", "surrogate"),
        (b'{"a": NaN}', 422, "body.a", "is not a JSON number"),
        (b"[1e999]", 422, "body.0", "is not a JSON number"),
        (b"[9223372036854775808]", 422, "body.0", "beyond 64 bits"),
        (b"[" + b"9" * 5000 + b"]", 422, "body", "too many digits"),
        (NESTED.encode(), 422, "body" + ".0" * 16, "levels"),
        (b"[" * 100_000, 422, "body", "levels"),
        (b'{"a":' * 50_000, 422, "body", "levels"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(raw: bytes, status: int, place: str, words: str) -> None:
    with pytest.raises(Problem) as refused:
        bodies.parse(raw)
    assert (refused.value.status, refused.value.field) == (status, place)
    assert words in refused.value.detail


@pytest.mark.parametrize("value", [{}, [], {"a": ["é", "\U0001f525", 1.5, -1, True, None]}, json.loads(NESTED[1:-1])])
def test_what_can_be_kept_is_read_as_it_is(value: object) -> None:
    assert bodies.parse(json.dumps(value).encode()) == value
    assert bodies.parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_a_problem(raw: bytes) -> None:
    try:
        bodies.parse(raw)
    except Problem as refused:
        if refused.status not in (400, 422):
            raise


@given(
    st.recursive(
        st.none() | st.text() | st.floats() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_what_is_read_can_be_kept_by_both_databases(value: object) -> None:
    try:
        read = bodies.parse(json.dumps(value).encode())
    except Problem:
        return
    text = json.dumps(read, allow_nan=False, ensure_ascii=False)
    assert "\x00" not in text.encode().decode()
