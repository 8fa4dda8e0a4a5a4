"""Errors in a connection's settings or word tables are refused at start, with the place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.jira import capability
from adapters.jira.adapter import Jira, OAuthJira, build
from hub.domain.capability import CreateSafety, Gap
from hub.domain.incident import SEVERITIES, STATUSES
from hub.domain.values import COMMENT, INCIDENT
from hub.domain.vocabulary import VocabularyGap
from hub.ports import Historian, LinksBack, Probes, Subscribes, Walks
from tests.contract.worlds.jira import JiraWorld

WORLD = JiraWorld(cloud=True)


def built(settings: dict[str, Any] | None = None, vocabulary: dict[str, Any] | None = None, drop: str = "") -> Any:
    table = {k: v for k, v in (WORLD.spec.settings | (settings or {})).items() if k != drop}
    return build(replace(WORLD.spec, settings=table, vocabulary={**WORLD.spec.vocabulary, **(vocabulary or {})}))


@pytest.mark.parametrize("key", ["url", "deployment", "project", "issue_type", "email"])
def test_a_missing_setting_is_named(key: str) -> None:
    with pytest.raises(ValueError, match=rf"jira-ops: setting '{key}'"):
        built(drop=key)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"deployment": "server"}, "the hub does not detect it"),
        ({"url": "acme.atlassian.net"}, "https"),
        ({"walks": {"Done": ["In Progress"]}}, "ends with 'Done'"),
        ({"walks": {"Done": "Done"}}, "list"),
        ({"webhook_auth": "none"}, "one of"),
        ({"comment_mark": "label"}, "property"),
        ({"without": ["title"]}, "cannot be left out"),
        ({"deployment": "dc", "oauth_client_id": "x"}, "Cloud only"),
        ({"oauth_client_id": "x"}, "cloud_id"),
    ],
)
def test_a_setting_without_sense_is_refused_in_words(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        built(settings)


def test_a_table_with_a_gap_is_refused_with_the_place() -> None:
    with pytest.raises(VocabularyGap, match=r"jira-ops .*status.*'monitoring'"):
        built(vocabulary={"status": [[s, "Done"] for s in STATUSES if s != "monitoring"]})
    with pytest.raises(VocabularyGap, match=r"severity.*'SEV5'"):
        built(vocabulary={"severity": [[s, "High"] for s in SEVERITIES if s != "SEV5"]})
    with pytest.raises(VocabularyGap, match=r"their word 'Review'"):
        built({"walks": {"Done": ["Review", "Done"]}})


def test_a_project_without_priorities_needs_no_table_and_says_so() -> None:
    adapter = built({"without": ["severity"]}, {"severity": []})
    assert "severity" not in adapter.relations[INCIDENT]
    assert "severity" not in adapter.capabilities.kinds[INCIDENT].fields
    assert adapter.capabilities.degraded


def test_building_calls_nobody() -> None:
    world = JiraWorld(cloud=True)
    assert world.sandbox.calls == []


def test_what_is_declared() -> None:
    adapter = WORLD.adapter
    kind = adapter.capabilities.kinds[INCIDENT]
    assert kind.create is CreateSafety.FINDABLE
    assert kind.fields["status"].walks
    assert all(c.gap is Gap.HISTORY for c in kind.fields.values())
    assert adapter.capabilities.kinds[COMMENT].deletes
    assert adapter.capabilities.answer_within == 20.0
    for protocol in (Historian, Walks, Probes, LinksBack):
        assert isinstance(adapter, protocol)
    assert set(adapter.relations[INCIDENT]) == set(kind.fields) == set(capability.FIELDS)


def test_only_an_app_may_keep_its_own_webhook() -> None:
    assert not isinstance(WORLD.adapter, Subscribes)
    app = built({"oauth_client_id": "app", "cloud_id": "cloud-1"}, None)
    assert isinstance(app, OAuthJira)
    assert isinstance(app, Jira)
    assert isinstance(app, Subscribes)


@pytest.mark.parametrize("ours", STATUSES)
def test_status_obeys_both_laws_for_every_pair(ours: str) -> None:
    relation = WORLD.adapter.relations[INCIDENT]["status"]
    for _, theirs in WORLD.spec.vocabulary["status"]:
        assert relation.fits(ours, relation.forward(ours, theirs))
        assert relation.fits(relation.backward(ours, theirs), theirs)
        if relation.fits(ours, theirs):
            assert relation.forward(ours, theirs) == theirs
            assert relation.backward(ours, theirs) == ours
