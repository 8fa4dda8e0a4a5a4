"""For any answer of a vendor, a call succeeds or raises one of the four vendor errors and nothing else, within limits of time and
memory, and the adapter still works afterwards. One answer of each call is spoilt: a part of it is replaced or removed, or the
whole is replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub.domain.errors import RetryLater, VendorError
from tests.contract.bounds import bounded
from tests.contract.line import Act, Answer
from tests.contract.ops import Op, each_op, prepared, rehearsed
from tests.contract.world import World

READS = min(settings.default.max_examples, 80)
WRITES = max(1, READS // 5)
"""Number of examples for a write; fewer, because each needs a new world."""

MINUTE = 61.0
"""Seconds between two calls: no vendor's rate window is longer, so none is throttled."""

texts = st.text(max_size=20) | st.sampled_from(
    ["", "\x00", "../..", "9" * 300, "2026-01-05T09:00:00Z", "0001-01-01", "<at>"]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
nested = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=6)
strange = st.sampled_from(
    [None, True, 7, -1, 10**400, 0.5, "x", "", [], [7], ["x"], [[]], [{}], {}, {"x": 7}, {"id": {}}]
)
garbage = st.binary(max_size=60) | nested.map(lambda v: json.dumps(v).encode()) | st.just(b"[" * 20_000)


@dataclass(frozen=True)
class Spoiling:
    """How an answer is spoilt, drawn before the call: an adapter may read the answer on its client's thread. place: number of the
    part, modulo their count; None: the whole is replaced by `value`. gone: the part is removed."""

    place: int | None
    value: Any = None
    gone: bool = False

    def of(self, body: bytes) -> bytes:
        try:
            whole = json.loads(body)
        except ValueError:
            whole = None
        found = list({_shape(path): path for path in places(whole)}.values())
        if self.place is None or not found:
            return self.value if isinstance(self.value, bytes) else json.dumps(self.value).encode()
        *way, last = found[self.place % len(found)]
        at = whole
        for key in way:
            at = at[key]
        if self.gone:
            del at[last]
        else:
            at[last] = self.value
        return json.dumps(whole).encode()


which = st.integers(0, 2**16)
spoilings = st.one_of(
    st.builds(Spoiling, which, strange),
    st.builds(Spoiling, which, strange),
    st.builds(Spoiling, which, nested),
    st.builds(Spoiling, which, gone=st.just(True)),
    st.builds(Spoiling, st.none(), garbage),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a JSON value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def _shape(path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Equal for all items of a list, so that a long list is not spoilt more often than its siblings."""
    return tuple("#" if isinstance(key, int) else key for key in path)


@each_op()
def test_a_spoilt_answer_is_understood_or_one_of_the_four_errors(name: str, op: Op) -> None:
    """A read is repeated in one world, and once more with an intact answer."""
    delivered = 0
    kept = prepared(name, op)
    given_well = sum(len(e.answer[2]) for e in rehearsed(name, op) if e.answer)

    @settings(
        max_examples=WRITES if op.writes else READS, deadline=None, database=None,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(at=st.integers(0, len(rehearsed(name, op)) - 1), spoiling=spoilings)
    def one(at: int, spoiling: Spoiling) -> None:
        world, call, line = prepared(name, op) if op.writes else kept
        world.clock.advance(MINUTE)

        def how(world: World, act: Act) -> Answer:
            nonlocal delivered
            status, headers, body = act()
            spoilt = spoiling.of(body)
            delivered += spoilt != body
            return status, [h for h in headers if h[0].lower() != "content-length"], spoilt

        line.spoil(at, how)
        with bounded(given_well + len(spoiling.of(b""))):
            try:
                call()
            except VendorError as error:
                if not error.words:
                    raise AssertionError("an error without words") from error
                if isinstance(error, RetryLater) and line.writes and not op.again:
                    raise AssertionError(
                        f"something has happened at the vendor, and it is said: {error.words}"
                    ) from error

    one()
    assert delivered, "nothing was spoilt"
    world, call, line = kept
    line.spoil(-1, lambda world, act: act())
    world.clock.advance(MINUTE)
    call()
