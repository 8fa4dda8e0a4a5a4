"""Rules about the project's structure. (Import directions are contracts in `pyproject.toml`, checked by import-linter.)"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub.ports
from adapters.registry import BUILT_IN
from tests.sources import ROOT, SOURCES, TESTS, name_of, places

CLOCK = ROOT / "hub" / "clock.py"

LONGEST = 400
"""Most lines of a file: a longer one has more than one subject."""

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

NO_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|handlers?|misc|common)(_|$)")
"""File names that do not describe the content."""

NO_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError\(\)")
"""Unfinished work belongs into an issue, not into a comment."""


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
    """So that the simulation controls both."""
    found = [place for path in SOURCES if path != CLOCK for place in _tells_time(path)]
    assert places(iter(found)) == []
    assert list(_tells_time(CLOCK)), "the search finds what it looks for"


@pytest.mark.parametrize("vendor", BUILT_IN)
def test_a_vendor_is_one_folder(vendor: str) -> None:
    """Adapter, values, stand-in, README, word tables, and a world for the contract suite."""
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


def test_no_file_is_long() -> None:
    long = [
        f"{name_of(p)}: {n}"
        for p in SOURCES + TESTS
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    assert long == []


def test_every_name_says_what_it_is() -> None:
    assert [name_of(p) for p in SOURCES + TESTS if NO_NAMES.search(p.stem)] == []


def test_nothing_is_left_for_later() -> None:
    here = Path(__file__).resolve()
    found = [
        (path, number, line.strip())
        for path in SOURCES + TESTS
        if path != here
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NO_WORDS.search(line)
    ]
    assert places(iter(found)) == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name_of(p)
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


SPEAKING_FOR_THEMSELVES = {"Notebook.read", "Notebook.write", "Secrets.get"}
"""Explained in the docstring of their class."""


def test_every_port_is_explained() -> None:
    """The author of a third-party adapter reads the protocols only."""
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
    """`hub/domain` imports only itself and those parts of the standard library that do no I/O."""
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
                assert module.split(".")[0] in allowed, f"{name_of(path)} imports {module}"
                assert not module.startswith("hub.") or module.startswith("hub.domain"), (
                    f"{name_of(path)} imports {module}"
                )
