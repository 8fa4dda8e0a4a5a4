"""The shape of the house, kept by tests. (The directions of imports are contracts in `pyproject.toml`, kept by import-linter.)"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import hub.ports
from adapters.registry import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("hub", "adapters", "mappings", "workers")
SOURCES = [*sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py")), ROOT / "wsgi.py"]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
CLOCK = ROOT / "hub" / "clock.py"

LONGEST = 400
"""Lines. A file has one idea; this is where it surely has two."""

TIME_AND_CHANCE = {"time", "random", "secrets"}
"""Modules that only `hub/clock.py` may import."""

NOW = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("func", "now"),
    ("os", "urandom"),
    ("uuid", "uuid1"),
    ("uuid", "uuid4"),
}

KNOWN_CIRCLES: set[tuple[str, ...]] = {
    ("tests.simulation.adopting", "tests.simulation.choices", "tests.simulation.company", "tests.simulation.invariants", "tests.simulation.ledger", "tests.simulation.network", "tests.simulation.people", "tests.simulation.planned", "tests.simulation.publishing", "tests.simulation.sources", "tests.simulation.vendor", "tests.simulation.wakes", "tests.simulation.world"),
    ("workers.bootstrap", "workers.parent", "workers.supervisor", "wsgi"),
}  # fmt: skip
"""Import circles that are still there: the modules of each, sorted. No line may be added, and one that is gone is removed."""

NO_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|handlers?|misc|common)(_|$)")
"""Names that say nothing."""

NO_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError\(\)")
"""What is not finished is an issue, not a remark."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _places(found: Iterator[tuple[Path, int, str]]) -> list[str]:
    return [f"{_name(path)}:{line}: {what}" for path, line, what in found]


