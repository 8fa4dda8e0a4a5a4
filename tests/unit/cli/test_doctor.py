"""`lockstep doctor`: each problem once, in the part where it is, with a remedy that fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli import cli
from tests.unit.cli.test_cli import CONFIG
from workers import bootstrap


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, and a process without a hub."""
    (tmp_path / "lockstep.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "_hubs", {})
    return tmp_path


def run(line: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, line.split(), env=environ)


def found(line: str, **environ: str) -> list[dict[str, Any]]:
    """The findings of `lockstep doctor LINE`."""
    result = run(f"doctor --json {line}", **environ)
    findings: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    assert result.exit_code == any(f["level"] == "error" for f in findings)
    return findings


@pytest.mark.parametrize("part", ["timer", "connections", "work"])
def test_a_part_that_needs_the_database_reports_that_there_is_none(here: Path, part: str) -> None:
    (one,) = found(f"--part {part}")
    assert (one["part"], one["level"], one["remedy"]) == (part, "error", "run `lockstep migrate`")
    assert one["what"].startswith("could not be checked: there is no database")
