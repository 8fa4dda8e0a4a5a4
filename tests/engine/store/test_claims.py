"""Claims: no two workers work one row, a dead worker's rows become free again, and nothing waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from hub.clock import ManualClock
from hub.store import claims, figures, timers
from hub.store.claims import AGAIN, LONGEST_PAUSE, SECONDS
from hub.store.due import shift_back
from hub.store.tables import claims as table
from hub.store.tables import connections, cursors, inbox, incidents
from hub.store.unit import Store

CLOCK = ManualClock()
NOW = CLOCK.now()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    store.create_all()
    yield store
    store.close()


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def due_timers(store: Store, *keys: str, at: datetime = NOW) -> None:
    with store.unit() as tx:
        for key in keys:
            timers.set_timer(tx, "duplicates", key, at, {})


def take(store: Store, owner: str, most: int = 12, now: datetime = NOW) -> list[str]:
    with store.unit() as tx:
        return sorted(c.key for c in claims.take(tx, owner, now, most))


def take_over(store: Store, owner: str, now: datetime) -> list[str]:
    with store.unit() as tx:
        return sorted(c.key for c in claims.take_over(tx, owner, now, 12))


def items(*keys: str) -> list[tuple[str, str]]:
    return [("duplicates", key) for key in keys]


def test_a_row_is_claimed_by_one_worker_until_it_is_given_back(store: Store) -> None:
    due_timers(store, "a", "b", "c")
    assert take(store, "one", 2) != []
    left = take(store, "two")
    assert len(left) == 1
    assert take(store, "three") == []
    with store.unit() as tx:
        claims.release(tx, "one", items(*left))
    assert take(store, "three") == [], "only its owner releases a claim"
    with store.unit() as tx:
        claims.release(tx, "two", items(*left))
    assert take(store, "three") == left


def test_what_is_not_due_is_not_claimed(store: Store) -> None:
    due_timers(store, "later", at=NOW + timedelta(seconds=1))
    assert take(store, "one") == []
    assert take(store, "one", now=NOW + timedelta(seconds=1)) == ["later"]


def test_many_who_claim_at_the_same_moment_share_the_rows(store: Store) -> None:
    keys = [f"k{n:02}" for n in range(40)]
    due_timers(store, *keys)
    barrier, taken = threading.Barrier(4), []

    def one(owner: str) -> None:
        barrier.wait()
        for _ in range(4):
            taken.extend(take(store, owner, 5))

    threads = [threading.Thread(target=one, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken += [key for _ in range(8) for key in take(store, "rest", 5)]
    assert sorted(taken) == keys


def test_claimers_and_releasers_never_deadlock(store: Store) -> None:
    """Workers that locked claims in different orders would deadlock."""
    keys = [f"k{n:02}" for n in range(12)]
    due_timers(store, *keys)
    faults: list[BaseException] = []

    def one(owner: str) -> None:
        try:
            mine: list[str] = []
            for _ in range(100):
                with store.unit() as tx:
                    claims.turn(tx)
                    claims.release(tx, owner, items(*mine))
                    mine = [c.key for c in claims.take_over(tx, owner, NOW, 6)]
                    mine += [c.key for c in claims.take(tx, owner, NOW, 6)]
                    claims.defer(tx, owner, NOW, items(*mine[:2]), -1)  # expired at once: others take them over
        except BaseException as e:
            faults.append(e)

    threads = [threading.Thread(target=one, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_dead_workers_claim_runs_out_and_a_living_ones_is_renewed(store: Store) -> None:
    due_timers(store, "failed", "living")
    take(store, "one")
    almost, later = NOW + timedelta(seconds=SECONDS - 1), NOW + timedelta(seconds=SECONDS)
    with store.unit() as tx:
        claims.renew(tx, "one", almost, items("living"))
    assert take_over(store, "two", almost) == []
    assert take_over(store, "two", later) == ["failed"]
    with store.unit() as tx:
        claims.release(tx, "one", items("failed"))
    assert take_over(store, "three", later) == []
    assert take(store, "three", now=later) == [], "it is the second worker's now"


def test_our_own_rows_come_first_and_nothing_starves(store: Store) -> None:
    with store.unit() as tx:
        for n, name in enumerate(("old", "fresh")):
            tx.execute(insert(cursors), [{"connection": name, "due_at": ago((60, 1)[n])}])
        tx.execute(
            insert(incidents),
            [
                {"id": f"i{n}", "number": n, "fields": {}, "provenance": {}, "open": True, "created_at": NOW, "updated_at": NOW,
                 "plan_due": ago(2)}
                for n in range(3)
            ],
        )  # fmt: skip
        timers.set_timer(tx, "duplicates", "t", ago(2), {})
    order = []
    for _ in range(6):
        order += take(store, "one", 1)
    assert order[0] == "old", "a poll that has waited for a minute comes before what has just fallen due"
    assert sorted(order[1:4]) == ["i0", "i1", "i2"]
    assert order[4:] == ["t", "fresh"]


def test_a_connection_with_a_thousand_webhooks_hides_no_other(store: Store) -> None:
    row = {
        "method": "POST", "path": "/", "query": {}, "headers": {}, "body": b"", "state": "new", "received_at": NOW,
    }  # fmt: skip
    with store.unit() as tx:
        for name in ("busy", "quiet", "silent"):
            tx.execute(insert(connections), [{"name": name, "vendor": "x", "state": "enabled", "created_at": NOW}])
        told = [("busy", 5) for _ in range(50)] + [("quiet", 1)]
        rows = [
            {**row, "id": f"r{n}", "delivery_id": f"d{n}", "connection": c, "due_at": ago(s)}
            for n, (c, s) in enumerate(told)
        ]
        tx.execute(insert(inbox), rows)
    assert take(store, "one") == ["busy", "quiet"]


def test_a_task_that_raises_is_done_again_after_a_pause_that_grows(store: Store) -> None:
    due_timers(store, "a")
    assert take(store, "one") == ["a"]
    now, pauses = NOW, []
    for _ in range(9):
        with store.unit() as tx:
            claims.failed(tx, "one", now, items("a"))
            until = tx.execute(select(table.c.claimed_until)).scalar_one()
        pauses.append((until - now).total_seconds())
        assert take(store, "two", now=now) == []
        assert take_over(store, "one", until - timedelta(milliseconds=1)) == []
        assert take_over(store, "one", until) == ["a"]
        now = until
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE
    with store.reading() as tx:
        assert claims.failing(tx, 9) == [("duplicates", "a", 9)]
        assert claims.failing(tx, 10) == []


def test_the_sweep_finds_what_is_due_and_unclaimed_and_what_has_run_out(store: Store) -> None:
    def waiting(seconds: float = 0) -> object:
        with store.reading() as tx:
            return claims.next_waiting(tx, NOW + timedelta(seconds=seconds))

    assert waiting() is None
    due_timers(store, "a")
    assert waiting() == ("duplicates", "a")
    take(store, "one")
    assert waiting() is None
    assert waiting(SECONDS) == ("duplicates", "a")


def test_the_age_of_the_oldest_due_row_leaves_out_what_a_worker_is_at(store: Store) -> None:
    assert figures.oldest_due(store, NOW) == 0
    due_timers(store, "old", at=ago(90))
    due_timers(store, "young", at=ago(5))
    assert figures.oldest_due(store, NOW) == 90
    assert take(store, "one", 1) == ["old"]
    assert figures.oldest_due(store, NOW) == 5


def test_a_clock_that_steps_back_takes_the_claims_along(store: Store) -> None:
    due_timers(store, "a", at=ago(400))
    take(store, "one")
    back = NOW - timedelta(seconds=300)
    with store.unit() as tx:
        shift_back(tx, back, 300)
    assert take_over(store, "two", back + timedelta(seconds=SECONDS - 1)) == []
    assert take_over(store, "two", back + timedelta(seconds=SECONDS)) == ["a"]


def test_a_deferred_row_is_not_claimed_until_its_pause_ends(store: Store) -> None:
    due_timers(store, "a")
    take(store, "one")
    with store.unit() as tx:
        claims.defer(tx, "one", NOW, items("a"))
    assert take_over(store, "two", NOW + timedelta(seconds=AGAIN - 0.1)) == []
    assert take_over(store, "two", NOW + timedelta(seconds=AGAIN)) == ["a"]


@pytest.mark.postgres
def test_a_server_keeps_claims_out_of_its_log_of_changes(postgres_url: str) -> None:

    from hub.store import migrate

    migrate.upgrade(postgres_url)
    store = Store(postgres_url)
    with store.reading() as tx:
        kind = tx.execute(text("SELECT relpersistence FROM pg_class WHERE relname = 'claims'")).scalar()
    store.close()
    assert kind == "u"


@pytest.mark.parametrize("expired", [2, 24])
def test_no_more_expired_claims_are_taken_over_than_asked_for(store: Store, expired: int) -> None:
    """Also with statistics of an empty table, and once the driver has prepared the statement."""
    if not store.is_sqlite:
        with store.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE claims"))
    for _ in range(7):
        assert take_over(store, "me", NOW) == []
    keys = [f"k{n:02}" for n in range(expired)]
    due_timers(store, *keys)
    take(store, "dead", expired)
    with store.unit() as tx:
        assert len(claims.take_over(tx, "me", NOW + timedelta(seconds=SECONDS + 1), 1)) == 1


def test_a_row_that_a_dead_worker_has_claimed_counts_as_waiting_once_its_claim_has_run_out(store: Store) -> None:
    due_timers(store, "a", at=ago(3600))
    take(store, "dead")
    with store.unit() as tx:
        assert claims.oldest(tx, NOW) == {}
        assert claims.oldest(tx, NOW + timedelta(seconds=SECONDS + 1)) == {"duplicates": ago(3600)}
