"""Any content of `lockstep.toml` is used, or refused with a message that names the file and the place. Nothing else happens, it
takes little time and memory, and a value that may be a secret is never repeated. Adapters' own settings are included."""

from __future__ import annotations

import copy
import json
import math
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.settings.load import SettingsError, load
from hub.store.unit import Store
from tests.contract.bounds import bounded
from workers.bootstrap import build_hub
from workers.queue import NoWake

EXAMPLE: dict[str, Any] = tomllib.loads(Path("hub/example.toml").read_text(encoding="utf-8"))
EXAMPLE["connections"] |= {
    "page": {"vendor": "cachet", "url": "https://status.example.com"},
    "pd": {"vendor": "pagerduty", "from_email": "lockstep@example.com", "priorities": ["P1", "P2", "P3", "P4", "P5"]},
    "channel": {
        "vendor": "teams", "route": "graph", "tenant": "t", "client_id": "c", "team": "t", "channel": "19:x@thread.tacv2",
        "account": "a", "reactions": [["like", "ack"]], "people_names": {"ada": "Ada"},
    },
    "flow": {"vendor": "teams", "route": "workflow"},
    "dc": {
        "vendor": "jira", "url": "https://jira.example.com", "deployment": "dc", "project": "OPS", "issue_type": "Incident",
        "resolution": {"Done": "Done"}, "create_fields": {"customfield_1": "x"},
    },
}  # fmt: skip

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
words = st.sampled_from(
    ["", " ", "\x00", "jira", "pagerduty", "enabled", "SEV1", "https://x", "http://[", "{", "{0}", "{services.__class__}", "\u202e", "9" * 400]
)  # fmt: skip
leaves = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | texts | words | st.dates()
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=8)


def written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf") if math.isinf(value) else repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True) if value.isascii() else _text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(str(k))} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value)


def _text(value: str) -> str:
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in value) + '"'


def document(tables: dict[str, Any]) -> str:
    return "\n".join(f"{written(str(name))} = {written(value)}" for name, value in tables.items())


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(path: tuple[Any, ...], value: Any, how: str) -> dict[str, Any]:
    whole = copy.deepcopy(EXAMPLE)
    at: Any = whole
    for key in path[:-1]:
        at = at[key]
    if how == "replaced":
        at[path[-1]] = value
    elif how == "taken out":
        del at[path[-1]]
    elif isinstance(at, dict):
        at[f"{path[-1]}x"] = at.pop(path[-1])
    return whole


def tried(text: str, *, memory: bool = False) -> list[str]:
    """The problems; none if the hub could be built. memory: also check how much memory that takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lockstep.toml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        environ = {"LOCKSTEP_VAULT_KEY": Fernet.generate_key().decode(), "LOCKSTEP_DATABASE_URL": "sqlite://"}
        store = Store("sqlite://")
        store.create_all()
        try:
            with bounded(len(text), memory=memory):
                hub = build_hub(load(path, environ), wake=NoWake(), store=store)
            assert hub.adapters.keys() == hub.config.connections.keys()
            problems: tuple[str, ...] = ()
        except SettingsError as e:
            problems = e.problems
            assert problems, "refused without a reason"
        for problem in problems:
            assert problem.startswith(str(path)) or "LOCKSTEP_" in problem, f"which file? {problem}"
            assert len(problem) < 3_000
        return list(problems)


def test_the_document_that_is_spoilt_here_is_whole() -> None:
    assert tried(document(EXAMPLE)) == []


@settings(max_examples=40)
@given(
    path=st.sampled_from(sorted(places(EXAMPLE), key=str)),
    value=values,
    how=st.sampled_from(["replaced", "taken out", "renamed"]),
)
def test_one_part_of_it_replaced_missing_or_misspelt(path: tuple[Any, ...], value: Any, how: str) -> None:
    tried(document(replaced(path, value, how)))


@settings(max_examples=25)
@given(
    vendor=st.sampled_from(["pagerduty", "jira", "teams", "statuspage", "cachet", "nobody"]),
    table=st.dictionaries(
        st.sampled_from(["url", "project", "page_id", "api_url", "route", "reactions", "people_names", "walks", "priorities",
                         "services", "deployment", "state", "order", "max_body_bytes", "certificates", "from_email"]) | texts,
        values, max_size=6,
    ),
)  # fmt: skip
def test_a_connection_with_any_settings_at_all(vendor: str, table: dict[str, Any]) -> None:
    tried(document({"connections": {"one": {"vendor": vendor, **table}}}), memory=True)


@settings(max_examples=25)
@given(text=st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_any_text_at_all(text: str) -> None:
    tried(text)


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "a." * 2_000 + "b = 1", "x = " + "[" * 50_000, "x = '''" + "a" * 1_000_000]
)
def test_a_text_that_is_deep_or_huge(text: str) -> None:
    assert tried(text, memory=True)


SECRET = "whsec_canary-in-the-file-0123456789"


@settings(max_examples=25)
@given(path=st.sampled_from(sorted(places(EXAMPLE), key=str)))
def test_a_secret_anywhere_in_it_is_never_repeated(path: tuple[Any, ...]) -> None:
    if path[0] in ("vocabulary", "authority"):
        return
    assert not any(SECRET in problem for problem in tried(document(replaced(path, SECRET, "replaced"))))


TWICE = {
    "the same table": ('[connections.pd]\nvendor = "pagerduty"\n[connections.pd]\nvendor = "jira"\n', "connections"),
    "the same variables": ('[connections.a-b]\nvendor = "pagerduty"\n[connections.a_b]\nvendor = "pagerduty"\n', "a_b"),
}


@pytest.mark.parametrize("what", TWICE)
def test_a_connection_that_stands_there_twice_is_refused_with_its_name(what: str) -> None:
    text, name = TWICE[what]
    (problem,) = tried(text)
    assert name in problem


SAME: dict[str, tuple[str, dict[str, Any]]] = {
    "a Jira project": ("dc", {"url": "https://jira.example.com/", "issue_type": "Bug"}),
    "a Jira project in small letters": ("dc", {"url": "https://JIRA.Example.com", "project": "ops"}),
    "a Jira with its port": ("dc", {"url": "https://jira.example.com:443"}),
    "a Cachet with its port": ("page", {"url": "https://Status.Example.com:443/"}),
    "a channel": ("channel", {"account": "b"}),
    "a Cachet": ("page", {}),
}


@pytest.mark.parametrize("what", SAME)
def test_two_connections_that_lead_to_the_same_place_are_refused_with_both_names(what: str) -> None:
    name, changed = SAME[what]
    whole = copy.deepcopy(EXAMPLE)
    whole["connections"]["second"] = {**whole["connections"][name], **changed}
    (problem,) = tried(document(whole))
    assert "[connections.second]" in problem
    assert repr(name) in problem
    whole["connections"]["second"]["state"] = "disabled"
    assert tried(document(whole)) == []


def test_two_connections_of_one_vendor_to_different_places_are_fine() -> None:
    whole = copy.deepcopy(EXAMPLE)
    whole["connections"]["second"] = {**whole["connections"]["dc"], "project": "PAY"}
    whole["connections"]["another-port"] = {**whole["connections"]["dc"], "url": "https://jira.example.com:8443"}
    whole["connections"]["third"] = {**whole["connections"]["dc"], "jql": "project = OPS AND type = Bug"}
    whole["connections"]["flow-2"] = {"vendor": "teams", "route": "workflow"}
    whole["connections"]["pd-2"] = {**whole["connections"]["pd"]}
    assert tried(document(whole)) == []
