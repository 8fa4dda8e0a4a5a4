"""The whole JSON API over the real services, on both databases, each answer as the document says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.clock import ManualClock
from hub.store import migrate
from hub.store.records import Outbox, Unmatched, save
from hub.sync.hub import Hub
from hub.sync.setup import register
from tests.unit.web.contract import Checked
from tests.unit.web.hub import bearer, make_hub, signature

AWKWARD = "<script>alert(1)</script> {{7*7}} ${x} %s \\u0000 ' OR 1=1 -- \u202e\U0001f525é\r\n\t\x7f\x01"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    url = f"sqlite:///{tmp_path}/hub.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate.upgrade(url)
    hub = make_hub(url, create=False)
    register(hub)
    yield hub
    hub.store.close()


class Api:
    """Sends requests as an administrator and expects success."""

    def __init__(self, hub: Hub) -> None:
        self.checked = Checked(hub)
        self.clock = hub.clock
        self.headers = bearer(hub)

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        sent = {} if body is None else {"json": body}
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(1)
        answer = self.checked(method, path, headers=self.headers, **sent)
        assert answer.status_code == status, answer.text
        return answer.json


@pytest.fixture
def api(hub: Hub) -> Api:
    return Api(hub)


def test_an_incident_is_opened_changed_discussed_merged_and_its_journal_is_whole(api: Api) -> None:
    first = api("POST", "/incidents", {"fields": {"title": AWKWARD, "services": ["b", "a"]}, "dedup_key": "k"}, 201)
    assert first["number"] == "INC-1"
    assert first["fields"]["title"] == AWKWARD
    assert api("POST", "/incidents", {"fields": {"title": "again"}, "dedup_key": "k"}, 201)["id"] == first["id"]
    changed = {"severity": "SEV1", "roles": {"lead": "ada"}, "impacts": {"a": "degraded"}, "owner_team": None}
    assert api("PATCH", "/incidents/inc-1", {"fields": changed})["fields"].items() >= changed.items()
    comment = api("POST", "/incidents/1/comments", {"text": AWKWARD}, 201)
    assert comment["text"] == AWKWARD
    assert comment["author"] == "token:tester-admin"
    assert api("PATCH", f"/comments/{comment['id']}", {"text": "better"})["text"] == "better"
    assert api("DELETE", f"/comments/{comment['id']}")["deleted"]
    draft = api("POST", f"/incidents/{first['id']}/updates", {"text": "we look"}, 201)
    assert draft["state"] == "draft"
    api("POST", f"/updates/{draft['id']}/approval", {"content_hash": "0" * 64}, 409)
    approved = api("POST", f"/updates/{draft['id']}/approval", {"content_hash": draft["content_hash"]})
    assert approved["approved_by"] == "token:tester-admin"
    api("POST", "/incidents", {"fields": {"title": "the same, really"}}, 201)
    assert api("POST", "/incidents/2/merge", {"into": "INC-1"})["id"] == first["id"]
    api("POST", "/incidents/2/merge", {"into": "INC-1"}, 409)
    api("PATCH", "/incidents/2", {"fields": {"title": "x"}}, 409)
    whole = api("GET", "/incidents/1")
    assert [c["deleted"] for c in whole["comments"]] == [True]
    assert api("GET", "/incidents/2")["merged_into"] == first["id"]
    journal = api("GET", "/incidents/1/journal")
    assert journal["verified"]
    assert [line["seq"] for line in journal["items"]] == list(range(1, len(journal["items"]) + 1))
    assert {o["number"] for o in api("GET", "/incidents?open=true")["items"]} == {"INC-1"}


def test_lists_are_read_page_by_page_newest_first(api: Api) -> None:
    for n in range(5):
        api("POST", "/incidents", {"fields": {"title": f"no. {n}"}}, 201)
    seen, query = [], "?limit=2"
    while query:
        page = api("GET", f"/incidents{query}")
        seen += [row["number"] for row in page["items"]]
        query = f"?limit=2&before={page['next']}" if page["next"] else ""
    assert seen == ["INC-5", "INC-4", "INC-3", "INC-2", "INC-1"]
    assert api("GET", "/incidents?before=yester-day", status=422)["field"] == "query.before"
    assert api("GET", "/incidents?before=INC-9", status=422)["field"] == "query.before"
    for path in ("/links", "/inbox", "/unmatched", "/failed-writes"):
        assert api("GET", f"{path}?before=zzz", status=422)["field"] == "query.before"
        assert isinstance(api("GET", f"{path}?limit=1")["items"], list)


def test_a_held_link_is_read_approved_unlinked_and_linked_again(api: Api, hub: Hub) -> None:
    api("POST", "/incidents", {"fields": {"title": "down"}}, 201)
    (held,) = api("GET", "/links?incident=INC-1&state=held")["items"]
    shown = api("GET", f"/links/{held['id']}")
    assert shown["draft"]["title"] == "down"
    api("POST", f"/links/{held['id']}/approval", {"content_hash": "f" * 64}, 409)
    assert api("POST", f"/links/{held['id']}/approval", {"content_hash": shown["content_hash"]})["state"] == "pending"
    api("POST", f"/links/{held['id']}/review", {"field": "title", "decision": "keep"}, 409)
    assert api("DELETE", f"/links/{held['id']}")["state"] == "unlinked"
    api("DELETE", f"/links/{held['id']}", status=409)
    again = {"connection": "signed", "remote_id": "R1"}
    assert api("POST", "/incidents/1/links", again, 201)["remote_id"] == "R1"
    assert api("POST", "/incidents/1/links", {**again, "connection": "nobody"}, 404)["status"] == 404
    api("POST", f"/links/{held['id']}/refresh", status=202)
    assert ("refresh", held["id"]) in hub.wake.calls  # type: ignore[attr-defined]
    assert api("GET", "/links?incident=99", status=404)


def test_a_webhook_is_listed_shown_and_read_again(api: Api, hub: Hub) -> None:
    body = b'{"nul": "\\u0000"} \x00\xff'
    path = "/in/signed/secret-path%00?a%00=%00%ff"
    sent = api.checked.client.post(path, data=body, headers={"X-Signature": signature(body)})
    assert sent.status_code == 202
    (row,) = api("GET", "/inbox?state=new")["items"]
    shown = api("GET", f"/inbox/{row['id']}")
    assert shown["size"] == len(body)
    assert "secret-path" not in str(shown)
    assert signature(body) not in str(shown)
    assert api("POST", f"/inbox/{row['id']}/retry", status=202)["state"] == "new"
    api("GET", "/inbox/" + "0" * 26, status=404)


def test_failed_writes_are_shown_then_retried_or_discarded_once(api: Api, hub: Hub) -> None:
    incident = api("POST", "/incidents", {"fields": {"title": "down"}}, 201)
    link = api("POST", "/incidents/1/links", {"connection": "signed", "remote_id": "R1", "slot": "other"}, 201)
    ids = [hub.ids.new(), hub.ids.new()]
    with hub.store.unit() as tx:
        for id in ids:
            row = Outbox(
                id=id, link_id=link["id"], incident_id=incident["id"], connection="signed", op="update",
                changes={"title": AWKWARD}, base_rev=0, created_at=hub.clock.now(), state="failed", error="title is too long",
                error_class="Refused",
            )  # fmt: skip
            save(tx, row)
    assert {failed_write["id"] for failed_write in api("GET", "/failed-writes")["items"]} == set(ids)
    shown = api("GET", f"/failed-writes/{ids[0]}")
    assert (shown["incident"], shown["remote_id"], shown["error"]) == ("INC-1", "R1", "title is too long")
    assert api("POST", f"/failed-writes/{ids[0]}/retry", status=202)["state"] == "withdrawn"
    api("POST", f"/failed-writes/{ids[0]}/retry", status=409)
    assert api("POST", f"/failed-writes/{ids[1]}/discard")["state"] == "withdrawn"
    api("POST", f"/failed-writes/{ids[1]}/discard", status=409)
    assert api("GET", f"/failed-writes/{ids[1]}")["state"] == "withdrawn"
    assert api("GET", "/failed-writes")["items"] == []
    kinds = [line["kind"] for line in api("GET", "/incidents/1/journal")["items"]]
    assert (kinds.count("retried"), kinds.count("discarded")) == (1, 1)
    for method, path in (("GET", ""), ("POST", "/retry"), ("POST", "/discard")):
        api(method, f"/failed-writes/{'0' * 26}{path}", status=404)


def test_an_unmatched_object_is_ignored_once(api: Api, hub: Hub) -> None:
    unmatched = Unmatched(hub.ids.new(), "signed", "incident", "R9", hub.clock.now(), state="proposed")
    with hub.store.unit() as tx:
        save(tx, unmatched)
    assert [s["remote_id"] for s in api("GET", "/unmatched?state=proposed")["items"]] == ["R9"]
    api("POST", f"/unmatched/{unmatched.id}/link", {"incident": "INC-7"}, 404)
    ignored = api("POST", f"/unmatched/{unmatched.id}/ignore")
    assert (ignored["state"], ignored["reason"]) == ("ignored", "ignored by token:tester-admin")
    assert "ignored already" in api("POST", f"/unmatched/{unmatched.id}/ignore", status=409)["detail"]
    for word in ("open", "ignore"):
        api("POST", f"/unmatched/{'0' * 26}/{word}", status=404)


def test_connections_and_the_pause_are_switched(api: Api) -> None:
    assert {c["name"]: c["state"] for c in api("GET", "/connections")["items"]} == {
        "signed": "enabled",
        "greeting": "enabled",
    }
    assert api("PATCH", "/connections/signed", {"state": "observe"})["state"] == "observe"
    api("PATCH", "/connections/nobody", {"state": "observe"}, 404)
    assert api("PUT", "/pause", {"paused": True}) == {"paused": True}
    assert api("GET", "/pause") == {"paused": True}
    assert api("PUT", "/pause", {"paused": False}) == {"paused": False}
