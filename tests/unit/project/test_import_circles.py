"""No two modules import each other, directly or through others; a stand-in's `state.py` imports none of its other files."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from adapters.registry import BUILT_IN
from tests.sources import ROOT, SOURCES, TESTS, name_of


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
    """Each maximal set of modules that all import each other, directly or through others; sorted."""
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
            f"  {name_of(modules[importer])}:{line} imports {name}"
            for importer in circle
            for name, line in graph[importer].items()
            if name in circle
        )
        for circle in sorted(circles)
    ]
    assert not new, "import circles:\n" + "\n".join(new)


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
    """If `x.py` or `x/` is beside `x_y.py`, the latter belongs into a folder `x`. Exempt: the `routes_*` files of stand-ins."""
    names = {path.with_suffix("") for path in SOURCES if path.stem != "__init__"} | {path.parent for path in SOURCES}
    prefixed = {
        name_of(one) for one in names for part in [one.name.split("_")] for n in range(1, len(part))
        if (prefix := "_".join(part[:n])) not in ("", "routes") and one.with_name(prefix) in names
    }  # fmt: skip
    assert prefixed == set()


@pytest.mark.parametrize("vendor", BUILT_IN)
def test_what_a_stand_in_knows_needs_nothing_else_of_it(vendor: str) -> None:
    """`state.py` is imported by the other files of the stand-in, and imports none of them."""
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
