"""Which texts a secret's value is redacted from, and which stay."""

from __future__ import annotations

import json
import threading
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet

from hub.clock import ManualClock, SystemIds
from hub.redaction import GONE, MOST, Known
from hub.settings.environment import EnvSecrets
from hub.store.unit import Store
from hub.store.vault import Vault

VALUES = ("correct horse battery staple", 'it\'s "quoted"\\', "two\nlines of it", "schön & gut/100%")


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_taken_out_however_it_is_written(value: str) -> None:
    known = Known()
    known.learn(value)
    for written in (value, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe="")):
        assert known.without(f"before {written} after, {written}") == f"before {GONE} after, {GONE}"


def test_of_two_values_that_begin_alike_nothing_stays() -> None:
    known = Known()
    known.learn("abcdefgh", "abcdefgh-and-more")
    assert known.without("abcdefgh-and-more, abcdefgh") == f"{GONE}, {GONE}"


def test_what_is_short_or_unknown_stays_and_nothing_shows_a_value() -> None:
    known = Known()
    known.learn("", "ada", "abcdefgh")
    assert known.without("ada said abcdefg") == "ada said abcdefg"
    assert "abcdefgh" not in repr(known)


def test_values_that_many_threads_learn_at_once_are_all_known() -> None:
    known, begin = Known(), threading.Barrier(8)

    def learn(thread: int) -> None:
        begin.wait()
        for n in range(20):
            known.learn(f"value-{thread}-{n:02}")

    threads = [threading.Thread(target=learn, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = " ".join(f"value-{thread}-{n:02}" for thread in range(8) for n in range(20))
    assert known.without(said) == " ".join([GONE] * 160)


def test_of_values_that_rotate_for_ever_the_newest_are_known() -> None:
    known = Known()
    for n in range(MOST + 5):
        known.learn(f"value-{n:05}")
    assert repr(known) == f"<{MOST} values>"
    assert known.without(f"value-{MOST + 4:05} value-00000") == f"{GONE} value-00000"


def test_whatever_hands_a_secret_out_or_keeps_it_has_it_known(monkeypatch: pytest.MonkeyPatch) -> None:
    store, key, older = Store("sqlite://"), Fernet.generate_key().decode(), Fernet.generate_key().decode()
    store.create_all()
    of_environment, of_vault, in_another_process = Known(), Known(), Known()
    monkeypatch.setattr("hub.settings.environment.known", of_environment)
    monkeypatch.setattr("hub.store.vault.known", of_vault)
    base = EnvSecrets("pd", {"LOCKSTEP_PD_TOKEN": "value-one\nvalue-two", "LOCKSTEP_PD_OTHER": "value-other"})
    secrets = Vault(store, ManualClock(), SystemIds(), f"{key},{older}").secrets("pd", base)
    secrets.all("token")
    secrets.put("hook", "value-three")
    assert of_environment.without("value-one value-two value-other") == f"{GONE} {GONE} value-other"
    assert of_vault.without(f"value-three {key} {older}") == f"{GONE} {GONE} {GONE}"
    monkeypatch.setattr("hub.store.vault.known", in_another_process)
    assert Vault(store, ManualClock(), SystemIds(), key).secrets("pd", base).get("hook") == "value-three"
    assert in_another_process.without("value-three") == GONE
