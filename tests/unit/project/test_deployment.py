"""The container images and the CI script keep the product's promises: two workers, no root, secrets by file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.cli import COMMANDS

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: s for name, s in COMPOSE["services"].items() if s.get("image") == "lockstep-hub"}


def test_the_parts_are_web_two_workers_timer_database_and_redis() -> None:
    assert set(COMPOSE["services"]) == {"postgres", "redis", "migrate", "web", "worker-1", "worker-2", "timer"}
    assert OURS["worker-1"]["command"] == OURS["worker-2"]["command"] == ["worker"]


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


SOURCES = {"hub", "adapters", "mappings", "workers", "wsgi.py", "README.md", "LICENSE"}
INSTALLS = {"pyproject.toml", "requirements.lock", "requirements.build.lock", ".ci/install.py"}


def _image() -> tuple[str, str]:
    """(the stage that installs, the final stage), without comments, each instruction on one line."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    first, second = re.split(r"^FROM ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]
    return first, second


def _copied(stage: str) -> list[str]:
    """The sources that are copied into the stage, in order, except those from another stage."""
    lines = [line.split()[1:-1] for line in stage.splitlines() if line.startswith("COPY") and "--from" not in line]
    return [name for line in lines for name in line]


def test_the_image_is_made_of_everything_that_the_package_is_made_of_and_of_what_installs_it() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == SOURCES | INSTALLS
    assert set(_copied(_image()[0])) == sent


def test_the_dependencies_are_a_layer_of_their_own_by_the_lock_and_its_hashes() -> None:
    build = _image()[0]
    before = build[: build.index("COPY README.md")]
    assert set(_copied(before)) == INSTALLS
    assert "--require-hashes --build-constraints requirements.build.lock -r chosen.txt" in before
    assert "--require-hashes --only-binary :all: -r requirements.build.lock" in before
    assert all("--no-deps" in line for line in re.findall(r"(?:pip install|pip wheel)[^&\n]*", build[len(before) :]))


def test_the_vendors_of_an_image_are_a_build_argument_and_all_of_them_unless_it_is_given() -> None:
    build = _image()[0]
    assert "\nARG EXTRAS=all\n" in build
    assert '--extras "$EXTRAS"' in build
    assert all(s["build"]["args"] == {"EXTRAS": "all"} for s in OURS.values())


def test_the_image_carries_only_what_runs() -> None:
    build, kept = _image()
    assert "python -m venv --without-pip /opt/lockstep" in build
    assert re.findall(r"^COPY.*$", kept, re.MULTILINE) == ["COPY --from=build /opt/lockstep /opt/lockstep"]
    assert not re.search(r"\b(pip|uv|apt-get)\b", kept)


def test_every_word_of_make_that_a_document_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    words = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for document in ("README.md", ".ci/run"):
        named = set(re.findall(r"^\s*make ([a-z]+)|`make ([a-z]+)", (ROOT / document).read_text(), re.MULTILINE))
        assert {a or b for a, b in named} - {"make", ""} <= words, document


def test_every_command_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"lockstep ([a-z][a-z-]*)", (ROOT / "README.md").read_text()))
    assert named <= set(COMMANDS)
