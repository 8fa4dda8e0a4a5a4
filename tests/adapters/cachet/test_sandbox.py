"""The stand-in has the vendor's restrictions and peculiarities."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.cachet.sandbox import CachetSandbox
from hub.clock import ManualClock, SeededIds


@pytest.fixture
def box() -> CachetSandbox:
    return CachetSandbox(ManualClock(), SeededIds(3))


def call(box: CachetSandbox, method: str, path: str, body: Any = None, token: str | None = "1|sandbox-token") -> Any:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    sent = json.dumps(body).encode() if body is not None else b""
    status, _, content = box.exchange(method, f"{box.base_url}/api{path}", headers, sent)
    return status, json.loads(content or b"null")


GOOD = {"name": "One", "message": "Something.", "status": 1}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"message": ""}, "message"),
        ({"status": 9}, "status"),
        ({"status": None}, "status"),
        ({"visible": 7}, "visible"),
        ({"meta": "abc"}, "meta"),
        ({"components": [{"id": 99, "status": 1}]}, "components.0.id"),
    ],
)
def test_what_the_vendor_would_not_take_is_a_422(box: CachetSandbox, change: dict[str, Any], field: str) -> None:
    """It names the fields at fault, and nothing is made."""
    status, answer = call(box, "POST", "/incidents", {**GOOD, **change})
    assert (status, list(answer["errors"])) == (422, [field])
    assert box.incidents == {}


def test_incidents_are_the_teams_own_unless_told_otherwise(box: CachetSandbox) -> None:
    """Without `visible`, a caller without a token sees nothing."""
    status, made = call(box, "POST", "/incidents", GOOD)
    assert (status, made["data"]["attributes"]["visible"]) == (201, 0)
    id = made["data"]["id"]
    assert call(box, "GET", f"/incidents/{id}", token=None)[0] == 404
    assert call(box, "PUT", f"/incidents/{id}", {"visible": 1})[0] == 200
    assert call(box, "GET", f"/incidents/{id}", token=None)[0] == 200


def test_reading_is_public_and_writing_needs_token_and_ability(box: CachetSandbox) -> None:
    """401 without a token, 403 without the ability; a protected installation requires a token for everything."""
    assert call(box, "GET", "/incidents", token=None)[0] == 200
    assert call(box, "POST", "/incidents", GOOD, token="2|other")[0] == 401
    box.tokens["3|reader"] = frozenset()
    assert call(box, "POST", "/incidents", GOOD, token="3|reader")[0] == 403
    box.protected = True
    assert call(box, "GET", "/incidents", token=None)[0] == 401


def test_lists_have_fifteen_rows_unless_asked_and_never_more_than_a_hundred(box: CachetSandbox) -> None:
    """Newest first."""
    for n in range(120):
        box.people_open(f"Number {n}")
    assert len(call(box, "GET", "/incidents")[1]["data"]) == 15
    answer = call(box, "GET", "/incidents?per_page=500")[1]
    assert (len(answer["data"]), answer["data"][0]["attributes"]["name"]) == (100, "Number 119")
    assert answer["links"]["next"]


def test_metadata_comes_when_asked_for_is_filtered_and_replaced_whole(box: CachetSandbox) -> None:
    """One level of keys; a PUT with metadata removes the other keys."""
    id = call(box, "POST", "/incidents", {**GOOD, "meta": {"a": "1", "b": "2"}})[1]["data"]["id"]
    assert "meta" not in call(box, "GET", f"/incidents/{id}")[1]["data"]["attributes"]
    call(box, "PUT", f"/incidents/{id}", {"meta": {"b": "3"}})
    assert call(box, "GET", f"/incidents/{id}?include=meta")[1]["data"]["attributes"]["meta"] == {"b": "3"}
    assert [i["id"] for i in call(box, "GET", "/incidents?filter[meta][b]=3")[1]["data"]] == [id]
    assert call(box, "GET", "/incidents?filter[meta][a]=1")[1]["data"] == []
    assert call(box, "GET", "/incidents?filter[colour]=red")[0] == 400
    assert call(box, "GET", "/incidents?include=secrets")[0] == 400


def test_updates_drive_the_status_also_when_they_are_edited(box: CachetSandbox) -> None:
    """A status that was set directly is lost as soon as an update is edited."""
    id = box.people_open("One")
    update = call(box, "POST", f"/incidents/{id}/updates", {"status": 2, "message": "Found."})[1]["data"]["id"]
    assert box.incidents[int(id)]["status"] == 2
    call(box, "PUT", f"/incidents/{id}", {"status": 4})
    call(box, "PUT", f"/incidents/{id}/updates/{update}", {"message": "Found it."})
    assert box.incidents[int(id)]["status"] == 2
    assert call(box, "DELETE", f"/incidents/{id}/updates/{update}")[0] == 204
    assert box.incidents[int(id)]["status"] == 4


def test_components_change_through_updates_only(box: CachetSandbox) -> None:
    """A PUT of the incident ignores them."""
    component = int(box.add_component("Checkout"))
    id = box.people_open("One", components={str(component): 3})
    call(box, "PUT", f"/incidents/{id}", {"components": [{"id": component, "status": 1}]})
    assert box.snapshot(id)["impacts"] == {str(component): 3}
    body = {"status": 2, "message": "Better.", "components": [{"id": component, "status": 2}]}
    call(box, "POST", f"/incidents/{id}/updates", body)
    assert box.snapshot(id)["impacts"] == {str(component): 2}
