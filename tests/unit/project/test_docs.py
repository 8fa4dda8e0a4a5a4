"""The documents are true: the matrix is current, links have targets, every file, command, test and secret that is named exists,
and every setting of a vendor is explained."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest

from adapters.registry import BUILT_IN
from hub.cli import cli
from tests.contract import matrix
from tests.contract.cases import DECLARED

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    p for p in ROOT.rglob("*.md") if not {".venv", "build", "node_modules", ".git"} & set(p.relative_to(ROOT).parts)
)
VENDOR_PAGES = [ROOT / "adapters" / vendor / "README.md" for vendor in BUILT_IN]

page = pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
vendor_page = pytest.mark.parametrize("path", VENDOR_PAGES, ids=lambda p: p.parent.name)


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _tests() -> str:
    """The text of all tests, to search for names."""
    return "\n".join(_text(p) for p in sorted((ROOT / "tests").rglob("*.py")))


def _prose(path: Path) -> str:
    """The page without its code blocks."""
    return re.sub(r"```.*?```", "", _text(path), flags=re.S)


# ---------------------------------------------------------------- the matrix


def test_the_capability_matrix_is_written_from_the_declarations() -> None:
    """`python -m tests.contract.matrix` writes it."""
    assert matrix.updated(_text(matrix.README)) == _text(matrix.README)


def test_every_connection_stands_in_the_matrix() -> None:
    shown = _text(matrix.README)
    for declared in DECLARED.values():
        assert f"| {declared.title} " in shown
        for words in declared.degraded:
            assert words[1:].rstrip(".") in shown


# ---------------------------------------------------------------- names in the pages


@page
def test_every_link_into_the_repository_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(path)):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            assert (path.parent / target.split("#")[0]).exists(), target


@page
def test_every_file_that_is_named_exists(path: Path) -> None:
    """Only paths below a package or the tests are checked."""
    for name in re.findall(r"`((?:hub|adapters|mappings|workers|tests)/[\w./-]+)`", _prose(path)):
        assert (ROOT / name.rstrip("/")).exists(), name


@page
def test_every_test_that_is_named_exists(path: Path) -> None:
    """A name that ends in `_` is the prefix of several."""
    for name in re.findall(r"\b(test_\w+)(?!\w*\.py)\b", _prose(path)):
        if not list((ROOT / "tests").rglob(f"{name}.py")):
            assert f"def {name}" + ("" if name.endswith("_") else "(") in _tests(), name


@page
def test_every_make_word_exists(path: Path) -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", _text(ROOT / "Makefile"), re.M))
    named = re.findall(r"(?:`|\$ )make (\w+)", _text(path))
    assert set(named) <= targets


NAMED = re.compile(
    r"`(?:\.venv/bin/)?lockstep((?: [a-z][a-z-]*)+)|^\s*\$ \.venv/bin/lockstep((?: [a-z][a-z-]*)+)", re.M
)
"""A command in a text: the words after `lockstep`, arguments in lower case included."""


def _no_commands(text: str) -> list[str]:
    """Commands that a text names and that do not exist."""
    wrong = []
    for match in NAMED.finditer(text):
        words, command = (match[1] or match[2]).split(), cli
        for word in words:
            if not isinstance(command, click.Group):
                break  # the rest are arguments
            found = command.get_command(click.Context(command), word)
            if found is None:
                wrong.append(" ".join(words))
                break
            command = found
    return wrong


@page
def test_every_command_that_a_page_names_exists(path: Path) -> None:
    assert _no_commands(_text(path)) == []


def test_every_command_that_a_message_names_exists() -> None:
    """A remedy that names a missing command is no remedy."""
    packages = ("hub", "adapters", "mappings", "workers")
    texts = {p.relative_to(ROOT).as_posix(): _text(p) for name in packages for p in (ROOT / name).rglob("*.py")}
    assert {name: wrong for name, text in texts.items() if (wrong := _no_commands(text))} == {}
    assert _no_commands("run `lockstep failed-writes retry ID` or `lockstep dead list`") == ["dead list"]


# ---------------------------------------------------------------- a vendor's page


@vendor_page
def test_a_vendors_page_has_its_parts(path: Path) -> None:
    """Set-up, promises, limits, blind windows, checklist."""
    text = _text(path).lower()
    for part in ("## set.*up", "promise", "limit", "blind", "## checklist"):
        assert re.search(part, text), part


@vendor_page
def test_the_checklist_is_graded_and_names_tests(path: Path) -> None:
    checklist = _text(path).split("## Checklist")[1]
    rows = [row for row in checklist.splitlines() if row.startswith("|") and not row.startswith(("|---", "| |"))]
    assert len(rows) >= 8
    for row in rows:
        assert re.search(r"\b(done|partly|not)\b", row), row
        if re.search(r"\| *done\b", row):
            assert re.search(r"`[\w/]*test_\w+", row), row


@vendor_page
def test_every_secret_of_a_vendor_is_explained(path: Path) -> None:
    code = "".join(_text(p) for p in path.parent.glob("*.py"))
    used = set(re.findall(r"secrets\.(?:get|all)\(\s*[\"'](\w+)", code))
    assert used
    for name in used:
        assert f"`{name}`" in _text(path), name


# ---------------------------------------------------------------- examples


@page
def test_every_piece_of_configuration_can_be_read(path: Path) -> None:
    for block in re.findall(r"```toml\n(.*?)```", _text(path), re.S):
        tomllib.loads(
            "\n".join(line.removeprefix("   ") if block.startswith("   ") else line for line in block.splitlines())
        )


@page
def test_pages_speak_of_the_project_alone(path: Path) -> None:
    """They name no path of a developer's machine."""
    assert not re.search(r"(?<![\w.])/(work|home|root|Users|tmp)/\w", _text(path))


def test_the_matrix_can_be_checked_from_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.contract.matrix", "--check"], cwd=ROOT, timeout=120)
    assert done.returncode == 0
