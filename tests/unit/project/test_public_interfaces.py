"""Libraries are used through their public interfaces, as their own documentation shows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.sources import ROOT, SOURCES, places

LIBRARIES = {"sqlalchemy", "alembic", "psycopg", "rq"}
"""Used through their public interface only, so that an upgrade cannot break the hub silently."""

PUBLIC = {"_mapping", "_asdict", "_fields", "_exit"}
"""Documented names that begin with an underscore: those of SQLAlchemy's rows, and `os._exit`."""

DRIVER = {"driver_connection", "dbapi_connection", "raw_connection"}
"""Names that bypass SQLAlchemy to the driver."""


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def _defined(tree: ast.Module) -> Iterator[str]:
    """Names that one of our modules defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def _imported(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """(line, local name, origin) of everything imported from one of the `LIBRARIES`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES:
            yield from ((node.lineno, a.asname or a.name, f"{node.module}.{a.name}") for a in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                (node.lineno, (a.asname or a.name).split(".")[0], a.name)
                for a in node.names
                if a.name.split(".")[0] in LIBRARIES
            )


def _root(node: ast.AST) -> str:
    """`a` of `a.b.c`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", "")


def _behind_the_door(tree: ast.Module, ours: set[str]) -> Iterator[tuple[int, str]]:
    """Uses of a library's private names. ours: every private name that the project defines itself."""
    imported = set()
    for line, here, there in _imported(tree):
        imported.add(here)
        if any(_private(part) for part in there.split(".")):
            yield line, f"import {there}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _private(node.attr):
            if node.attr not in ours or _root(node) in imported:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ClassDef) and any(_root(base) in imported for base in node.bases):
            for part in ast.walk(node):  # a private name of ours may also be one of the library's, or become one
                name = getattr(part, "attr", None) or getattr(part, "name", None) or getattr(part, "id", None)
                if isinstance(name, str) and _private(name) and not isinstance(part, ast.Name):
                    yield getattr(part, "lineno", node.lineno), f"{node.name}: {name}"


def _past_the_door(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Uses of `eval` and `exec`, and of the driver's own objects."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            yield node.lineno, f"{node.func.id}()"
        elif isinstance(node, ast.Attribute) and node.attr in DRIVER:
            yield node.lineno, node.attr
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "cursor"
            and not node.args
        ):
            yield node.lineno, ast.unparse(node)


TALKING = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in ("hub", "workers")]
"""Only these may import one of the `LIBRARIES` (import-linter)."""


def test_libraries_are_used_by_their_public_names_only() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    ours = {name for tree in trees.values() for name in _defined(tree)}
    found = ((path, line, what) for path in TALKING for line, what in _behind_the_door(trees[path], ours))
    assert places(found) == []


def test_no_code_is_made_of_text_and_statements_run_through_sqlalchemy() -> None:
    """A connection's settings are made in a "connect" event, by the driver's `execute`, as SQLAlchemy documents."""
    found = (
        (path, line, what)
        for path in SOURCES
        for line, what in _past_the_door(ast.parse(path.read_text(encoding="utf-8")))
    )
    assert places(found) == []


@pytest.mark.parametrize(
    "code",
    [
        "from sqlalchemy.sql import _elements_constructors",
        "from sqlalchemy.engine._py_row import Row",
        "import rq\nrq.worker._x()",
        "def f(engine): return engine._has_events",
        "from rq import Worker\nclass W(Worker):\n    def _install_signal_handlers(self): ...",
        "from rq import Worker\nclass W(Worker):\n    def f(self): return self._state",
        "def f(tx): tx.connection.driver_connection.execute('x')",
        "def f(driver): driver.cursor().execute('x')",
        "f = eval('1')",
    ],
)
def test_the_search_finds_what_goes_past_a_library_s_public_interface(code: str) -> None:
    tree = ast.parse(code)
    assert [*_behind_the_door(tree, {"_state"}), *_past_the_door(tree)]
