"""A connection's table in the configuration: a key that no adapter reads is refused with its place and the key probably meant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters import registry
from adapters.http import Wire
from adapters.jira import settings as jira
from hub.settings.load import SettingsError, load
from hub.store.unit import Store
from mappings.vocabulary import packaged
from workers.bootstrap import build_hub
from workers.queue import NoWake

RIGHT: dict[str, dict[str, Any]] = {
    "pagerduty": {"from_email": "hub@example.com"},
    "jira": {
        "url": "https://x.y", "deployment": "cloud", "project": "PAY", "issue_type": "Bug", "email": "hub@example.com",
    },
    "teams": {"route": "workflow"},
    "statuspage": {"page_id": "p"},
    "cachet": {"url": "https://status.x.y"},
}  # fmt: skip


def written(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())


def problems(tmp_path: Path, vendor: str, more: str = "", **changed: Any) -> tuple[str, ...]:
    """The problems of one connection `x` of this vendor."""
    path = tmp_path / "lockstep.toml"
    path.write_text(f"[connections.x]\nvendor = '{vendor}'\n{written({**RIGHT.get(vendor, {}), **changed})}{more}")
    try:
        build_hub(load(path, {"LOCKSTEP_REDIS_URL": "none"}), wake=NoWake(), store=Store("sqlite://"))
    except SettingsError as e:
        return tuple(problem.removeprefix(f"{path}: ") for problem in e.problems)
    return ()


@pytest.mark.parametrize("vendor", RIGHT)
def test_what_is_right_is_taken(tmp_path: Path, vendor: str) -> None:
    assert problems(tmp_path, vendor) == ()


MISSPELT = {
    "isue_tpye": ("jira", "issue_type"),
    "stae": ("jira", "state"),
    "calls_per_minuet": ("statuspage", "calls_per_minute"),
    "reopn": ("pagerduty", "reopen"),
    "chanel": ("teams", "channel"),
    "pageid": ("statuspage", "page_id"),
    "ulr": ("cachet", "url"),
}


@pytest.mark.parametrize("key", MISSPELT)
def test_a_key_that_nobody_reads_is_refused_with_its_place_and_what_was_meant(tmp_path: Path, key: str) -> None:
    vendor, meant = MISSPELT[key]
    (problem,) = problems(tmp_path, vendor, **{key: "enabled"})
    assert problem.startswith(f"[connections.x].{key}: unknown key")
    assert f"did you mean {meant!r}?" in problem


def test_all_keys_that_nobody_reads_are_named_at_once_beside_what_they_left_out(tmp_path: Path) -> None:
    found = problems(tmp_path, "statuspage", pageid="p", page_id="", notfy=True)
    assert [problem.split(":")[0] for problem in found] == [
        "[connections.x].pageid", "[connections.x].notfy", "[connections.x]",
    ]  # fmt: skip


@pytest.mark.parametrize("vendor", RIGHT)
def test_a_word_table_for_a_field_that_is_none_is_refused(tmp_path: Path, vendor: str) -> None:
    (problem,) = problems(tmp_path, vendor, "[vocabulary.x]\nstatsu = [['resolved', 'Done']]\n")
    assert problem.startswith("[vocabulary.x].statsu: ")
    assert "did you mean 'status'?" in problem


@pytest.mark.parametrize(
    ("vendor", "key"),
    [("jira", "url"), ("cachet", "url"), ("pagerduty", "api_url"), ("teams", "login_url"), ("statuspage", "api_url")],
)
@pytest.mark.parametrize("address", ["https://h:notaport", "https://exa mple", "https://h:99999", "https://[::1"])
def test_an_address_that_leads_nowhere_is_refused_with_its_place(
    tmp_path: Path, vendor: str, key: str, address: str
) -> None:
    (problem,) = problems(tmp_path, vendor, **{key: address})
    assert problem.startswith(f"[connections.x].{key}: ")


@pytest.mark.parametrize(
    ("vendor", "key", "value"),
    [
        ("jira", "service_desk", "no"),
        ("pagerduty", "reopen", "no"),
        ("pagerduty", "notes_per_poll", True),
        ("statuspage", "notify", "no"),
        ("statuspage", "notify_changes", 0),
        ("cachet", "notify", "no"),
        ("teams", "lookback_days", "7"),
        ("teams", "subscription_minutes", True),
    ],
)
def test_a_switch_or_a_number_of_another_kind_is_refused(tmp_path: Path, vendor: str, key: str, value: Any) -> None:
    (problem,) = problems(tmp_path, vendor, **{key: value})
    assert f"setting {key!r} must be" in problem


class Read(dict[str, Any]):
    """A table that records which of its keys were read."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        super().__init__(table)
        self.seen: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.seen.add(key)
        return super().get(key, default)


EDITIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "jira": (
        RIGHT["jira"],
        {**RIGHT["jira"], "deployment": "dc"},
        {**RIGHT["jira"], "oauth_client_id": "a", "cloud_id": "b"},
    ),
    "statuspage": (RIGHT["statuspage"],),
    "cachet": (RIGHT["cachet"],),
}


def keys_read(vendor: str) -> Iterator[str]:
    for edition in EDITIONS[vendor]:
        table = Read(edition)
        if vendor == "jira":
            jira.read("x", table)
        else:
            spec = SimpleNamespace(
                name="x", settings=table, vocabulary=packaged(vendor), secrets=None, wire=Wire(), clock=None, ids=None
            )
            registry.vendors()[vendor]().build(spec)
        yield from table.seen


@pytest.mark.parametrize("vendor", EDITIONS)
def test_the_settings_that_an_adapter_declares_are_those_that_it_reads(vendor: str) -> None:
    assert set(keys_read(vendor)) == registry.vendors()[vendor]().SETTINGS


@pytest.mark.parametrize("vendor", registry.BUILT_IN)
def test_every_setting_stands_in_the_vendors_page(vendor: str) -> None:
    page = Path(f"adapters/{vendor}/README.md").read_text(encoding="utf-8")
    missing = {
        name for name in registry.vendors()[vendor]().SETTINGS if f"`{name}`" not in page and f"{name} = " not in page
    }
    assert missing == set()


def test_an_adapter_of_a_third_party_that_does_not_say_what_it_knows_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "vendors", lambda: {"tracker": SimpleNamespace})
    assert list(registry.unknown("tracker", ["anything"])) == []
    assert list(registry.unknown_tables("tracker", ["anything"], ())) == []
