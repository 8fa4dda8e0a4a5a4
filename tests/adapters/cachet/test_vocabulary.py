"""The page's numbers: both laws for every field, and gaps that are refused with their place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cachet import wire
from adapters.http import Wire
from adapters.registry import Spec, build
from adapters.statuspages import PAGE_IMPACTS, STATUS, TEXT, TITLE
from hub.clock import ManualClock, SeededIds
from hub.domain.incident import IMPACTS, STATUSES
from hub.domain.values import INCIDENT, Json
from hub.domain.vocabulary import VocabularyGap
from mappings.vocabulary import overlay
from tests.contract.world import MemoryNotebook, MemorySecrets


def spec(own: dict[str, Any] | None = None, **settings: Any) -> Spec:
    return Spec(
        name="cachet-emea",
        settings={"url": "https://status.example.com", **settings},
        vocabulary=overlay("cachet", {"services": [["checkout", 1], ["search", "2"]], **(own or {})}),
        secrets=MemorySecrets(api_token="t"),
        notebook=MemoryNotebook(),
        wire=Wire(),
        clock=ManualClock(),
        ids=SeededIds(1),
    )


RELATIONS = build("cachet", spec()).relations[INCIDENT]
OURS: dict[str, st.SearchStrategy[Json]] = {
    STATUS: st.sampled_from(STATUSES),
    TITLE: st.text(min_size=1, max_size=400),
    TEXT: st.text(max_size=400),
    PAGE_IMPACTS: st.dictionaries(st.sampled_from(["checkout", "search", "unmapped"]), st.sampled_from(IMPACTS)),
}
THEIRS: dict[str, st.SearchStrategy[Json]] = {
    STATUS: st.sampled_from(wire.STATUS_WORDS),
    TITLE: st.text(max_size=255),
    TEXT: st.text(max_size=400),
    PAGE_IMPACTS: st.dictionaries(st.sampled_from(["1", "2", "9"]), st.sampled_from(wire.COMPONENT_WORDS)),
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


@pytest.mark.parametrize("field", ["status", "impacts"])
def test_a_gap_is_refused_with_its_place(field: str) -> None:
    """The message names connection, field and word, so that one line can be added."""
    table = overlay("cachet", {})[field]
    with pytest.raises(VocabularyGap, match=f"connection cachet-emea, field {field}: .*their word {table[0][1]}"):
        build("cachet", spec({field: [pair for pair in table if pair[1] != table[0][1]]}))


@pytest.mark.parametrize(
    ("settings", "own", "words"),
    [
        ({"url": None}, {}, "connection cachet-emea: url is missing"),
        ({"url": "status.example.com"}, {}, "connection cachet-emea: url is missing"),
        (
            {},
            {"services": [["checkout", "checkout-api"]]},
            "connection cachet-emea, field services: component 'checkout-api'",
        ),
    ],
)
def test_wrong_settings_are_refused_at_start(settings: dict[str, Any], own: dict[str, Any], words: str) -> None:
    """The message names the connection and what to correct."""
    with pytest.raises(ValueError, match=words):
        build("cachet", replace(spec(own), settings={"url": "https://status.example.com", **settings}))
