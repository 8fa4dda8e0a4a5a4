"""The container images and the CI script say what the product is: two workers, no root, secrets by file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.cli import COMMANDS

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: s for name, s in COMPOSE["services"].items() if s.get("image") == "lockstep-hub"}


def test_the_parts_are_web_two_workers_timer_database_and_redis() -> None:
    assert set(COMPOSE["services"]) == {"postgres", "redis", "migrate", "web", "worker-1", "worker-2", "timer"}
    assert OURS["worker-1"]["command"] != OURS["worker-2"]["command"]


def test_everything_that_runs_on_has_a_healthcheck() -> None:
    assert [name for name, s in COMPOSE["services"].items() if "healthcheck" not in s and name != "migrate"] == []


def test_every_command_is_one_of_ours() -> None:
    assert all(s["command"][0] in COMMANDS for s in OURS.values())


def test_secrets_come_by_file_and_every_file_is_declared() -> None:
    for name, service in COMPOSE["services"].items():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|DATABASE_URL|KEY|TOKEN|SECRET", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_the_image_does_not_run_as_root() -> None:
    assert "\nUSER lockstep\n" in (ROOT / "Dockerfile").read_text()
    assert all(s["cap_drop"] == ["ALL"] for s in OURS.values())


def test_the_image_is_made_of_everything_that_the_package_is_made_of() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"hub", "adapters", "mappings", "workers", "wsgi.py", "pyproject.toml", "README.md", "LICENSE"} == sent


def test_every_word_of_make_that_a_document_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    words = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for document in ("README.md", ".ci/run"):
        named = set(re.findall(r"^\s*make ([a-z]+)|`make ([a-z]+)", (ROOT / document).read_text(), re.MULTILINE))
        assert {a or b for a, b in named} - {"make", ""} <= words, document


def test_every_command_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"lockstep ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named <= set(COMMANDS)
