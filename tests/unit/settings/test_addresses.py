"""An unusable address is reported in one sentence with its place; neither the address nor any part of its password is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli import cli
from hub.settings.addresses import same, web_problem
from hub.settings.load import SettingsError, load
from hub.store.unit import Store, StoreUnavailable
from workers import bootstrap
from workers.up import NoFolder, lock

PASSWORD = "(escape @ / # in its password as %40 %2F %23)"

WRONG = {
    "LOCKSTEP_REDIS_URL": {
        "redis://:Tops3cret/xyz@127.0.0.1:6379/0": PASSWORD,
        "redis://:Tops3cret#xyz@127.0.0.1:6379/0": PASSWORD,
        "redis://:Tops3cret?xyz@127.0.0.1:6379/0": PASSWORD,
        "redis://:1234/Tops3cret@127.0.0.1:6379/0": PASSWORD,
        "redis://:[Tops3cret@127.0.0.1:6379/0": PASSWORD,
        "redis://h:notaport/0": "its port is not a number",
        "redis://h:99999/0": "its port is not a number",
        "redis://h/0?bogus=1": "an option behind its ?",
        "redis://h/0?socket_timeout=abc": "an option behind its ?",
    },
    "LOCKSTEP_DATABASE_URL": {
        "mysql://u:Tops3cret@h/db": "it must begin with sqlite:/// or postgresql://",
        "postgresql://u:Tops3@cret@127.0.0.1:1/db": PASSWORD,
        "postgresql://u:Tops3cret/db": PASSWORD,
        "postgresql://u:Tops3cret@h:notaport/db": "its host or port cannot be read",
        "postgresql://u:Tops3cret@[::1/db": "its host or port cannot be read",
        "postgresql://u:Tops3cret@h:99999/db": "its port is not a number",
        "postgresql://u:Tops3cret@h/db?bogus=1": "an option behind its ?",
        "sqlite://x.db": "three slashes",
        "sqlite:///x.db?bogus=1": "an option behind its ?",
        "sqlite:////dev/null/x.db": "/dev/null is not a folder",
        "sqlite:////tmp": "/tmp is not a SQLite database",
    },
    "LOCKSTEP_DATA": {"~nosuchuser/x": "there is no user", "/dev/null": "/dev/null is not a folder"},
    "LOCKSTEP_LOG_LEVEL": {"LOUD": "it must be one of CRITICAL"},
}  # fmt: skip

RIGHT = [
    "postgresql://u:a%40b%2Fc%23d@h/db", "postgres://u:a/b@[::1]:5432/db?sslmode=require", "postgresql+psycopg://h1,h2/db",
    "postgresql:///db?host=/var/run/postgresql", "sqlite://", "sqlite:///x.db", "sqlite:///x.db?timeout=5",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "words"), [(name, value, words) for name, of in WRONG.items() for value, words in of.items()]
)
def test_an_address_that_cannot_be_used_is_one_sentence_with_its_place_and_without_its_password(
    tmp_path: Path, name: str, value: str, words: str
) -> None:
    (tmp_path / "lockstep.toml").write_text("")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "lockstep.toml", {name: value})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{name}: ")
    assert words in problem
    assert "ops3" not in problem
    assert "cret" not in problem
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "address",
    ["redis://:a%2Fb@h:1/0", "redis://:a@b@h/0", "rediss://u@[::1]/1?ssl_cert_reqs=none", "unix:///a@b/x.sock?db=0"],
)
def test_a_redis_that_its_client_can_read_is_left_alone(tmp_path: Path, address: str) -> None:
    (tmp_path / "lockstep.toml").write_text("")
    assert load(tmp_path / "lockstep.toml", {"LOCKSTEP_REDIS_URL": address}).redis_url == address


@pytest.mark.parametrize("address", RIGHT)
def test_an_address_that_the_driver_can_read_is_left_alone(tmp_path: Path, address: str) -> None:
    (tmp_path / "lockstep.toml").write_text("")
    assert load(tmp_path / "lockstep.toml", {"LOCKSTEP_DATABASE_URL": address}).database_url == address


IN_FILE = {
    '[hub]\ndatabase = "sqlite:////tmp/a\\u0000b"': "[hub].database: there is a NUL character in it",
    '[hub]\ndata_dir = "a\\u0000b"': "[hub].data_dir: there is a NUL character in it",
    '[hub]\nredis = "redis://h:x/0"': "[hub].redis: this is not a valid address",
    '[hub]\ndatabase = "sqlite:///words.txt"': "words.txt is not a SQLite database",
    "x = " + "9" * 5000: "a number in it has too many digits",
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), IN_FILE.items(), ids=IN_FILE.values())
def test_what_the_file_says_of_the_hubs_own_parts_is_refused_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("no database at all")
    (tmp_path / "lockstep.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "lockstep.toml", {})
    (problem,) = caught.value.problems
    assert problem.startswith(str(tmp_path / "lockstep.toml"))
    assert words in problem


def test_a_vault_key_that_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "lockstep.toml").write_text("")
    (tmp_path / "vault.key").write_text("schl\u00fcssel")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "lockstep.toml", {"LOCKSTEP_DATA": str(tmp_path)})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{tmp_path / 'vault.key'}: this is not a vault key")
    assert "schl" not in problem


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder in which nobody can make another")
@pytest.mark.parametrize("line", ["doctor", "incident list", "worker --burst", "migrate", "up"])
def test_a_data_folder_that_cannot_be_made_ends_every_command_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (tmp_path / "lockstep.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "_hubs", {})
    monkeypatch.setenv("LOCKSTEP_DATA", "/proc/nope")
    result = CliRunner().invoke(cli, line.split())
    assert result.exit_code in (1, 2), result.exception
    asks = line in ("doctor", "incident list")
    assert ("/proc/nope/lockstep.db" if asks else "/proc/nope cannot be made") in result.output


def test_a_data_folder_that_cannot_be_used_is_named_when_a_hub_is_started_on_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoFolder, match="set LOCKSTEP_DATA"):
        lock(tmp_path / "file" / "data")


def test_a_database_that_became_something_else_is_not_available(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'x.db'}")
    (tmp_path / "x.db").write_text("no database at all" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"), store.reading():
        pass
    store.close()


@pytest.mark.parametrize(
    "address", ["https://h:notaport", "https://exa mple", "https://h:99999", "https://[::1", "https://", "ftp://h", "h"]
)
def test_a_web_address_that_leads_nowhere_is_told(address: str) -> None:
    assert web_problem(address)


@pytest.mark.parametrize(
    "address", ["https://x.y", "https://x.y/", "HTTPS://X.Y/", "https://x.y:443", "https://x.y.:443/", "https://x.y:"]
)
def test_an_address_is_the_same_however_it_is_spelled(address: str) -> None:
    assert web_problem(address) is None
    assert same(address) == "https://x.y"


def test_addresses_that_lead_elsewhere_stay_apart() -> None:
    there = ["https://x.y", "http://x.y", "https://x.y:8443", "https://x.y/jira", "https://x.y/JIRA", "https://[::1]:1"]
    assert len({same(one) for one in there}) == len(there)
