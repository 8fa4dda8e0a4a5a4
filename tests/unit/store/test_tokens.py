"""A token is shown once; the database has only its hash, its scope and its expiry."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from hub.clock import ManualClock, SystemIds
from hub.store import tokens
from hub.store.tables import tokens as rows
from hub.store.unit import Store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store() -> Store:
    store = Store("sqlite://")
    store.create_all()
    return store


def make(store: Store, clock: ManualClock, *scopes: str, **settings: object) -> tuple[str, str]:
    return tokens.create(store, clock, SystemIds(), "console", scopes or ("read",), **settings)  # type: ignore[arg-type]


def test_a_token_is_256_random_bits_and_only_its_hash_is_stored(store: Store, clock: ManualClock) -> None:
    id, token = make(store, clock)
    assert token.startswith("ls_")
    assert len(token) == 3 + 43
    with store.reading() as tx:
        row = tx.execute(select(rows)).mappings().one()
    assert row["id"] == id
    assert token not in str(dict(row))
    assert token[3:] not in str(dict(row))
    assert "hash" not in tokens.listed(store)[0]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("read", {"read"}), ("write", {"read", "write"}), ("admin", {"read", "write", "admin"})],
)
def test_each_scope_includes_those_before_it(store: Store, clock: ManualClock, scope: str, allowed: set[str]) -> None:
    grant = tokens.check(store, clock, make(store, clock, scope)[1])
    assert grant
    assert {s for s in tokens.SCOPES if grant.allows(s)} == allowed
    assert grant.name == "console"


def test_a_token_ends_when_it_expires(store: Store, clock: ManualClock) -> None:
    _, token = make(store, clock, lifetime=timedelta(hours=1))
    _, lasting = make(store, clock, lifetime=None)
    clock.advance(3599)
    assert tokens.check(store, clock, token)
    clock.advance(1)
    assert tokens.check(store, clock, token) is None
    clock.advance(10 * 365 * 86400)
    assert tokens.check(store, clock, lasting)


def test_a_revoked_token_is_worthless_at_once_and_others_are_not(store: Store, clock: ManualClock) -> None:
    id, token = make(store, clock)
    _, other = make(store, clock)
    assert tokens.revoke(store, clock, id) == 1
    assert tokens.check(store, clock, token) is None
    assert tokens.check(store, clock, other)
    assert tokens.revoke(store, clock, id) == 0
    assert tokens.revoke(store, clock, "console") == 1
    assert tokens.check(store, clock, other) is None
    assert [bool(row["revoked_at"]) for row in tokens.listed(store)] == [True, True]


@pytest.mark.parametrize(
    "token", ["", "ls_", "ls_unknown", "no prefix", "ls_" + "x" * 5000, "ls_\x00", "ls_\ud800", "ls_é"]
)
def test_what_is_no_token_of_ours_is_nobody(store: Store, clock: ManualClock, token: str) -> None:
    make(store, clock)
    assert tokens.check(store, clock, token) is None


@pytest.mark.parametrize(
    ("name", "scopes", "lifetime", "words"),
    [
        ("x", ["read", "root"], None, "not root"),
        ("x", [], None, "not none"),
        (" ", ["read"], None, "needs a name"),
        ("a\x00b", ["read"], None, "printable"),
        ("x" * 81, ["read"], None, "1 to 80"),
        ("x", ["read"], timedelta(0), "positive"),
        ("x", ["read"], timedelta(days=9_999_999), "at most 36500 days"),
    ],
)
def test_a_senseless_token_is_refused_in_words(
    store: Store, clock: ManualClock, name: str, scopes: list[str], lifetime: timedelta | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        tokens.create(store, clock, SystemIds(), name, scopes, lifetime)
    assert tokens.listed(store) == []
