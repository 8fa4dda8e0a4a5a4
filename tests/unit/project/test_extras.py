"""A vendor's client library is imported when that vendor is called, and not before; if it is not installed, its connections are left
out and reported with the remedy, and the others run."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from adapters import registry
from hub.cli import cli
from hub.settings.load import SettingsError, load
from hub.store.unit import Store
from hub.sync.hub import ConnectionLeftOut, Hub
from workers import bootstrap
from workers.queue import NoWake

ROOT = Path(__file__).resolve().parents[3]

CONFIG = """
[hub]
redis = "none"
[connections.pager]
vendor = "pagerduty"
from_email = "hub@example.com"
[connections.tickets]
vendor = "jira"
url = "https://acme.example.com"
deployment = "cloud"
project = "PAY"
issue_type = "Bug"
email = "hub@example.com"
[connections.chat]
vendor = "teams"
route = "graph"
team = "19aa"
channel = "19:bb@thread.tacv2"
tenant = "t"
client_id = "c"
account = "a"
[connections.page]
vendor = "statuspage"
page_id = "p"
"""

NEEDED = {"pager": ("pypd", "pagerduty"), "tickets": ("jira", "jira"), "chat": ("msgraph", "teams")}
"""connection → (the module that it requires, the extra that installs it)."""


class Blocked(MetaPathFinder):
    """Makes a package appear as not installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def block(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Blocked(name), *sys.meta_path])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration of four vendors, and a process without a hub."""
    (tmp_path / "lockstep.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "_hubs", {})
    return tmp_path


def made(here: Path) -> Hub:
    return bootstrap.build_hub(load(here / "lockstep.toml", {}), wake=NoWake(), store=Store("sqlite://"))


def test_nothing_is_left_out_where_everything_is_installed(here: Path) -> None:
    hub = made(here)
    assert (set(hub.adapters), hub.left_out) == ({"pager", "tickets", "chat", "page"}, {})


@pytest.mark.parametrize("name", NEEDED)
def test_a_connection_without_its_library_is_left_out_with_the_remedy_and_the_others_are_there(
    here: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, extra = NEEDED[name]
    block(monkeypatch, module)
    hub = made(here)
    assert set(hub.left_out) == {name}
    assert set(hub.adapters) == {"pager", "tickets", "chat", "page"} - {name}
    assert f"package {module} is not installed" in hub.left_out[name].what
    assert f"pip install 'lockstep-hub[{extra}]'" in hub.left_out[name].remedy
    with pytest.raises(ConnectionLeftOut, match="pip install"):
        hub.adapter(name)


def test_the_settings_of_one_that_is_left_out_are_checked_all_the_same(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block(monkeypatch, "jira")
    (here / "lockstep.toml").write_text(CONFIG.replace('project = "PAY"', 'projct = "PAY"'))
    with pytest.raises(SettingsError) as caught:
        made(here)
    assert any("projct" in problem and "did you mean 'project'" in problem for problem in caught.value.problems)


def test_teams_over_a_workflow_needs_no_library() -> None:
    assert registry.lacks("teams", {"route": "workflow"}) is None


def test_every_extra_of_a_vendor_is_one_of_the_project_and_brings_what_its_adapter_needs() -> None:
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    modules = packages_distributions()
    for vendor in registry.BUILT_IN:
        needs = getattr(registry.vendors()[vendor](), "needs", lambda settings: {})({})
        for module, requirement in needs.items():
            assert requirement == f"lockstep-hub[{vendor}]"
            brought = {Requirement(line).name for line in offered[vendor]}
            assert {canonicalize_name(name) for name in modules[module]} & brought, f"{vendor}: {module}"
        assert bool(needs) == bool(offered[vendor]), vendor


def test_a_third_partys_adapter_that_cannot_be_imported_is_left_out(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_it() -> Any:
        raise ModuleNotFoundError("No module named 'acme_client'")

    there = registry.vendors()
    monkeypatch.setattr(registry, "vendors", lambda: {**there, "acme": load_it})
    (here / "lockstep.toml").write_text(CONFIG + '[connections.own]\nvendor = "acme"\n')
    hub = made(here)
    assert "acme_client" in hub.left_out["own"].what
    assert len(hub.adapters) == 4


def test_the_command_line_names_it_with_the_remedy(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block(monkeypatch, "jira")
    run = CliRunner()
    words = "pip install 'lockstep-hub[jira]'"
    checked = run.invoke(cli, ["config", "check"])
    assert checked.exit_code == 0
    assert "connection tickets would be left out" in checked.output
    assert words in checked.output
    assert run.invoke(cli, ["migrate"]).exit_code == 0
    listed = run.invoke(cli, ["connections", "list", "--json"]).output
    assert words in listed
    examined = run.invoke(cli, ["doctor", "--part", "connections"])
    assert examined.exit_code == 1
    assert words in examined.output
    asked = run.invoke(cli, ["connections", "subscribe", "tickets"])
    assert asked.exit_code == 1
    assert words in asked.output


def test_a_part_of_the_hub_logs_it_when_it_starts(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    block(monkeypatch, "pypd")
    with caplog.at_level(logging.WARNING):
        bootstrap.log_left_out(made(here))
    (record,) = [r for r in caplog.records if r.message == "a connection is left out"]
    assert record.connection == "pager"  # type: ignore[attr-defined]
    assert "lockstep-hub[pagerduty]" in record.remedy  # type: ignore[attr-defined]


CLIENTS = {"jira", "pypd", "msgraph", "msgraph_core", "azure", "httpx", "flask", "rq", "granian", "jwt", "structlog"}
STORES = {"sqlalchemy", "alembic", "psycopg", "redis", "cryptography"}


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["config", "check"], CLIENTS | STORES | {"asyncio"}),
        (["incident", "list"], CLIENTS | {"redis", "alembic"}),
        (["connections", "list"], CLIENTS | {"redis", "alembic"}),
    ],
    ids=["config check", "incident list", "connections list"],
)
def test_a_command_imports_nothing_that_it_does_not_need(here: Path, words: list[str], unwanted: set[str]) -> None:
    """`make bench` measures the time."""
    (here / "lockstep.toml").write_text(CONFIG.replace('redis = "none"', ""))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("LOCKSTEP_")}
    python = [sys.executable, "-c"]
    migrate = "from hub.cli import cli; cli(['migrate'])"
    subprocess.run([*python, migrate], check=True, capture_output=True, env=environ)
    code = (
        "import sys; from hub.cli import cli\n"
        f"try: cli({words!r})\n"
        "except SystemExit as e: print(e.code, *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([*python, code], check=True, capture_output=True, text=True, env=environ)
    ended, *modules = done.stderr.splitlines()[-1].split()
    assert ended == "0", done.stderr
    loaded = {module.partition(".")[0] for module in modules}
    assert "click" in loaded, "the list is there"
    assert sorted(loaded & unwanted) == []
    assert sorted(name for name in loaded if name.startswith("kiota")) == []
