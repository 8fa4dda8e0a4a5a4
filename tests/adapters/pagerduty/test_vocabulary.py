"""Every relation keeps both laws, and invalid settings are refused at start, with the place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.pagerduty.adapter import build
from hub.domain.incident import SEVERITIES, STATUSES
from hub.domain.values import INCIDENT, Json
from hub.domain.vocabulary import Relation, VocabularyGap
from tests.contract.worlds.pagerduty import PEOPLE, SERVICES, PagerDutyWorld, vocabulary

FULL = PagerDutyWorld(reopen=True)
PLAIN = PagerDutyWorld(priorities=[])
STATUS_WORDS = ["triggered", "acknowledged", "resolved"]
URGENCIES = ["high", "low"]


def keeps_the_laws(relation: Relation, ours: Json, theirs: Json) -> None:
    assert relation.fits(ours, relation.forward(ours, theirs))
    assert relation.fits(relation.backward(ours, theirs), theirs)
    if relation.fits(ours, theirs):
        assert relation.forward(ours, theirs) == theirs
        assert relation.backward(ours, theirs) == ours


@pytest.mark.parametrize("theirs", STATUS_WORDS)
@pytest.mark.parametrize("ours", STATUSES)
def test_status_is_correct_and_leaves_alone_what_fits(ours: str, theirs: str) -> None:
    keeps_the_laws(FULL.adapter.relations[INCIDENT]["status"], ours, theirs)


@pytest.mark.parametrize("world", [FULL, PLAIN], ids=lambda w: w.name + str(w.with_priorities))
@pytest.mark.parametrize("ours", SEVERITIES)
def test_severity_is_correct_and_leaves_alone_what_fits(ours: str, world: PagerDutyWorld) -> None:
    names = [*(f"P{n}" for n in range(1, 6)), None] if world.with_priorities else [None]
    for theirs in ([n, u] for n in names for u in URGENCIES):
        keeps_the_laws(world.adapter.relations[INCIDENT]["severity"], ours, theirs)


@given(st.text(), st.text(max_size=2000))
def test_title_and_description_are_correct_and_leave_alone_what_fits(ours: str, theirs: str) -> None:
    for field in ("title", "description"):
        relation = FULL.adapter.relations[INCIDENT][field]
        assert relation.fits(ours, relation.forward(ours, theirs))
        if relation.fits(ours, theirs):
            assert relation.forward(ours, theirs) == theirs


@given(
    st.sets(st.sampled_from([o for o, _ in PEOPLE])), st.sets(st.sampled_from([*(t for _, t in PEOPLE), "PUNMAPPED"]))
)
def test_assignees_are_correct_and_unmapped_people_stay_unchanged(ours: set[str], theirs: set[str]) -> None:
    relation = FULL.adapter.relations[INCIDENT]["assignees"]
    keeps_the_laws(relation, sorted(ours), sorted(theirs))
    assert ("PUNMAPPED" in relation.forward(sorted(ours), sorted(theirs))) == ("PUNMAPPED" in theirs)


@given(st.sets(st.sampled_from([o for o, _ in SERVICES])), st.sampled_from([t for _, t in SERVICES]))
def test_the_one_service_is_correct_and_leaves_alone_what_fits(ours: set[str], theirs: str) -> None:
    keeps_the_laws(FULL.adapter.relations[INCIDENT]["services"], sorted(ours), theirs)


def test_acknowledged_there_does_not_drag_monitoring_back() -> None:
    assert FULL.adapter.relations[INCIDENT]["status"].backward("monitoring", "acknowledged") == "monitoring"


def built(settings: dict[str, Any] | None = None, **tables: Any) -> None:
    spec = FULL.spec
    build(replace(spec, settings={**spec.settings, **(settings or {})}, vocabulary={**vocabulary(), **tables}))


@pytest.mark.parametrize(
    ("settings", "tables", "words"),
    [
        ({}, {"status": [["triggered", "triggered"]]}, ["field status", "'monitoring'", "'resolved'"]),
        ({}, {"severity": [["SEV1", ["P1", "high"]]]}, ["field severity", "'SEV2'"]),
        ({}, {"severity": [["SEV1", "P1"]]}, ["field severity", "urgency"]),
        ({}, {"severity": [["SEV1", ["P1", "middling"]]]}, ["'middling' is not an urgency"]),
        ({"priorities": ["P1", "P2", "P3", "P4", "P5", "P0"]}, {}, ["field severity", "P0"]),
        ({"from_email": "nobody"}, {}, ["'from_email'"]),
        ({"reopen": "yes"}, {}, ["'reopen'", "true or false"]),
        ({"priorities": "P1"}, {}, ["'priorities'", "list"]),
        ({"notes_per_poll": -1}, {}, ["'notes_per_poll'"]),
        ({"create_by": "pigeon"}, {}, ["'create_by'"]),
        ({"status_by": "events"}, {}, ["status_by", "create_by"]),
    ],
)
def test_what_cannot_be_right_is_refused_at_start_with_the_place(
    settings: dict[str, Any], tables: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match="connection pagerduty: ") as error:
        built(settings, **tables)
    assert all(word in str(error.value) for word in words)


def test_a_gap_is_a_gap() -> None:
    with pytest.raises(VocabularyGap):
        built(status=[])


def test_reopening_is_declared_only_where_the_setting_says_so() -> None:
    moves = {w.name: w.adapter.capabilities.kinds[INCIDENT].fields["status"].moves or frozenset() for w in (FULL,)}
    assert ("resolved", "triggered") in moves["pagerduty"]
    plain = PLAIN.adapter.capabilities
    assert not any(before == "resolved" for before, _ in plain.kinds[INCIDENT].fields["status"].moves or ())
    assert any("reopen" in words for words in plain.degraded)