def _tells_time(path: Path) -> Iterator[tuple[Path, int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in TIME_AND_CHANCE:
                    yield path, node.lineno, f"import {alias.name}"
        elif (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and (node.module or "").split(".")[0] in TIME_AND_CHANCE
        ):
            yield path, node.lineno, f"from {node.module} import ..."
        elif isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if (owner, node.attr) in NOW:
                yield path, node.lineno, f"{owner}.{node.attr}"


def test_only_the_clock_knows_the_time_and_chance() -> None:
    """So that the simulation owns both."""
    found = [place for path in SOURCES if path != CLOCK for place in _tells_time(path)]
    assert _places(iter(found)) == []
    assert list(_tells_time(CLOCK)), "the search finds what it looks for"


@pytest.mark.parametrize("vendor", BUILT_IN)
def test_a_vendor_is_one_folder(vendor: str) -> None:
    """Its calls, its values, its stand-in, its page for people, its words, and its world for the contract suite."""
    folder = ROOT / "adapters" / vendor
    for name in ("adapter.py", "wire.py", "sandbox/__init__.py", "sandbox/state.py", "capability.py", "README.md"):
        assert (folder / name).is_file(), f"adapters/{vendor}/{name}"
    assert (ROOT / "mappings" / "vocabularies" / f"{vendor}.toml").is_file()
    assert (ROOT / "tests" / "contract" / "worlds" / f"{vendor}.py").is_file()
    assert list((ROOT / "tests" / "adapters" / vendor).glob("test_*.py"))


def test_every_folder_of_a_vendor_is_built_in() -> None:
    folders = {p.parent.name for p in (ROOT / "adapters").glob("*/adapter.py")}
    assert folders == set(BUILT_IN)


@pytest.mark.parametrize("vendor", BUILT_IN)
def test_pure_files_do_not_talk(vendor: str) -> None:
    """`wire.py` takes values and returns values: no transport, no state."""
    tree = ast.parse((ROOT / "adapters" / vendor / "wire.py").read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")])
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not {
        n for n in imported if n.split(".")[0] in ("requests", "httpx", "flask", "socket", "msgraph", "jira", "pypd")
    }


@pytest.mark.parametrize("vendor", BUILT_IN)
def test_what_a_stand_in_knows_needs_nothing_else_of_it(vendor: str) -> None:
    """`state.py` is passed down to the other files of the stand-in, and imports none of them."""
    package = f"adapters.{vendor}.sandbox"
    imported = _import_graph()[f"{package}.state"]
    assert {name for name in imported if name.startswith(package)} == set()


def test_no_adapter_imports_a_stand_in() -> None:
    """Stand-ins are for tests, benchmarks and the demo."""
    stand_in = re.compile(r"adapters\.\w+\.sandbox")
    found = [
        f"{importer} imports {name}"
        for importer, imported in _import_graph().items()
        if importer.split(".")[0] in ("hub", "adapters", "mappings") and not stand_in.match(importer)
        for name in imported
        if stand_in.match(name)
    ]
    assert found == []


@functools.cache
def _modules() -> dict[str, Path]:
    """Each module of the product and of the tests, by its dotted name; a package stands for its `__init__.py`."""
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in SOURCES + TESTS}
    return {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in parts.items()}


def _imported(name: str, path: Path, code: str, known: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    """The modules of `known` that `code` imports anywhere (in functions and under TYPE_CHECKING too), with the line.

    `from package import name` imports the module of that name, or, if there is none, the package.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            candidates = [(alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            candidates = [(f"{source}.{alias.name}", source) for alias in node.names]
        else:
            continue
        for module, otherwise in candidates:
            found = module if module in known else otherwise
            if found in known and found != name:
                yield found, node.lineno


@functools.cache
def _import_graph() -> dict[str, dict[str, int]]:
    """Module → what it imports → line."""
    modules = _modules()
    return {n: dict(_imported(n, path, path.read_text(encoding="utf-8"), modules)) for n, path in modules.items()}


def _circles(graph: Mapping[str, Mapping[str, int]]) -> set[tuple[str, ...]]:
    """Each largest set of modules that all import each other, directly or by way of others; sorted."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen, left = set[str](), [start]
        while left:
            new = set(graph[left.pop()]) - seen
            seen |= new
            left += new
        reached[start] = seen
    return {tuple(sorted(m for m in seen if start in reached[m])) for start, seen in reached.items() if start in seen}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions, under TYPE_CHECKING and in a package's `__init__` count."""
    modules, graph = _modules(), _import_graph()
    circles = _circles(graph)
    new = [
        f"{' + '.join(circle)}:\n"
        + "\n".join(
            f"  {_name(modules[importer])}:{line} imports {name}"
            for importer in circle
            for name, line in graph[importer].items()
            if name in circle
        )
        for circle in sorted(circles - KNOWN_CIRCLES)
    ]
    assert not new, "import circles:\n" + "\n".join(new)
    assert KNOWN_CIRCLES - circles == set(), "these circles are gone: remove them from KNOWN_CIRCLES"


def test_the_search_for_circles_sees_every_kind_of_import() -> None:
    code = {
        "p": "from p.a import A",
        "p.a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import B",
        "p.b": "def f():\n    from p import A, c",
        "p.c": "from .d import D",
        "p.d": "from . import c",
        "p.e": "import p.d",
    }
    paths = {name: Path("p/__init__.py" if name == "p" else f"{name.replace('.', '/')}.py") for name in code}
    graph = {name: dict(_imported(name, paths[name], code[name], paths)) for name in code}
    assert graph["p.b"] == {"p": 2, "p.c": 2}
    assert graph["p.e"] == {"p.d": 1}
    assert _circles(graph) == {("p", "p.a", "p.b"), ("p.c", "p.d")}


def test_no_prefix_of_file_names_should_be_a_folder() -> None:
    """`x.py` beside `x_y.py`, or `x/` beside it, says that `x_y` belongs into a folder `x`."""
    names = {path.with_suffix("") for path in SOURCES if path.stem != "__init__"} | {path.parent for path in SOURCES}
    prefixed = {
        _name(one) for one in names for part in [one.name.split("_")] for n in range(1, len(part))
        if (prefix := "_".join(part[:n])) and one.with_name(prefix) in names
    }  # fmt: skip
    assert prefixed == set()


def test_no_file_is_long() -> None:
    long = [
        f"{_name(p)}: {n}" for p in SOURCES + TESTS if (n := len(p.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    assert long == []


def test_every_name_says_what_it_is() -> None:
    assert [_name(p) for p in SOURCES + TESTS if NO_NAMES.search(p.stem)] == []


def test_nothing_is_left_for_later() -> None:
    here = Path(__file__).resolve()
    found = [
        (path, number, line.strip())
        for path in SOURCES + TESTS
        if path != here
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NO_WORDS.search(line)
    ]
    assert _places(iter(found)) == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        _name(p)
        for p in SOURCES
        if p.read_text(encoding="utf-8").strip() and not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ]
    assert silent == []


def _public(tree: ast.Module) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                        yield f"{node.name}.{part.name}", part


LIBRARIES = {"sqlalchemy", "alembic", "psycopg", "rq"}
"""Used through their public interface only, so that an upgrade cannot break the hub silently."""

PUBLIC = {"_mapping", "_asdict", "_fields", "_exit"}
"""Documented names that begin with an underscore: of SQLAlchemy's rows, and `os._exit`."""

DRIVER = {"driver_connection", "dbapi_connection", "raw_connection"}
"""Ways past SQLAlchemy to the driver."""


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def _defined(tree: ast.Module) -> Iterator[str]:
    """Names that a module of ours gives to something of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def _imported(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """(line, the name it has here, where it comes from) of everything from one of the `LIBRARIES`."""
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
    """Private names of a library. ours: every name that is defined here; what has none of those was not made by us."""
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
            for part in ast.walk(node):  # a private name of ours might be one of the library's too, or become one
                name = getattr(part, "attr", None) or getattr(part, "name", None) or getattr(part, "id", None)
                if isinstance(name, str) and _private(name) and not isinstance(part, ast.Name):
                    yield getattr(part, "lineno", node.lineno), f"{node.name}: {name}"


def _past_the_door(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Code made of text, and the driver's own objects."""
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
    assert _places(found) == []


def test_no_code_is_made_of_text_and_statements_run_through_sqlalchemy() -> None:
    """Settings of a connection are made in a "connect" event, by the driver's `execute`, as SQLAlchemy documents."""
    found = (
        (path, line, what)
        for path in SOURCES
        for line, what in _past_the_door(ast.parse(path.read_text(encoding="utf-8")))
    )
    assert _places(found) == []


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


SPEAKING_FOR_THEMSELVES = {"Notebook.read", "Notebook.write", "Secrets.get"}
"""Said in the docstring of their class."""


def test_every_port_is_explained() -> None:
    """Protocols are all that a third party reads."""
    tree = ast.parse(inspect.getsource(hub.ports))
    silent = {name for name, node in _public(tree) if not ast.get_docstring(node)}
    assert silent == SPEAKING_FOR_THEMSELVES


@pytest.mark.parametrize(
    "name", ["values", "capability", "errors", "vocabulary", "authority", "incident", "merge", "plan", "policy"]
)
def test_every_value_at_the_border_is_explained(name: str) -> None:
    tree = ast.parse((ROOT / "hub" / "domain" / f"{name}.py").read_text(encoding="utf-8"))
    silent = [what for what, node in _public(tree) if isinstance(node, ast.ClassDef) and not ast.get_docstring(node)]
    assert silent == []


def test_the_core_is_pure() -> None:
    """`hub/domain` needs nothing but itself and the standard library, and of that nothing that talks."""
    allowed = {
        "__future__", "collections", "dataclasses", "datetime", "enum", "functools", "hashlib", "itertools", "json", "pathlib",
        "re", "tomllib", "types", "typing", "hub",
    }  # fmt: skip
    for path in sorted((ROOT / "hub" / "domain").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                assert module.split(".")[0] in allowed, f"{_name(path)} imports {module}"
                assert not module.startswith("hub.") or module.startswith("hub.domain"), (
                    f"{_name(path)} imports {module}"
                )
