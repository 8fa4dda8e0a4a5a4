"""A connection's budget is shared by all workers; neither a clock that steps back nor a dead worker blocks it for long."""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.statuspage.capability import CAPABILITIES
from hub.clock import ManualClock, SystemIds
from hub.domain.capability import Rate
from hub.domain.errors import RetryLater
from hub.sync.limits.budget import LONGEST_LINE, PLACE, READ_SHARE, SLACK, Budget

pytestmark = pytest.mark.redis


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """One clock for the hub and for the library that counts windows."""
    made = ManualClock()
    monkeypatch.setattr(time, "time", lambda: made.now().timestamp())
    return made


def worker(clock: ManualClock, url: str | None) -> Budget:
    return Budget(clock, url, ids=SystemIds())


def use_up(budget: Budget) -> int:
    """The number of calls that are admitted now."""
    for many in range(200):
        try:
            budget.admit("page", CAPABILITIES)
        except RetryLater:
            return many
    raise AssertionError("there is no limit")


def test_two_workers_have_one_budget(clock: ManualClock, redis_url: str) -> None:
    assert use_up(worker(clock, redis_url)) == 60
    assert use_up(worker(clock, redis_url)) == 0
    clock.advance(61)
    assert use_up(worker(clock, redis_url)) == 60


@pytest.mark.parametrize("shared", [True, False])
def test_after_the_clock_stepped_back_calls_are_counted_anew(clock: ManualClock, redis_url: str, shared: bool) -> None:
    budget = worker(clock, redis_url if shared else None)
    assert use_up(budget) == 60
    clock.advance(-300)
    assert use_up(budget) == 60
    clock.advance(61)
    assert use_up(budget) == 60


def test_two_clocks_that_differ_a_little_do_not_clear_each_others_counts(clock: ManualClock, redis_url: str) -> None:
    assert use_up(worker(clock, redis_url)) == 60
    clock.advance(-5)
    assert use_up(worker(clock, redis_url)) == 0


def test_the_place_of_a_worker_that_died_is_free_again_after_a_while(clock: ManualClock, redis_url: str) -> None:
    dead = worker(clock, redis_url).slot("page", CAPABILITIES)
    dead.__enter__()
    with pytest.raises(RetryLater), worker(clock, redis_url).slot("page", CAPABILITIES):
        pass
    clock.advance(PLACE + 1)
    with worker(clock, redis_url).slot("page", CAPABILITIES):
        pass


def test_places_taken_before_the_clock_stepped_back_are_free(clock: ManualClock, redis_url: str) -> None:
    dead = worker(clock, redis_url).slot("page", CAPABILITIES)
    dead.__enter__()
    clock.advance(-timedelta(minutes=5).total_seconds())
    with worker(clock, redis_url).slot("page", CAPABILITIES):
        pass


def test_while_redis_is_away_each_process_keeps_the_limit_for_itself(clock: ManualClock) -> None:
    away = "unix:///nowhere/redis.sock"
    assert use_up(worker(clock, away)) == 60
    with worker(clock, away).slot("page", CAPABILITIES):
        pass


@pytest.mark.parametrize("share", [None, READ_SHARE])
@pytest.mark.parametrize("shared", [True, False])
def test_those_who_are_refused_come_back_one_after_another_at_the_limits_own_pace(
    shared: bool, share: float | None, clock: ManualClock, redis_url: str
) -> None:
    """Reads that can wait too: their share limits what they get while writes wait, not how often they may ask."""
    budget = worker(clock, redis_url if shared else None)
    use_up(budget)
    delays = []
    for _ in range(5):
        with pytest.raises(RetryLater) as refused:
            budget.admit("page", CAPABILITIES, 3, share=share)
        delays.append(refused.value.delay or 0.0)
    rate = CAPABILITIES.rates[0]
    gaps = [after - before for before, after in itertools.pairwise(delays)]
    assert gaps == pytest.approx([3 * rate.per / rate.count] * 4, abs=0.2)


@pytest.mark.parametrize("shared", [True, False])
def test_while_writes_wait_reads_that_can_wait_get_a_small_share(
    shared: bool, clock: ManualClock, redis_url: str
) -> None:
    budget = worker(clock, redis_url if shared else None)
    rate, read = CAPABILITIES.rates[0], 0
    budget.admit("page", CAPABILITIES, share=READ_SHARE)  # no write waits
    use_up(budget)  # the last write was refused and waits
    clock.advance(rate.per)
    for _ in range(5 * rate.count):
        with contextlib.suppress(RetryLater):
            budget.admit("page", CAPABILITIES, share=READ_SHARE)
            read += 1
        with contextlib.suppress(RetryLater):
            budget.admit("page", CAPABILITIES)
    assert read <= 1 + READ_SHARE * rate.count


@pytest.mark.parametrize("shared", [True, False])
def test_reads_that_were_sent_away_do_not_hold_writes_up(shared: bool, clock: ManualClock, redis_url: str) -> None:
    budget = worker(clock, redis_url if shared else None)
    while True:
        try:
            budget.admit("page", CAPABILITIES, share=READ_SHARE)
        except RetryLater:
            break
    for _ in range(50):
        with pytest.raises(RetryLater):
            budget.admit("page", CAPABILITIES, share=READ_SHARE)
    with pytest.raises(RetryLater) as refused:
        budget.admit("page", CAPABILITIES)
    rate = CAPABILITIES.rates[0]
    assert (refused.value.delay or 0.0) <= rate.per + SLACK


@pytest.mark.parametrize("shared", [True, False])
def test_nobody_is_sent_away_for_longer_than_the_longest_line(shared: bool, clock: ManualClock, redis_url: str) -> None:
    budget = worker(clock, redis_url if shared else None)
    use_up(budget)
    for _ in range(300):
        with pytest.raises(RetryLater) as refused:
            budget.admit("page", CAPABILITIES)
        assert (refused.value.delay or 0.0) <= LONGEST_LINE


@pytest.mark.parametrize("shared", [True, False])
def test_who_may_call_soon_waits_where_it_is_and_goes_when_there_is_room(
    shared: bool, clock: ManualClock, redis_url: str
) -> None:
    naps: list[float] = []
    budget = Budget(clock, redis_url if shared else None, ids=SystemIds(), nap=naps.append)
    limits = replace(CAPABILITIES, rates=(Rate(4, 1.0),))
    for _ in range(6):
        budget.admit("page", limits)
    assert naps == [pytest.approx(1 + SLACK)] * 2
    clock.advance(1 + SLACK)
    budget.admit("page", limits, 2)
    assert len(naps) == 2, "what was waited for has been sent; there is room for two more"
    slow = replace(CAPABILITIES, rates=(Rate(4, 60.0),))
    budget.admit("page", slow, 9)  # the whole limit, and no call was made
    with pytest.raises(RetryLater):
        budget.admit("page", slow)
