"""Statements that are ready: built, compiled and given their columns' types once, then run on the driver's own cursor.

Building and compiling a statement costs SQLAlchemy ten times what SQLite takes to answer it; the engine sends some ten of
them for each thing that it does, always the same ones. A `Ready` is one of those. The transaction stays `Store.unit`'s, the
errors stay SQLAlchemy's, and the values come and go through the columns' types, as with `Connection.execute`.

A statement names its values by `bindparam("name", type_=column.type)`. No list of values may stand in one (`IN`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]
Process = Callable[[Any], Any]


@dataclass(frozen=True)
class _Compiled:
    """sql: for this dialect. given: (name, as the driver wants it) of every value, in order; fixed: values that stand in
    the statement itself; columns: names of a row's columns; results: what makes a value of each, where anything must."""

    sql: str
    positional: bool
    given: tuple[tuple[str, Process | None], ...]
    fixed: dict[str, Any]
    columns: tuple[str, ...]
    results: tuple[tuple[int, Process], ...]


class Ready:
    """statement: an SQLAlchemy select, insert, update or delete."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def _for(self, dialect: Dialect) -> _Compiled:
        made = self._compiled.get(dialect.name)
        if made is None:
            made = self._compiled[dialect.name] = _compile(self._statement, dialect)
        return made

    def _run(self, tx: Connection, values: dict[str, Any]) -> tuple[Any, _Compiled]:
        """(the driver's cursor, to be closed; how to read it)"""
        if not tx.in_transaction():
            tx.begin()  # as `execute` would: a reader's statements see one state
        compiled = self._for(tx.dialect)
        values = {**compiled.fixed, **values}
        bound = {name: process(values[name]) if process else values[name] for name, process in compiled.given}
        given = tuple(bound[name] for name, _ in compiled.given) if compiled.positional else bound
        cursor = tx.connection.cursor()
        for told in tx.engine.dispatch.before_cursor_execute:
            told(tx, cursor, compiled.sql, given, None, False)
        try:
            cursor.execute(compiled.sql, given)
        except tx.dialect.loaded_dbapi.Error as e:
            cursor.close()
            raise _translated(e, compiled.sql, tx) from e
        return cursor, compiled

    def rows(self, tx: Connection, **values: Any) -> list[Row]:
        """Every row, as a tuple."""
        cursor, compiled = self._run(tx, values)
        found: list[Row] = cursor.fetchall()
        cursor.close()
        if not compiled.results:
            return found
        out = []
        for row in found:
            values_of = list(row)
            for position, process in compiled.results:
                values_of[position] = process(values_of[position])
            out.append(tuple(values_of))
        return out

    def mappings(self, tx: Connection, **values: Any) -> list[dict[str, Any]]:
        """Every row, as column → value."""
        found = self.rows(tx, **values)
        columns = self._for(tx.dialect).columns
        return [dict(zip(columns, row, strict=True)) for row in found]

    def first(self, tx: Connection, **values: Any) -> Row | None:
        found = self.rows(tx, **values)
        return found[0] if found else None

    def change(self, tx: Connection, **values: Any) -> int:
        """Carries out an insert, update or delete; returns how many rows it touched."""
        cursor, _ = self._run(tx, values)
        touched = int(cursor.rowcount)
        cursor.close()
        return touched


def _translated(error: Exception, sql: str, tx: Connection) -> BaseException:
    """The driver's error as SQLAlchemy's, so that `Store` need know one kind only."""
    dialect = tx.dialect
    lost = dialect.is_disconnect(error, tx.connection.driver_connection, None)  # type: ignore[arg-type]
    made = DBAPIError.instance(
        sql, {}, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=lost, dialect=dialect
    )
    if lost:
        tx.invalidate()
    return made


def _compile(statement: Any, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    names: Sequence[str] = compiled.positiontup if compiled.positional else list(binds)
    columns = list(statement.selected_columns) if statement.is_select else []
    results = []
    for position, column in enumerate(columns):
        process = column.type.dialect_impl(dialect).result_processor(dialect, None)
        if process is not None:
            results.append((position, process))
    return _Compiled(
        sql=compiled.string,
        positional=bool(compiled.positional),
        given=tuple((name, binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names),
        fixed={name: bind.value for name, bind in binds.items() if not bind.required},
        columns=tuple(column.name for column in columns),
        results=tuple(results),
    )
