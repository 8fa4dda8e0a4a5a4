"""`lockstep worker` and `lockstep timer` start only on tables that they can work with, and wait for a database that is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text

from hub.cli import cli
from hub.store import migrate
from tests.unit.cli.test_cli import CONFIG
from workers import bootstrap, worker
from workers.timer import Timer

LINES = ("worker", "worker --burst", "timer")
POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(params=["sqlite", POSTGRES])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/hub.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture(autouse=True)
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was started: instead of the loops of worker and timer, their names."""
    begun: list[str] = []
    (tmp_path / "lockstep.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "_hubs", {})
    monkeypatch.setattr(worker, "work_alone", lambda *args, **named: begun.append("worker"))
    monkeypatch.setattr(Timer, "run", lambda *args: begun.append("timer"))
    return begun


def run(line: str, url: str) -> Result:
    return CliRunner().invoke(cli, line.split(), env={"LOCKSTEP_DATABASE_URL": url})


def version(url: str, word: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :word"), {"word": word})
    engine.dispose()


@pytest.mark.parametrize("line", LINES)
def test_without_tables_or_with_older_ones_it_ends_and_says_what_to_do(url: str, line: str, started: list[str]) -> None:
    ended = run(line, url)
    words = "the database has no tables; run `lockstep migrate`"
    assert (ended.exit_code, ended.stderr.splitlines()[-1]) == (1, words)
    migrate.upgrade(url, "0001")
    ended = run(line, url)
    words = "the database has tables of an older version; run `lockstep migrate`"
    assert (ended.exit_code, ended.stderr.splitlines()[-1]) == (1, words)
    assert started == []


@pytest.mark.parametrize("line", LINES)
def test_on_tables_of_this_version_or_a_newer_one_it_starts(url: str, line: str, started: list[str]) -> None:
    migrate.upgrade(url)
    assert run(line, url).exit_code == 0
    version(url, "9999")
    assert run(line, url).exit_code == 0
    assert started == [line.split()[0]] * 2


@pytest.mark.parametrize("line", LINES)
def test_a_database_that_does_not_answer_is_waited_for(line: str, started: list[str]) -> None:
    assert run(line, "postgresql+psycopg://nobody@127.0.0.1:9/none").exit_code == 0
    assert started == [line.split()[0]]
