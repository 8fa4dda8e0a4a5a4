"""`lockstep doctor`: each problem once, in the part where it is, with a remedy that fits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from sqlalchemy import update

from hub.cli import cli
from hub.ports import LeftOut
from hub.store.tables import connections
from tests.unit.cli.test_cli import CONFIG
from workers import bootstrap, connecting


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, and a process without a hub."""
    (tmp_path / "lockstep.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "_hubs", {})
    return tmp_path


def run(line: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, line.split(), env=environ)


def found(line: str, **environ: str) -> list[dict[str, Any]]:
    """The findings of `lockstep doctor LINE`."""
    result = run(f"doctor --json {line}", **environ)
    findings: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    assert result.exit_code == any(f["level"] == "error" for f in findings)
    return findings


@pytest.mark.parametrize("part", ["timer", "connections", "work"])
def test_a_part_that_needs_the_database_reports_that_there_is_none(here: Path, part: str) -> None:
    (one,) = found(f"--part {part}")
    assert (one["part"], one["level"], one["remedy"]) == (part, "error", "run `lockstep migrate`")
    assert one["what"].startswith("could not be checked: there is no database")


def test_redis_that_is_switched_off_is_switched_on_by_its_setting(here: Path) -> None:
    (one,) = found("--part redis", LOCKSTEP_REDIS_URL="none")
    assert one["level"] == "warn"
    assert "unset LOCKSTEP_REDIS_URL" in one["remedy"]
    assert "install" not in one["remedy"]


@pytest.mark.redis
def test_an_error_that_redis_answers_is_shown_in_its_own_words(here: Path, redis_url: str) -> None:
    (one,) = found("--part redis", LOCKSTEP_REDIS_URL=re.sub(r"\d+$", "999", redis_url))
    assert (one["level"], one["what"]) == ("error", "Redis answers with an error: DB index is out of range")
    assert "number of the database" in one["remedy"]


PASSWORD = "wrong-horse-battery"


@pytest.mark.parametrize(
    ("error", "words", "remedy"),
    [
        (redis.AuthenticationError(f"invalid password {PASSWORD}"), "invalid password [redacted]", "the password in"),
        (redis.exceptions.NoPermissionError("no permissions to run 'info'"), "no permissions", "grant"),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "loading the dataset", "wait"),
        (redis.ResponseError("unknown command"), "unknown command", "correct LOCKSTEP_REDIS_URL"),
    ],
)
def test_what_redis_refuses_has_a_remedy_and_no_password(
    here: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str, remedy: str
) -> None:
    def refuse(*args: Any, **named: Any) -> Any:
        raise error

    monkeypatch.setattr(redis.Redis, "info", refuse)
    (one,) = found("--part redis", LOCKSTEP_REDIS_URL=f"redis://:{PASSWORD}@127.0.0.1:9/0")
    assert one["level"] == "error"
    assert words in one["what"]
    assert remedy in one["remedy"]
    assert PASSWORD not in str(one)


def test_the_place_of_the_vault_key_is_named(here: Path) -> None:
    key = Fernet.generate_key().decode()
    file = here / ".lockstep" / "vault.key"
    file.parent.mkdir()
    file.write_text(key)
    for environ, place in (({}, str(file)), ({"LOCKSTEP_VAULT_KEY": key}, "LOCKSTEP_VAULT_KEY")):
        (one,) = found("--part vault", **environ)
        assert (one["level"], one["what"]) == ("ok", f"the key comes from {place}")
    elsewhere = here / "key"
    elsewhere.write_text(key)
    (one,) = found("--part vault", LOCKSTEP_VAULT_KEY_FILE=str(elsewhere))
    assert one["what"] == "the key comes from LOCKSTEP_VAULT_KEY_FILE"


def failing(reason: str) -> None:
    """Makes the connection's last calls failed ones, for this reason."""
    with bootstrap.of_this_process().store.unit() as tx:
        tx.execute(update(connections).values(failures=4, reason=reason))


def test_a_missing_secret_is_reported_once_and_names_its_connection_once(here: Path) -> None:
    assert run("migrate").exit_code == 0
    variable = "LOCKSTEP_JIRA_PAYMENTS_TOKEN"
    failing(f"secret 'token' is not set; set {variable}, or {variable}_FILE to a file that holds it")
    lines = [one for one in found("") if variable in one["what"]]
    assert [(one["part"], one["level"]) for one in lines] == [("connection jira-payments", "error")]
    assert "connection" not in lines[0]["what"]


def test_failed_calls_lead_to_the_checks_that_were_not_made(here: Path) -> None:
    assert run("migrate").exit_code == 0
    failing("HTTP 502")
    for parts, words in (("--part work", "run `lockstep doctor --part connections`"), ("", "above")):
        (one,) = (f for f in found(parts) if "the last 4 call(s) failed: HTTP 502" in f["what"])
        assert words in one["remedy"]
        assert ("lockstep doctor" in one["remedy"]) == bool(parts)


def test_a_connection_that_is_left_out_is_reported_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("migrate").exit_code == 0
    why = LeftOut("the package jira is not installed", "run `pip install 'lockstep-hub[jira]'`, then restart the hub")
    monkeypatch.setattr(connecting, "lacks", lambda *args: why)
    for parts in ("", "--part work", "--part connections"):
        lines = [one for one in found(parts) if "left out" in one["what"]]
        assert [one["remedy"] for one in lines] == [why.remedy]
