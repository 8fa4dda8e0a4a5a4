"""Secrets that arrive at run time are stored encrypted, the newest first, and never shown."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from hub.clock import ManualClock, SystemIds
from hub.domain.errors import Unauthorised
from hub.store.tables import vault as rows
from hub.store.unit import Store
from hub.store.vault import FRESH, KEPT, Vault, VaultLocked

KEY, OTHER = Fernet.generate_key(), Fernet.generate_key()


class Configured:
    """Secrets from the configuration."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get(self, name: str) -> str:
        if name not in self.values:
            raise Unauthorised(f"no {name}")
        return self.values[name]

    def all(self, name: str) -> list[str]:
        return [self.values[name]] if name in self.values else []

    def put(self, name: str, value: str) -> None:
        raise AssertionError("the configuration is never written")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store() -> Store:
    store = Store("sqlite://")
    store.create_all()
    return store


def opened(store: Store, clock: ManualClock, key: str | bytes = KEY) -> Vault:
    return Vault(store, clock, SystemIds(), key)


def ciphertexts(store: Store) -> list[bytes]:
    with store.reading() as tx:
        return list(tx.scalars(select(rows.c.ciphertext)))


def test_the_two_newest_values_are_kept_newest_first(store: Store, clock: ManualClock) -> None:
    vault = opened(store, clock)
    for value in ("first", "second", "third"):
        vault.put("jira-payments", "webhook", value)
        clock.advance(1)
    assert vault.all("jira-payments", "webhook") == ("third", "second")
    assert len(ciphertexts(store)) == KEPT


def test_values_of_other_names_and_connections_are_left_alone(store: Store, clock: ManualClock) -> None:
    vault = opened(store, clock)
    vault.put("a", "x", "1")
    vault.put("a", "y", "2")
    vault.put("b", "x", "3")
    for value in ("4", "5", "6"):
        vault.put("b", "y", value)
    assert [vault.all(*key) for key in (("a", "x"), ("a", "y"), ("b", "x"))] == [("1",), ("2",), ("3",)]
    assert vault.all("b", "nothing") == ()


def test_the_database_holds_no_value_in_clear(store: Store, clock: ManualClock) -> None:
    opened(store, clock).put("a", "x", "canary-value")
    assert all(b"canary" not in ciphertext for ciphertext in ciphertexts(store))


def test_a_wrong_key_is_said_clearly_and_shows_neither_value_nor_ciphertext(store: Store, clock: ManualClock) -> None:
    opened(store, clock).put("a", "refresh_token", "canary-value")
    with pytest.raises(VaultLocked) as e:
        opened(store, clock, OTHER).all("a", "refresh_token")
    text = str(e.value) + repr(e.value) + repr(e.value.__cause__)
    assert "LOCKSTEP_VAULT_KEY" in text
    assert "'refresh_token' of connection 'a'" in text
    assert "canary" not in text
    assert ciphertexts(store)[0].decode() not in text
    assert OTHER.decode() not in text


@pytest.mark.parametrize(
    "key",
    ["too short", "é" * 44, b"\xff" * 44, "," + KEY.decode() + ",x"],
    ids=["short", "no ascii", "no text", "a list with a bad one"],
)
def test_a_malformed_key_is_refused_when_the_vault_is_made(store: Store, clock: ManualClock, key: str | bytes) -> None:
    with pytest.raises(VaultLocked, match="LOCKSTEP_VAULT_KEY is not a Fernet key"):
        opened(store, clock, key)


@pytest.mark.parametrize("key", ["", b"", " , "])
def test_without_a_key_nothing_can_be_kept_and_the_error_names_the_variable(
    store: Store, clock: ManualClock, key: str | bytes
) -> None:
    vault = opened(store, clock, key)
    assert vault.all("a", "x") == ()
    with pytest.raises(Unauthorised, match="LOCKSTEP_VAULT_KEY is not set"):
        vault.put("a", "x", "value")
    opened(store, clock).put("a", "x", "value")
    clock.advance(FRESH)
    with pytest.raises(VaultLocked, match="LOCKSTEP_VAULT_KEY is not set"):
        vault.all("a", "x")


def test_an_older_key_still_opens_and_rotation_makes_it_unneeded(store: Store, clock: ManualClock) -> None:
    opened(store, clock, OTHER).put("a", "x", "old")
    both = opened(store, clock, KEY + b", " + OTHER)
    assert both.all("a", "x") == ("old",)
    assert both.rotate() == 1
    assert opened(store, clock, KEY).all("a", "x") == ("old",)


def test_the_vault_goes_before_the_configuration(store: Store, clock: ManualClock) -> None:
    secrets = opened(store, clock).secrets("a", Configured(token="configured", other="o"))
    assert secrets.get("token") == "configured"
    secrets.put("token", "arrived")
    assert secrets.get("token") == "arrived"
    assert secrets.all("token") == ["arrived", "configured"]
    assert secrets.all("other") == ["o"]
    assert secrets.all("none") == []
    with pytest.raises(Unauthorised, match="no none"):
        secrets.get("none")


def test_what_another_process_put_is_seen_within_two_seconds_or_at_once_when_asked(
    store: Store, clock: ManualClock
) -> None:
    web = opened(store, clock).secrets("a", Configured())
    assert web.all("x") == []
    opened(store, clock).put("a", "x", "new")
    assert web.all("x") == []
    web.refresh()
    assert web.all("x") == ["new"]
    clock.advance(1)
    opened(store, clock).put("a", "x", "newer")
    clock.advance(FRESH)
    assert web.all("x") == ["newer", "new"]


def test_neither_key_nor_values_are_in_the_repr(store: Store, clock: ManualClock) -> None:
    vault = opened(store, clock)
    vault.put("a", "x", "canary-value")
    vault.all("a", "x")
    assert KEY.decode() not in repr(vault)
    assert "canary" not in repr(vault.secrets("a", Configured()))
