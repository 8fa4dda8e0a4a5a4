"""The lock files agree with `pyproject.toml`, and an installation by them takes all that is needed and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.docs

ROOT = Path(__file__).resolve().parents[3]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN, TEST, BUILD = "requirements.lock", "requirements.test.lock", "requirements.build.lock"
VENDORS = ("pagerduty", "jira", "teams", "statuspage", "cachet")
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
OURS = PROJECT["project"]["name"]
TOOLS = {"pip", "setuptools", "uv", OURS}


def _installer() -> Any:
    spec = spec_from_file_location("install", ROOT / ".ci" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


install = _installer()


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def locked(name: str) -> dict[str, Requirement]:
    """package → its entry."""
    found = [Requirement(block.splitlines()[0].rstrip(" \\")) for _, _, block in install.entries(text(name))]
    return {canonicalize_name(one.name): one for one in found}


def direct(*extras: str) -> list[Requirement]:
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [one for one in map(Requirement, lines) if canonicalize_name(one.name) != OURS]


def asked(name: str) -> list[Requirement]:
    """The requirements of `pyproject.toml` that this file must lock."""
    runs = [extra for extra in EXTRAS if extra != "test"]
    return {
        RUN: direct(*runs), TEST: direct(*runs, "test"), BUILD: [*map(Requirement, PROJECT["dependency-groups"]["build"])],
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", [RUN, TEST, BUILD])
def test_each_direct_dependency_is_locked_in_a_version_that_the_project_allows(name: str) -> None:
    """`make lock KEEP=1` corrects it."""
    for wanted in asked(name):
        entry = locked(name).get(canonicalize_name(wanted.name))
        assert entry is not None, f"{name}: {wanted.name} is missing"
        (pin,) = entry.specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version, prereleases=True), f"{name}: {entry} is not {wanted}"


@pytest.mark.parametrize("name", [RUN, TEST, BUILD])
def test_each_entry_is_one_version_with_a_hash_and_no_address_stands_in_the_file(name: str) -> None:
    blocks = list(install.entries(text(name)))
    assert blocks
    for package, _, block in blocks:
        assert re.search(r"^    --hash=sha256:[0-9a-f]{64}( \\\\)?$", block, re.MULTILINE), package
        assert re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==", block), package
    assert "://" not in text(name)
    assert not re.search(r"^-", text(name), re.MULTILINE), "no option for pip"


def test_the_tests_run_with_the_versions_that_the_product_runs_with() -> None:
    runs, tests = locked(RUN), locked(TEST)
    assert runs.keys() <= tests.keys()
    assert [n for n in runs if runs[n].specifier != tests[n].specifier] == []


def test_all_is_every_other_extra_but_the_tests() -> None:
    (everything,) = map(Requirement, EXTRAS["all"])
    assert everything.extras == EXTRAS.keys() - {"all", "test"}
    assert set(VENDORS) <= EXTRAS.keys()


def needs(requirement: Requirement, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """The packages that this one requires, according to the installed metadata."""
    key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
    if key in seen or (
        requirement.marker and not any(requirement.marker.evaluate({"extra": e}) for e in extras | {""})
    ):
        return set()
    seen.add(key)
    found = {key[0]}
    for line in distribution(key[0]).requires or ():
        found |= needs(Requirement(line), key[1], seen)
    return found


@pytest.mark.parametrize("extras", ["", "pagerduty", "jira", "teams", "statuspage,cachet", "pagerduty,jira", "all"])
def test_what_is_chosen_for_some_extras_is_all_that_they_need(extras: str) -> None:
    """According to the requirements of the installed packages."""
    chosen = {
        name
        for name, _, _ in install.entries(
            install.chosen(text(RUN), PROJECT["project"], extras.split(",") if extras else [])
        )
    }
    names = [e for e in EXTRAS if e not in ("all", "test")] if extras == "all" else [*filter(None, extras.split(","))]
    seen: set[tuple[str, frozenset[str]]] = set()
    needed: set[str] = set()
    for requirement in direct(*names):
        try:
            needed |= needs(requirement, frozenset(), seen)
        except PackageNotFoundError as e:
            pytest.fail(f"{e} is not installed; run `make test`, which installs it")
    assert needed - TOOLS <= chosen
    for vendor, library in (("pagerduty", "pypd"), ("jira", "jira"), ("teams", "msgraph-sdk")):
        assert (library in chosen) == (vendor in names), library


def test_an_extra_that_is_not_there_is_refused_in_words() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "install.py", "--extras", "jria", "--print"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("there is no extra 'jria'; there are all, cachet,")


def test_pips_settings_hold_for_uv_too() -> None:
    listed = "\n".join([
        "global.index-url='https://user:word@index.example/simple'", "global.extra-index-url='https://a.example/s\\nhttps://b.example/s'",
        "global.find-links='/far'", ":env:.find-links='/near /other'", "global.cert='/etc/ca.pem'", "install.timeout='30'",
        "global.no-index='false'", "freeze.timeout='10'", "global.progress-bar='off'", "nonsense",
    ])  # fmt: skip
    assert install.as_uv(install.pip_settings(listed)) == {
        "UV_DEFAULT_INDEX": "https://user:word@index.example/simple",
        "UV_INDEX": "https://a.example/s https://b.example/s",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/near,/other",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_HTTP_TIMEOUT": "30",
    }


def test_no_file_that_installs_names_a_registry() -> None:
    for name in (
        "Makefile",
        "Dockerfile",
        "docker-compose.yml",
        "pyproject.toml",
        ".ci/install.py",
        ".ci/lock.py",
        ".ci/run",
    ):
        assert not re.search(r"pypi|pythonhosted|simple/", text(name)), name
