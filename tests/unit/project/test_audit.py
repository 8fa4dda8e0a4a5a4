"""The audit of the dependencies reports what it checked, and never takes a missing answer for "no vulnerability"."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import audit

WELL = {"name": "flask", "version": "3.1.1", "vulns": []}
OURS = {"name": "lockstep-hub", "skip_reason": "distribution marked as editable"}
UNKNOWN = {"name": "rq", "skip_reason": "Dependency not found and could not be audited: rq (3.0.1)"}
BAD = {
    "name": "jinja2", "version": "3.0.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.3", "4.0"], "aliases": ["CVE-1"], "description": "…"},
              {"id": "PYSEC-2", "fix_versions": [], "aliases": []}],
}  # fmt: skip

Stub = Callable[..., tuple[str, ...]]


@pytest.fixture
def stub(tmp_path: Path) -> Stub:
    """A program in place of pip-audit: prints these packages and this error output, and ends with this status."""

    def made(*packages: Any, said: str | None = None, complaint: str = "", status: int = 0, first: str = "") -> Any:
        text = json.dumps({"dependencies": packages, "fixes": []}) if said is None else said
        code = f"import sys, time, subprocess\n{first}\nprint({text!r})\nprint({complaint!r}, file=sys.stderr)\nsys.exit({status})"
        (tmp_path / "stub.py").write_text(code)
        return sys.executable, str(tmp_path / "stub.py")

    return made


def test_packages_without_known_vulnerabilities_pass_and_are_counted(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([], ["--required"]):
        assert audit.main(arguments, stub(WELL, WELL, OURS)) == 0
        assert capsys.readouterr().out == "known vulnerabilities: none; packages looked for: 2\n"


def test_a_known_vulnerability_fails_and_is_named_with_the_version_that_mends_it(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main([], stub(WELL, BAD, UNKNOWN, status=1, complaint="Found 2 known vulnerabilities")) == 1
    assert capsys.readouterr().out.splitlines() == [
        "known vulnerability: jinja2 3.0.0: PYSEC-1, CVE-1; mended in 3.1.3, 4.0",
        "known vulnerability: jinja2 3.0.0: PYSEC-2; mended in no version yet",
        "vulnerabilities were NOT looked for in: rq",
        "known vulnerabilities: 2; packages looked for: 2",
    ]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"packages": [UNKNOWN, OURS], "complaint": "No known vulnerabilities found"}, "about any of 2 packages"),
        ({"packages": []}, "about any of 0 packages"),
        ({"said": "", "status": 1, "complaint": "Traceback\nConnectionError: no such name"}, "ended with 1 and ConnectionError: no such name"),
        ({"said": "", "status": 1}, "ended with 1 and no word"),
        ({"said": "<html>", "status": 0}, "not understood"),
        ({"said": "[]"}, "not understood"),
        ({"packages": [{"name": "flask"}]}, "not understood"),
    ],
)  # fmt: skip
def test_where_nobody_answered_one_line_says_so_and_only_a_required_audit_fails(
    stub: Stub, capsys: pytest.CaptureFixture[str], given: dict[str, Any], why: str
) -> None:
    """Also if pip-audit got "not found" for every package, exits with 0 and reports no vulnerability."""
    command = stub(*given.pop("packages", ()), **given)
    for arguments, status in (([], 0), (["--required"], 1)):
        assert audit.main(arguments, command) == status
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith("vulnerabilities were NOT looked for: ")
        assert why in line


def test_a_package_that_was_not_looked_for_is_named_and_fails_a_required_audit(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, status in (([], 0), (["--required"], 1)):
        assert audit.main(arguments, stub(WELL, UNKNOWN)) == status
        assert "NOT looked for in: rq" in capsys.readouterr().out


def test_a_database_that_never_answers_is_not_waited_for(
    stub: Stub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a process that pip-audit started and that holds its output open."""
    monkeypatch.setattr(audit, "SECONDS", 1.0)
    waits = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\ntime.sleep(60)"
    assert audit.main([], stub(WELL, first=waits)) == 0
    assert capsys.readouterr().out == "vulnerabilities were NOT looked for: no answer within 1 s\n"


def test_without_pip_audit_nothing_was_looked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([], (sys.executable, "-m", "there_is_no_such_module")) == 0
    assert "NOT looked for: pip-audit ended with 1 and" in capsys.readouterr().out


def test_whoever_waits_for_the_style_to_be_checked_waits_half_a_minute_at_most() -> None:
    assert audit.SECONDS <= 30
    assert audit.ANSWER_SECONDS < audit.SECONDS
