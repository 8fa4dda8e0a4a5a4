"""A limit is never exceeded, its first free moment is never missed, and all workers count the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from hub.domain.capability import Rate
from hub.sync.limits.window import SLACK, STEPPED, Window

RATE = Rate(4, 1.0)
PER = RATE.per + SLACK
NOW = 1_800_000_000.0

asked = st.lists(st.tuples(st.floats(0, 0.6), st.integers(1, 3), st.sampled_from([0.0, 1.5, 60.0])), max_size=40)
"""(seconds since the last one, calls, seconds ahead)"""


def booked(window: Window, asked: list[tuple[float, int, float]], key: str = "page") -> list[float]:
    """The time of every booked call."""
    now, moments = NOW, []
    for later, calls, ahead in asked:
        now = round(now + later, 3)
        done, wait = window.book(key, RATE, calls, now, ahead)
        moments += [round(now + wait, 3)] * calls if done else []
        assert wait <= ahead or not done
    return moments


@given(asked)
def test_within_a_limits_time_there_are_never_more_calls_than_it_allows(asked: list[tuple[float, int, float]]) -> None:
    moments = booked(Window(), asked)
    assert moments == sorted(moments)
    for first, after in zip(moments, moments[RATE.count :], strict=False):
        assert after - first >= PER - 0.0015


@given(asked)
def test_who_may_book_far_ahead_gets_the_first_moment_that_the_limit_allows(
    asked: list[tuple[float, int, float]],
) -> None:
    window, now, moments = Window(), NOW, []
    for later, calls, _ in asked:
        now = round(now + later, 3)
        done, wait = window.book("page", RATE, calls, now, ahead=3600)
        full = moments[calls - RATE.count - 1 :][:1] if len(moments) > RATE.count - calls else []
        assert done
        assert now + wait == pytest.approx(max([now, *(m + PER for m in full)]), abs=0.002)
        moments += [now + wait] * calls


@pytest.mark.redis
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked)
def test_what_is_shared_in_redis_counts_as_what_a_process_has_for_itself(
    redis_url: str, asked: list[tuple[float, int, float]]
) -> None:
    client = Redis.from_url(redis_url)
    client.flushdb()
    assert booked(Window(client), asked) == booked(Window(), asked)


def test_what_was_counted_before_the_clock_stepped_back_counts_no_more() -> None:
    window = Window()
    assert window.book("page", RATE, 4, NOW) == (True, 0.0)
    assert not window.book("page", RATE, 1, NOW - STEPPED)[0], "two clocks may differ a little"
    assert window.book("page", RATE, 4, NOW - STEPPED - 2 * PER) == (True, 0.0)


@pytest.mark.redis
def test_a_window_that_begins_late_counts_as_used_by_the_first_who_asks(redis_url: str) -> None:
    slow = Rate(1, 5.0)
    for window in (Window(), Window(Redis.from_url(redis_url))):
        assert window.book("share", slow, 1, NOW, late=True) == (False, 5.06)
        assert window.book("share", slow, 1, NOW + 5.1, late=True) == (True, 0.0)
        assert window.book("share", slow, 1, NOW + 6, late=True) == (False, pytest.approx(4.16))
