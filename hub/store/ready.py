"""Statements that are ready: built, compiled and given their columns' types once, then run on the driver's own cursor.

Building and compiling a statement costs SQLAlchemy ten times what SQLite takes to answer it; the engine sends some ten of
them for each thing that it does, always the same ones. A `Ready` is one of those. The transaction stays `Store.unit`'s,
which also knows what the driver's errors mean, and the values come and go through the columns' types, as with
`Connection.execute`.

A statement names its values by `bindparam("name", type_=column.type)`. No list of values may stand in one (`IN`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.engine import Dialect

from hub.store.tables import Utc, from_json, microseconds, moment, to_json
from hub.store.unit import Tx

Row = tuple[Any, ...]
Process = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """sql: for this dialect. given: (name, as the driver wants it) of every value, in order; fixed: values that stand in
    the statement itself; results: what makes a value of each column, where anything must; mapping: makes a row one."""

    sql: str
    positional: bool
    given: tuple[tuple[str, Process | None], ...]
    fixed: dict[str, Any]
    results: tuple[tuple[int, Process], ...]
    mapping: Callable[[Row], dict[str, Any]]


class Ready:
    """statement: an SQLAlchemy select, insert, update or delete."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def _run(self, tx: Tx, values: dict[str, Any]) -> _Compiled:
        """Leaves the answer in the transaction's cursor; returns how to read it."""
        compiled = self._compiled.get(tx.dialect.name)
        if compiled is None:
            compiled = self._compiled[tx.dialect.name] = _compile(self._statement, tx.dialect)
        if compiled.fixed:
            values = {**compiled.fixed, **values}
        given: Any
        if compiled.positional:
            given = tuple([process(values[name]) if process else values[name] for name, process in compiled.given])
        else:
            given = {name: process(values[name]) if process else values[name] for name, process in compiled.given}
        if tx.hurried:
            tx.cursor = tx.driver.cursor()  # the last one's answer is still to come
        cursor = tx.cursor
        for told in tx.told:
            told(tx.sa, cursor, compiled.sql, given, None, False)
        cursor.execute(compiled.sql, given)
        return compiled

    def rows(self, tx: Tx, **values: Any) -> list[Row]:
        """Every row, as a tuple."""
        compiled = self._run(tx, values)
        found: list[Row] = tx.cursor.fetchall()
        if not compiled.results:
            return found
        out = []
        for row in found:
            values_of = list(row)
            for position, process in compiled.results:
                value = values_of[position]
                if value is not None:
                    values_of[position] = process(value)
            out.append(tuple(values_of))
        return out

    def mappings(self, tx: Tx, **values: Any) -> list[dict[str, Any]]:
        """Every row, as column → value."""
        compiled = self._run(tx, values)
        return [compiled.mapping(row) for row in tx.cursor.fetchall()]

    def first(self, tx: Tx, **values: Any) -> Row | None:
        found = self.rows(tx, **values)
        return found[0] if found else None

    def change(self, tx: Tx, **values: Any) -> int:
        """Carries out an insert, update or delete; returns how many rows it touched (-1 in a hurry: not known yet)."""
        self._run(tx, values)
        return int(tx.cursor.rowcount)


class Together:
    """Several questions at once. A server is asked all of them before the first answer is waited for; a file is asked each
    when its answer is wanted."""

    def __init__(self, tx: Tx, *asked: tuple[Ready, dict[str, Any]]) -> None:
        self._tx, self._asked = tx, asked
        self._answers: list[tuple[_Compiled, Any]] | None = None
        if tx.pipelines:
            self._answers = []
            with tx.driver.pipeline():
                for ready, values in asked:
                    tx.cursor = tx.driver.cursor()
                    self._answers.append((ready._run(tx, values), tx.cursor))

    def mappings(self, number: int) -> list[dict[str, Any]]:
        """The answer to one of them: every row, as column → value."""
        if self._answers is None:
            ready, values = self._asked[number]
            return ready.mappings(self._tx, **values)
        compiled, cursor = self._answers[number]
        return [compiled.mapping(row) for row in cursor.fetchall()]


def _compile(statement: Any, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    names: Sequence[str] = compiled.positiontup if compiled.positional else list(binds)
    columns = list(statement.selected_columns) if statement.is_select else []
    readers = [_reader(column.type, dialect) for column in columns]
    return _Compiled(
        sql=compiled.string,
        positional=bool(compiled.positional),
        given=tuple((name, _writer(binds[name].type, dialect)) for name in names),
        fixed={name: bind.value for name, bind in binds.items() if not bind.required},
        results=tuple((position, process) for position, process in enumerate(readers) if process is not None),
        mapping=_mapping([column.name for column in columns], readers),
    )


def _mapping(names: Sequence[str], readers: Sequence[Process | None]) -> Callable[[Row], dict[str, Any]]:
    """A row as column → value: a function written out for these columns, as `dataclass` writes one. Of thirty columns most
    are taken as they are, NULL, or empty JSON."""
    made = []
    for position, (name, process) in enumerate(zip(names, readers, strict=True)):
        value = f"row[{position}]"
        if process is from_json:
            value = f"{{}} if {value} == '{{}}' else None if {value} is None else read{position}({value})"
        elif process is not None:
            value = f"None if {value} is None else read{position}({value})"
        made.append(f"{name!r}: {value}")
    known = {f"read{position}": process for position, process in enumerate(readers)}
    function: Callable[[Row], dict[str, Any]] = eval(f"lambda row: {{{', '.join(made)}}}", known)  # noqa: S307
    return function


def _writer(kind: Any, dialect: Dialect) -> Process | None:
    """What makes of a value what the driver takes."""
    if dialect.name == "sqlite" and isinstance(kind, Utc):
        return lambda value: None if value is None else microseconds(value)
    if dialect.name == "sqlite" and isinstance(kind, JSON) and kind.none_as_null:
        return lambda value: None if value is None else to_json(value)
    process: Process | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return process


def _reader(kind: Any, dialect: Dialect) -> Process | None:
    """What makes a value of what the driver returns, NULL apart. The two kinds that most columns have are read straight."""
    if dialect.name == "sqlite" and isinstance(kind, Utc):
        return moment
    if dialect.name == "sqlite" and isinstance(kind, JSON):
        return from_json
    process: Process | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return process
