"""The migrations end at exactly the tables that the code expects, on both databases, also when several processes run them at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from hub.store import migrate
from hub.store.tables import metadata
from hub.store.unit import Store, StoreUnavailable

POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(params=["sqlite", POSTGRES])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/hub.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()


def indexes(store: Store) -> dict[str, str]:
    """Every index by name, as the database itself describes it: partial conditions included."""
    query = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if store.is_sqlite
        else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    )
    with store.reading() as tx:
        return {name: definition for name, definition in tx.execute(text(query)) if "alembic" not in name}


def constraints(store: Store) -> dict[str, str]:
    """Every primary key, unique and foreign key constraint by name, as the database itself describes it."""
    query = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
        if store.is_sqlite
        else "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    )
    with store.reading() as tx:
        found = [(name, definition) for name, definition in tx.execute(text(query)) if "alembic" not in name]
    if store.is_sqlite:
        found = [
            pair for _, sql in found for pair in re.findall(r"CONSTRAINT (\w+) (\w+ KEY *\(.*?\)|UNIQUE \(.*?\))", sql)
        ]
    return dict(found)


def columns(store: Store) -> dict[tuple[str, str], str]:
    """Every column as the database itself describes it."""
    with store.reading() as tx:
        inspector = inspect(tx)
        return {
            (table, column["name"]): f"{column['type']!r} {column['nullable']} {column['default']}"
            for table in inspector.get_table_names()
            if table != "alembic_version"
            for column in inspector.get_columns(table)
        }


def test_the_steps_end_at_the_tables_of_the_code(url: str, store: Store) -> None:
    migrate.upgrade(url)
    with store.reading() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    migrated, steps, named = indexes(store), columns(store), constraints(store)
    with store.unit() as tx:
        tx.execute(text("DROP TABLE alembic_version"))
        metadata.drop_all(tx)
        metadata.create_all(tx)
    assert migrated == indexes(store)
    assert steps == columns(store)
    assert named == constraints(store)
    assert len(named) >= 25
    assert sum(" WHERE " in definition for definition in migrated.values()) >= 10


def test_an_upgrade_may_be_repeated_and_says_where_it_stands(url: str, store: Store) -> None:
    assert migrate.state(store) == migrate.EMPTY
    assert not migrate.at_head(url)
    migrate.upgrade(url)
    migrate.upgrade(url)
    assert migrate.state(store) == migrate.HEAD
    assert migrate.at_head(url)


def test_a_database_of_a_newer_version_is_left_alone(url: str, store: Store) -> None:
    migrate.upgrade(url)
    with store.unit() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert migrate.state(store) == migrate.AHEAD
    migrate.upgrade(url)
    assert migrate.state(store) == migrate.AHEAD


def test_tables_without_a_version_are_refused_in_words(url: str, store: Store) -> None:
    store.create_all()
    with pytest.raises(migrate.NotMigratable, match="no record of its version"):
        migrate.upgrade(url)


def test_many_processes_may_upgrade_at_once(url: str, store: Store) -> None:
    faults: list[BaseException] = []
    gate = threading.Barrier(4)

    def run() -> None:
        gate.wait()
        try:
            migrate.upgrade(url)
        except BaseException as e:
            faults.append(e)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert migrate.state(store) == migrate.HEAD


def test_an_upgrade_that_fails_changes_nothing(url: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("planted")

    original = migrate.command.upgrade

    def upgrade_then_fail(*args: object) -> None:
        original(*args)  # type: ignore[arg-type]
        fail()

    monkeypatch.setattr(migrate.command, "upgrade", upgrade_then_fail)
    with pytest.raises(RuntimeError, match="planted"):
        migrate.upgrade(url)
    assert migrate.state(store) == migrate.EMPTY
    assert indexes(store) == {}


def test_a_database_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(StoreUnavailable):
        migrate.upgrade("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(StoreUnavailable):
        migrate.at_head("postgresql://nobody@127.0.0.1:1/nothing")


@pytest.mark.postgres
def test_postgres_moments_come_back_as_they_went(postgres_url: str) -> None:
    migrate.upgrade(postgres_url)
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        kind = connection.execute(
            text(
                "SELECT data_type FROM information_schema.columns WHERE table_name = 'inbox' AND column_name = 'due_at'"
            )
        ).scalar()
    engine.dispose()
    assert kind == "timestamp with time zone"
