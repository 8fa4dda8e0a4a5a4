"""Every request of the adapter, and every answer of the stand-in, is valid against PagerDuty's published documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from adapters.pagerduty.client import EVENTS_URL
from hub.domain.errors import OutcomeUnknown
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Desired, Mark, Ref, Update
from tests.contract.worlds.pagerduty import HOOK, PagerDutyWorld, mended

pytestmark = pytest.mark.contracts


class Recorder:
    """Records every exchange between the adapter and the stand-in."""

    def __init__(self, world: PagerDutyWorld) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes, int, bytes]] = []
        self.inner = world.sandbox.exchange
        world.sandbox.exchange = self.exchange  # type: ignore[method-assign]

    def exchange(self, method: str, url: str, headers: Any, body: bytes) -> Any:
        answer = self.inner(method, url, headers, body)
        self.seen.append((method, url, dict(headers), body, answer[0], answer[2]))
        return answer


def a_whole_life(world: PagerDutyWorld) -> None:
    adapter, box = world.adapter, world.sandbox
    mark = Mark(INCIDENT, "abcdef01", world.clock.now())
    ref = adapter.create(world.sample(INCIDENT), mark).ref
    assert ref is not None
    adapter.create(world.sample(INCIDENT), mark)
    world.clock.advance(60)
    for field in ("status", "severity", "title", "assignees"):
        now = adapter.observe(ref).fields
        changed = world.another(INCIDENT, field, now[field])
        send = {"add": changed, "remove": now[field]} if field == "assignees" else changed
        adapter.update(ref, Update({field: send}, {**now, field: changed}))
    note = Mark(COMMENT, "aaaaaa01", world.clock.now(), ref)
    made = adapter.create(Desired(COMMENT, {"text": "Looking"}, parent=ref), note).ref
    assert made is not None
    adapter.update(made, Update({"text": "Looking closer"}, {"text": "Looking closer"}))
    adapter.find(mark)
    adapter.find(note)
    adapter.create(Desired(UPDATE, {"text": "Soon"}, parent=ref), Mark(UPDATE, "bbbbbb01", world.clock.now(), ref))
    adapter.link_back(ref, {"url": "https://hub.example.com/incidents/INC-1"})
    other = box.people_create("Another")
    box.people_escalate(other, 2)
    box.people_merge(ref.id, [other])
    third = box.people_create("A third")
    world.clock.advance(1)
    box.people_snooze(third, 600)
    box.people_escalate(third, 2)
    adapter.observe(Ref(INCIDENT, other))
    cursor = adapter.changed_since(None).cursor
    box.people_set_status(ref.id, "resolved")
    adapter.changed_since(cursor)
    adapter.history(ref, adapter.history(ref, None)[1])
    adapter.update(ref, Update({"status": "triggered"}, {"status": "triggered"}))
    adapter.update(made, Update({"deleted": True}, {}))
    kept = adapter.subscribe("https://hub.example.com/hooks/another", world.secrets)
    box.subscriptions[kept["id"]].active = False
    adapter.renew(kept, world.secrets)
    adapter.subscribe(HOOK, world.secrets)
    adapter.probe()
    adapter.examine()
    box.hidden.add(ref.id)
    adapter.observe(ref)


def test_requests_and_answers_fit_the_published_document(contracts: Path) -> None:
    """Every exchange of an incident from create to end."""
    api = OpenAPI.from_dict(mended(json.loads((contracts / PagerDutyWorld.contract).read_bytes())))
    world = PagerDutyWorld(reopen=True, custom_field="lockstep")
    world.sandbox.custom_fields.add("lockstep")
    recorder = Recorder(world)
    a_whole_life(world)
    kinds = set()
    for method, url, headers, body, status, answer in recorder.seen:
        parts = urlsplit(url)
        request = MockRequest(
            f"{parts.scheme}://{parts.netloc}", method.lower(), parts.path, args=dict(parse_qsl(parts.query)),
            headers=headers, data=body or None, content_type="application/json",
        )  # fmt: skip
        api.validate_request(request)
        response = MockResponse(answer, status_code=status, content_type="application/json; charset=utf-8")
        if status != 204:
            api.validate_response(request, response)
        kinds.add((method, parts.path.split("/")[1], parts.path.count("/"), status))
    assert len(kinds) >= 20


def test_events_fit_the_published_document(contracts: Path) -> None:
    """Trigger, acknowledge, resolve."""
    api = OpenAPI.from_dict(json.loads((contracts / "pagerduty-events-v2.openapi.json").read_bytes()))
    world = PagerDutyWorld(create_by="events", status_by="events")
    recorder = Recorder(world)
    mark = Mark(INCIDENT, "abcdef01", world.clock.now())
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(world.sample(INCIDENT), mark)
    world.sandbox.settle()
    ref = world.adapter.find(mark)[0].ref
    for status in ("acknowledged", "resolved"):
        world.adapter.update(ref, Update({"status": status}, {"status": status}))
        world.sandbox.settle()
    events = [e for e in recorder.seen if e[1].startswith(EVENTS_URL)]
    assert len(events) == 3
    for method, url, headers, body, status, answer in events:
        assert "Authorization" not in headers
        request = MockRequest(EVENTS_URL, method.lower(), urlsplit(url).path, headers=headers, data=body)
        api.validate_request(request)
        api.validate_response(request, MockResponse(answer, status_code=status))
