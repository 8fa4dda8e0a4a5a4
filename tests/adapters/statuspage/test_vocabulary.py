"""The page's word tables: both laws for every field, and gaps that are refused with their place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http import Wire
from adapters.registry import Spec, build
from adapters.statuspage import wire
from adapters.statuspages import PAGE_IMPACTS, SEVERITY, STATUS, TEXT, TITLE
from hub.clock import ManualClock, SeededIds
from hub.domain.incident import IMPACTS, SEVERITIES, STATUSES
from hub.domain.values import INCIDENT, Json
from hub.domain.vocabulary import VocabularyGap
from mappings.vocabulary import overlay
from tests.contract.world import MemoryNotebook, MemorySecrets

SERVICES = [["checkout", "c1"], ["search", "c2"]]


def spec(own: dict[str, Any] | None = None, **settings: Any) -> Spec:
    return Spec(
        name="page-emea",
        settings={"page_id": "p1", **settings},
        vocabulary=overlay("statuspage", {"services": SERVICES, **(own or {})}),
        secrets=MemorySecrets(api_key="k"),
        notebook=MemoryNotebook(),
        wire=Wire(),
        clock=ManualClock(),
        ids=SeededIds(1),
    )


RELATIONS = build("statuspage", spec()).relations[INCIDENT]
OURS: dict[str, st.SearchStrategy[Json]] = {
    STATUS: st.sampled_from(STATUSES),
    SEVERITY: st.sampled_from(SEVERITIES),
    TITLE: st.text(min_size=1, max_size=400),
    TEXT: st.text(max_size=400),
    PAGE_IMPACTS: st.dictionaries(st.sampled_from(["checkout", "search", "unmapped"]), st.sampled_from(IMPACTS)),
}
THEIRS: dict[str, st.SearchStrategy[Json]] = {
    STATUS: st.sampled_from(wire.STATUS_WORDS),
    SEVERITY: st.sampled_from(wire.IMPACT_WORDS),
    TITLE: st.text(max_size=255),
    TEXT: st.text(max_size=400),
    PAGE_IMPACTS: st.dictionaries(st.sampled_from(["c1", "c2", "c9"]), st.sampled_from(wire.COMPONENT_WORDS)),
}


@pytest.mark.parametrize("field", sorted(OURS))
def test_every_relation_is_correct_and_hippocratic(field: str) -> None:
    """What comes out of a table fits, and what fits is left alone, whatever the words."""
    relation = RELATIONS[field]

    @given(OURS[field], THEIRS[field])
    def laws(ours: Json, theirs: Json) -> None:
        assert relation.fits(ours, relation.forward(ours, theirs))
        assert relation.fits(relation.backward(ours, theirs), theirs)
        if relation.fits(ours, theirs):
            assert relation.forward(ours, theirs) == theirs
            assert relation.backward(ours, theirs) == ours

    laws()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("triggered", "investigating"),
        ("acknowledged", "investigating"),
        ("cancelled", "resolved"),
        ("resolved", "postmortem"),
    ],
)
def test_several_words_of_ours_are_one_of_theirs(ours: str, theirs: str) -> None:
    """An acknowledgement changes nothing on the page, and a published postmortem nothing here."""
    assert RELATIONS[STATUS].forward(ours, theirs) == theirs
    assert RELATIONS[STATUS].backward(ours, theirs) == ours


@pytest.mark.parametrize("field", ["status", "severity", "impacts"])
def test_a_gap_is_refused_with_its_place(field: str) -> None:
    """The message names connection, field and word, so that one line can be added."""
    table = overlay("statuspage", {})[field]
    with pytest.raises(VocabularyGap, match=f"connection page-emea, field {field}: .*{table[0][1]}"):
        build("statuspage", spec({field: [pair for pair in table if pair[1] != table[0][1]]}))


def test_a_missing_page_is_refused_at_start() -> None:
    """The message says where to find what is missing."""
    with pytest.raises(ValueError, match="connection page-emea: page_id is missing"):
        build("statuspage", replace(spec(), settings={}))
