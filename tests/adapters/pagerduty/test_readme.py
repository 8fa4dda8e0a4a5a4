"""The README is correct: every setting, every test that the checklist names, every secret."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.pagerduty.capability import Settings

HERE = Path(__file__).parent
README = (HERE.parents[2] / "adapters" / "pagerduty" / "README.md").read_text("utf-8")


def test_every_setting_is_explained() -> None:
    table = README.split("| setting |")[1].split("| secret |")[0]
    named = set(
        re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `")))
    )
    assert named == set(Settings.__dataclass_fields__)


def test_every_test_of_the_checklist_exists() -> None:
    checklist = README.split("## Checklist")[1]
    named = re.findall(r"`(test_\w+\.py)(?:::(\w+))?`", checklist)
    assert len(named) > 20
    for file, test in named:
        assert f"def {test}" in (HERE / file).read_text("utf-8"), (file, test)


def test_every_secret_is_explained() -> None:
    code = "".join(p.read_text("utf-8") for p in (HERE.parents[2] / "adapters" / "pagerduty").glob("*.py"))
    used = set(re.findall(r"secrets\.(?:get|all|put)\([\"'](\w+)", code))
    assert used == {"api_token", "webhook_secret", "routing_key"}
    assert all(f"| `{name}` |" in README for name in used)
