"""Whatever a vendor answers: an adapter makes an observation of it, or one of the four vendor errors. Nothing else leaves it, and
it takes no time. One part of a true answer is replaced, taken out, or the whole is something else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hub.domain.errors import VendorError
from hub.domain.values import INCIDENT, Mark, Observation, Ref
from tests.contract.cases import DECLARED, WORLDS

SECONDS = 5.0
"""The longest that one call may take, on a slow machine that does other things too."""

READABLE = [name for name, c in DECLARED.items() if c.kinds[INCIDENT].reads]

texts = st.text(max_size=20) | st.sampled_from(
    ["", "\x00", "../..", "9" * 300, "2026-01-05T09:00:00Z", "0001-01-01", "<at>"]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=6)
garbage = st.binary(max_size=60) | values.map(lambda v: json.dumps(v).encode()) | st.just(b"[" * 20_000)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def spoilt(body: bytes, data: Any) -> bytes:
    """The answer with one part of it changed."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    found = list(places(value))
    if not found or data.draw(st.integers(0, 5)) == 0:
        return bytes(data.draw(garbage))
    path = data.draw(st.sampled_from(found))
    at = value
    for key in path[:-1]:
        at = at[key]
    if data.draw(st.booleans()):
        at[path[-1]] = data.draw(values)
    else:
        del at[path[-1]]
    return json.dumps(value).encode()


CALLS: dict[str, Callable[[Any, Ref], Any]] = {
    "observe": lambda world, ref: world.adapter.observe(ref),
    "changed_since": lambda world, ref: world.adapter.changed_since(None),
    "find": lambda world, ref: world.adapter.find(Mark(INCIDENT, "0" * 26, world.clock.now())),
    "create": lambda world, ref: world.adapter.create(world.sample(INCIDENT), Mark(INCIDENT, "1" * 26, world.clock.now())),
    "examine": lambda world, ref: world.adapter.examine(),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", READABLE)
def test_a_spoilt_answer_is_understood_or_one_of_the_four_errors(name: str, call: str) -> None:
    @settings(max_examples=25, deadline=None, database=None, phases=[Phase.generate])
    @given(data=st.data())
    def one(data: Any) -> None:
        world: Any = WORLDS[name]()
        if not hasattr(world.adapter, call):
            return
        ref = world.person_makes(INCIDENT)
        whole = type(world.sandbox).exchange

        def exchange(self: Any, *request: Any) -> Any:
            status, headers, body = whole(self, *request)
            return status, [h for h in headers if h[0].lower() != "content-length"], spoilt(body, data)

        began = time.monotonic()
        with mock.patch.object(type(world.sandbox), "exchange", exchange):
            try:
                seen = CALLS[call](world, ref)
            except VendorError as error:
                if not error.words:
                    raise AssertionError("an error without words") from error
            else:
                assert call != "observe" or isinstance(seen, Observation)
        assert time.monotonic() - began < SECONDS

    one()
