"""Every claim of SECURITY.md names a test that guards it, and that test exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.docs

PAGE = Path("hub/SECURITY.md").read_text(encoding="utf-8")
ROWS = [
    line for line in PAGE.splitlines() if line.startswith("| ") and not re.match(r"\| (who|secret|attack) \|", line)
]


def test_every_line_names_a_guard() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        guards = row.rstrip(" |").rpartition(" | ")[2]
        assert re.fullmatch(r"`[\w/]+\.py::test_\w+`(, `[\w/]+\.py::test_\w+`)*", guards), row


def test_every_guard_exists() -> None:
    for file, test in re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE):
        code = Path("tests", file).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", code, re.MULTILINE), f"{file}::{test}"
