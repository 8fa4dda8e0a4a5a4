"""Asks a public database whether the installed packages have known vulnerabilities: `python -m tests.audit [--required]`.

pip-audit makes the queries. It reports packages without an answer as skipped, and with all of them skipped it still reports no
known vulnerability and exits with 0: so it does if the database answers "not found" to every query. Here only packages with an
answer count as checked.

Exits with 1 if a vulnerability is known. If the database cannot be queried, it reports that and exits with 0; or, with
`--required`, with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

ASK = (
    sys.executable, "-m", "pip_audit", "--skip-editable", "--format", "json", "--desc", "off", "--progress-spinner", "off",
)  # fmt: skip
ANSWER_SECONDS = 5
"""Longest wait for one answer of the database."""
SECONDS, SECONDS_REQUIRED = 25.0, 300.0
"""Longest wait for all answers: short for `make check`, which is mostly run for the style; longer if the audit is required."""


class NotAsked(Exception):
    """The database could not be queried; the text gives the reason."""


@dataclass(frozen=True)
class Answer:
    """looked: number of packages that the database knows. skipped: names of those that it does not. vulnerable: a line for each
    vulnerability."""

    looked: int
    skipped: tuple[str, ...]
    vulnerable: tuple[str, ...]


def ask(command: Sequence[str], seconds: float) -> str:
    """What pip-audit prints. Raises NotAsked."""
    asking = subprocess.Popen(
        [*command, "--timeout", str(ANSWER_SECONDS)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,  # pip-audit starts other processes, which must end with it
    )  # fmt: skip
    try:
        said, complaint = asking.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise NotAsked(f"no answer within {seconds:g} s") from None
    finally:
        if asking.poll() is None:
            os.killpg(asking.pid, signal.SIGKILL)
            asking.wait()
    if not said.strip():
        last = (complaint.strip().splitlines() or ["no word"])[-1]
        raise NotAsked(f"pip-audit ended with {asking.returncode} and {last[:200]}")
    return said


def understood(said: str) -> Answer:
    """Parses pip-audit's output. Raises NotAsked if no package was checked."""
    try:
        found = json.loads(said)["dependencies"]
        answered = [package for package in found if "skip_reason" not in package]
        vulnerable = [_line(package, known) for package in answered for known in package["vulns"]]
    except (ValueError, LookupError, TypeError):
        raise NotAsked("pip-audit's answer is not understood") from None
    if not answered:
        raise NotAsked(f"the database has no answer about any of {len(found)} packages")
    ours = {package["name"] for package in found if "editable" in str(package.get("skip_reason"))}
    skipped = {package["name"] for package in found if "skip_reason" in package} - ours
    return Answer(len(answered), tuple(sorted(skipped)), tuple(sorted(vulnerable)))


def _line(package: dict, known: dict) -> str:
    names = ", ".join([known["id"], *known.get("aliases", ())])
    mended = ", ".join(known.get("fix_versions", ())) or "no version yet"
    return f"{package['name']} {package['version']}: {names}; mended in {mended}"


def main(arguments: Sequence[str], command: Sequence[str] = ASK) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description="Are vulnerabilities known?")
    parser.add_argument("--required", action="store_true", help="fail where nobody could be asked")
    required = parser.parse_args(arguments).required
    try:
        answer = understood(ask(command, SECONDS_REQUIRED if required else SECONDS))
    except NotAsked as e:
        print(f"vulnerabilities were NOT looked for: {e}")
        return int(required)
    for line in answer.vulnerable:
        print(f"known vulnerability: {line}")
    if answer.skipped:
        print(f"vulnerabilities were NOT looked for in: {', '.join(answer.skipped)}")
    print(f"known vulnerabilities: {len(answer.vulnerable) or 'none'}; packages looked for: {answer.looked}")
    return int(bool(answer.vulnerable or (required and answer.skipped)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
