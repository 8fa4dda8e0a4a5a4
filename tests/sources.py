"""The files of the product and of its tests, for tests that read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("hub", "adapters", "mappings", "workers")
SOURCES = [*sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py")), ROOT / "wsgi.py"]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    """The path within the repository."""
    return path.relative_to(ROOT).as_posix()


def places(found: Iterator[tuple[Path, int, str]]) -> list[str]:
    """(file, line, what) as one line of text each."""
    return [f"{name_of(path)}:{line}: {what}" for path, line, what in found]
