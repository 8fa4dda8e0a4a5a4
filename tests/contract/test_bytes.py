"""For any bytes received: `authenticate` raises InvalidSignature and nothing else, `hints` returns hints or raises Unusable and
nothing else, and a handshake is answered or not. Ids in the results are non-empty texts of limited length."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Hint, Request
from hub.ports import Replies
from tests.contract.bounds import bounded
from tests.contract.cases import WORLDS
from tests.contract.test_webhooks import _life
from tests.contract.world import World

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
EXAMPLES = 60

each = pytest.mark.parametrize("name", list(WORLDS))


@cache
def _world(name: str) -> World:
    """A shared world: no test in this file changes it."""
    return WORLDS[name]()


@cache
def _true(name: str) -> tuple[Request, ...]:
    """Authentic webhooks of a short incident, to modify."""
    world = WORLDS[name]()
    _life(world)
    return tuple(world.webhooks())


def _request(
    body: bytes, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None, path: str = "/"
) -> Request:
    return Request("POST", path, query or {}, {"content-type": "application/json", **(headers or {})}, body, NOW)


def _understand(world: World, request: Request) -> None:
    """Asserts that the result is hints or Unusable."""
    try:
        with bounded(len(request.body)):
            hints = world.adapter.hints(request)
    except Unusable as unusable:
        if not str(unusable):
            raise AssertionError("the text says what was wrong") from unusable
        return
    assert len(hints) <= 1_000
    for hint in hints:
        assert isinstance(hint, Hint)
        assert isinstance(hint.event, str)
        if hint.ref:
            assert hint.ref.kind in (INCIDENT, COMMENT, UPDATE)
            assert isinstance(hint.ref.id, str)
            assert 0 < len(hint.ref.id) <= 255
            assert hint.ref.parent is None or (isinstance(hint.ref.parent, str) and 0 < len(hint.ref.parent) <= 255)
            assert hint.ref.kind == INCIDENT or hint.ref.parent, "a comment belongs to an incident"
        else:
            assert hint.ignored or hint.resync or hint.subscription or hint.command, "nothing is passed over in silence"


def _doubt(world: World, request: Request) -> None:
    """Asserts that the request is accepted or raises InvalidSignature."""
    try:
        with bounded(len(request.body)):
            assert isinstance(world.adapter.authenticate(request, world.secrets), str)
    except InvalidSignature as badly_signed:
        if not str(badly_signed):
            raise AssertionError("the text says why") from badly_signed
    if isinstance(world.adapter, Replies):
        world.adapter.handshake(request)


texts = st.text(st.characters(codec=None), max_size=40)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(["", "\x00", "\udcff", "9" * 300])
)
values = st.recursive(leaves, lambda v: st.lists(v, max_size=4) | st.dictionaries(texts, v, max_size=4), max_leaves=12)


@each
@settings(max_examples=EXAMPLES)
@given(body=st.binary(max_size=300), headers=st.dictionaries(texts.map(str.lower), texts, max_size=3), path=texts)
def test_arbitrary_bytes(name: str, body: bytes, headers: dict[str, str], path: str) -> None:
    request = _request(body, headers, path=f"/{path}")
    _understand(_world(name), request)
    _doubt(_world(name), request)


@each
@settings(max_examples=EXAMPLES)
@given(value=values)
def test_arbitrary_json(name: str, value: Any) -> None:
    request = _request(json.dumps(value).encode())
    _understand(_world(name), request)
    _doubt(_world(name), request)


@each
@settings(max_examples=EXAMPLES * 3)
@given(data=st.data())
def test_a_true_webhook_with_one_part_replaced(name: str, data: st.DataObject) -> None:
    """Another type, a missing part, an over-long text: at any place of the body."""
    true = [r for r in _true(name) if r.body[:1] in (b"{", b"[")]
    if not true:
        return
    request = data.draw(st.sampled_from(true))
    body = json.loads(request.body)
    places = list(_places(body))
    place = data.draw(st.sampled_from(places))
    _replace(body, place, data.draw(values), gone=data.draw(st.booleans()))
    headers = dict(request.headers)
    if headers and data.draw(st.booleans()):
        headers[data.draw(st.sampled_from(sorted(headers)))] = data.draw(texts)
    spoilt = Request(request.method, request.path, request.query, headers, json.dumps(body).encode(), NOW)
    _understand(_world(name), spoilt)
    _doubt(_world(name), spoilt)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """The path of every part of a JSON value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from _places(part, (*path, key))


def _replace(value: Any, path: tuple[Any, ...], part: Any, *, gone: bool) -> None:
    for key in path[:-1]:
        value = value[key]
    if gone:
        del value[path[-1]]
    else:
        value[path[-1]] = part


AWKWARD = {
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "another encoding": '{"event": "é"}'.encode("utf-16"),
    "a deep list": b"[" * 50_000 + b"]" * 50_000,
    "a deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a huge number": b'{"id": ' + b"9" * 5_000 + b"}",
    "no number": b'{"id": NaN, "x": Infinity}',
    "half a surrogate": b'{"id": "\\ud800", "event": {"data": {"id": "\\udfff"}}}',
    "a megabyte of text": b'"' + b"a" * 1_000_000 + b'"',
    "a form": b"payload=%7B%7D&x=1",
    "a list of nothing": b"[null]",
    "the same key twice": b'{"event": 1, "event": {"event_type": 2}, "webhookEvent": [], "value": {}}',
}


@each
@pytest.mark.parametrize("what", AWKWARD)
def test_awkward_bodies(name: str, what: str) -> None:
    _understand(_world(name), _request(AWKWARD[what]))
    _doubt(_world(name), _request(AWKWARD[what]))
