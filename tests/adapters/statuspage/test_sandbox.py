"""The stand-in has the vendor's restrictions and peculiarities."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.statuspage.sandbox import StatuspageSandbox
from hub.clock import ManualClock, SeededIds


@pytest.fixture
def box() -> StatuspageSandbox:
    return StatuspageSandbox(ManualClock(), SeededIds(3))


def call(box: StatuspageSandbox, method: str, path: str, body: Any = None, key: str = "OAuth sandbox-key") -> Any:
    headers = {"Authorization": key, "Content-Type": "application/json"}
    url = f"{box.base_url}/pages/{box.page_id}{path}"
    status, _, content = box.exchange(method, url, headers, json.dumps(body).encode() if body is not None else b"")
    return status, json.loads(content)


@pytest.mark.parametrize(
    ("incident", "words"),
    [
        ({}, "Name can't be blank"),
        ({"name": "x" * 256}, "too long"),
        ({"name": "a", "body": "x" * 25_001}, "too long"),
        ({"name": "a", "status": "scheduled"}, "not included"),
        ({"name": "a", "status": "resolved", "scheduled_for": "2026-01-06T00:00:00Z"}, "not included"),
        ({"name": "a", "impact_override": "awful"}, "not included"),
        ({"name": "a", "metadata": {"mark": "abc"}}, "must be objects"),
        ({"name": "a", "components": {"nowhere": "operational"}}, "does not exist"),
    ],
)
def test_what_the_vendor_would_not_take_is_a_422(box: StatuspageSandbox, incident: dict[str, Any], words: str) -> None:
    """With a list of sentences, and nothing made."""
    status, answer = call(box, "POST", "/incidents", {"incident": incident})
    assert status == 422
    assert words in answer["error"][0]
    assert box.incidents == {}


@pytest.mark.parametrize("key", ["", "Bearer sandbox-key", "sandbox-key", "OAuth other"])
def test_the_scheme_is_the_word_oauth(box: StatuspageSandbox, key: str) -> None:
    """No other scheme, and no other key."""
    assert call(box, "GET", "/incidents", key=key)[0] == 401


def test_a_key_in_the_query_works_too(box: StatuspageSandbox) -> None:
    """As documented; the adapter does not use it, because URLs end up in logs."""
    assert call(box, "GET", "/incidents?api_key=sandbox-key", key="")[0] == 200


def test_two_creates_are_two_incidents(box: StatuspageSandbox) -> None:
    """There is neither an idempotency key nor a unique name."""
    for _ in range(2):
        assert call(box, "POST", "/incidents", {"incident": {"name": "Same"}})[0] == 201
    assert len(call(box, "GET", "/incidents")[1]) == 2


def test_metadata_is_replaced_whole_and_only_body_or_status_make_an_update(box: StatuspageSandbox) -> None:
    """The cautious interpretation where the document is not explicit."""
    id = box.people_open("One", metadata={"a": {"x": 1}})
    _, shown = call(box, "PATCH", f"/incidents/{id}", {"incident": {"metadata": {"b": {}}, "name": "Two"}})
    assert (shown["metadata"], shown["name"], len(shown["incident_updates"])) == ({"b": {}}, "Two", 1)
    _, shown = call(box, "PATCH", f"/incidents/{id}", {"incident": {"status": "investigating"}})
    assert len(shown["incident_updates"]) == 2


def test_the_unresolved_list_has_no_maintenance_and_lists_are_paged(box: StatuspageSandbox) -> None:
    """Newest first, at most a hundred rows a page."""
    box.people_open("Planned", scheduled_for="2026-01-06T00:00:00Z", status="scheduled")
    done = box.people_open("Done")
    box.people_set_status(done, "resolved")
    ids = [box.people_open(f"Number {n}") for n in range(103)]
    first, second = (call(box, "GET", f"/incidents/unresolved?per_page=100&page={n}")[1] for n in (1, 2))
    assert [i["id"] for i in [*first, *second]] == ids[::-1]
    assert len(first) == 100
    assert len(call(box, "GET", "/incidents?limit=500")[1]) == 100
    assert [i["name"] for i in call(box, "GET", "/incidents?q=number 7")[1]][-1] == "Number 7"


def test_notifications_go_to_active_subscribers_unless_told_otherwise(box: StatuspageSandbox) -> None:
    """Unsigned, without an id, with nulls; a quarantined endpoint gets none."""
    call(
        box, "POST", "/subscribers", {"subscriber": {"endpoint": "https://hub.example.com/x", "email": "a@example.com"}}
    )
    id = box.people_open("One")
    call(box, "PATCH", f"/incidents/{id}", {"incident": {"status": "identified", "deliver_notifications": False}})
    [sent] = box.outgoing
    payload = json.loads(sent.body)
    assert payload["incident"]["resolved_at"] is None
    assert "metadata" not in payload["incident"]
    assert payload["incident"]["incident_updates"][0]["affected_components"] == [
        {"name": "No components were affected by this update."}
    ]
    assert not any("signature" in name.lower() for name in sent.headers)
    for _ in range(10):
        box.delivery_failed(sent.url)
    box.people_post_update(id, "More")
    assert len(box.outgoing) == 1
