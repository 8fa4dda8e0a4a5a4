"""The stand-in has the restrictions and peculiarities that PagerDuty documents."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from adapters.pagerduty.client import API_URL, EVENTS_URL
from adapters.sandboxing import Outgoing
from tests.contract.worlds.pagerduty import HOOK, PagerDutyWorld


def call(
    world: PagerDutyWorld, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    given = {
        "Authorization": f"Token token={world.sandbox.token}", "From": "ada@example.com", "Content-Type": "application/json",
        **headers,
    }  # fmt: skip
    base = EVENTS_URL if path.startswith("/v2") else API_URL
    status, answered, content = world.sandbox.exchange(
        method, base + path, {k: v for k, v in given.items() if v}, json.dumps(body).encode() if body else b""
    )
    return status, dict(answered), json.loads(content) if content else None


NEW = {"incident": {"type": "incident", "title": "x", "service": {"id": "PCHECKO", "type": "service_reference"}}}


def events(world: PagerDutyWorld) -> list[str]:
    return [json.loads(o.body)["event"]["event_type"] for o in world.sandbox.outgoing]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": ""}, 401, 2006),
        ({"Authorization": "Bearer x"}, 401, 2006),
        ({"From": ""}, 400, 1008),
        ({"From": "eve@elsewhere.example"}, 400, 1008),
    ],
)
def test_who_writes_must_be_known(headers: dict[str, str], status: int, code: int) -> None:
    world = PagerDutyWorld()
    answered, _, body = call(world, "POST", "/incidents", NEW, **headers)
    assert (answered, body["error"]["code"]) == (status, code)
    assert set(body["error"]) == {"code", "message", "errors"}
    assert not world.sandbox.incidents


def test_a_key_is_refused_while_its_incident_is_open_and_free_again_afterwards() -> None:
    world = PagerDutyWorld()
    body = {"incident": {**NEW["incident"], "incident_key": "k"}}
    made = call(world, "POST", "/incidents", body)[2]["incident"]["id"]
    status, _, refused = call(world, "POST", "/incidents", body)
    assert status == 400
    assert "matching dedup key" in refused["error"]["errors"][0]
    world.sandbox.people_set_status(made, "resolved")
    assert call(world, "POST", "/incidents", body)[0] == 201


def test_the_rate_limit_says_when_it_ends_or_nothing_at_all() -> None:
    world = PagerDutyWorld()
    for _ in range(960):
        assert call(world, "GET", "/abilities")[0] == 200
    status, headers, body = call(world, "GET", "/abilities")
    assert (status, body["error"]["code"], headers["ratelimit-reset"]) == (429, 2020, "60")
    world.sandbox.bare_throttle = True
    status, headers, body = call(world, "GET", "/abilities")
    assert (status, body, "ratelimit-reset" in headers) == (429, None, False)
    world.clock.advance(60)
    assert call(world, "GET", "/abilities")[0] == 200


@pytest.mark.parametrize("query", ["limit=100&offset=9901", "limit=x", "offset=-1"])
def test_pages_end_at_ten_thousand(query: str) -> None:
    assert call(PagerDutyWorld(), "GET", f"/incidents?{query}")[0] == 400


def test_an_acknowledgement_runs_out_and_is_announced() -> None:
    world = PagerDutyWorld()
    world.sandbox.services["PCHECKO"].acknowledgement_timeout = 600
    id = world.sandbox.people_create("x")
    world.sandbox.people_set_status(id, "acknowledged")
    world.clock.advance(599)
    world.sandbox.tick()
    assert world.sandbox.incidents[id].status == "acknowledged"
    world.clock.advance(1)
    world.sandbox.tick()
    assert world.sandbox.incidents[id].status == "triggered"
    assert events(world) == ["incident.triggered", "incident.acknowledged", "incident.unacknowledged"]


def test_an_incident_that_nobody_takes_escalates() -> None:
    world = PagerDutyWorld()
    world.sandbox.services["PCHECKO"].escalation_delay = 300
    id = world.sandbox.people_create("x")
    world.clock.advance(300)
    world.sandbox.tick()
    assert world.sandbox.incidents[id].assignees == ["PBOB002"]
    assert events(world) == ["incident.triggered", "incident.escalated"]


def test_title_urgency_snooze_note_edits_and_merge_are_not_announced() -> None:
    world = PagerDutyWorld()
    box = world.sandbox
    id, other = box.people_create("x"), box.people_create("y")
    note = box.people_note(id, "z")
    world.webhooks()
    box.people_set_title(id, "X")
    box.people_set_severity(id, None, "low")
    box.people_snooze(id, 60)
    box.people_edit_note(id, note, "Z")
    box.people_delete_note(id, note)
    assert events(world) == []
    box.people_merge(id, [other])
    assert events(world) == ["incident.resolved"]


def test_a_resolution_note_comes_as_a_second_event() -> None:
    world = PagerDutyWorld()
    id = world.sandbox.people_create("x")
    world.sandbox.people_set_status(id, "resolved", note="turned it off and on")
    assert events(world)[1:] == ["incident.resolved", "incident.annotated"]
    body = json.loads(world.sandbox.outgoing[-1].body)["event"]["data"]
    assert body["content"] == "Resolution Note: turned it off and on"


def test_the_api_reopens_what_is_resolved() -> None:
    world = PagerDutyWorld()
    id = world.sandbox.people_create("x")
    world.sandbox.people_set_status(id, "resolved")
    body = {"incident": {"type": "incident_reference", "status": "acknowledged"}}
    shown = call(world, "PUT", f"/incidents/{id}", body, From="bob@example.com")[2]["incident"]
    assert (shown["status"], [a["assignee"]["id"] for a in shown["assignments"]]) == ("acknowledged", ["PBOB002"])
    assert "incident.reopened" in events(world)


def test_a_refused_put_changes_nothing_at_all() -> None:
    world = PagerDutyWorld()
    id = world.sandbox.people_create("x")
    before = world.sandbox.snapshot(id)
    body = {"incident": {"type": "incident", "title": "y", "status": "resolved", "priority": {"id": "PNONE"}}}
    assert call(world, "PUT", f"/incidents/{id}", body)[0] == 400
    assert world.sandbox.snapshot(id) == before


def test_a_webhook_is_signed_with_every_secret_while_one_is_rotated() -> None:
    world = PagerDutyWorld()
    world.sandbox.rotate_secret(world.hook.id)
    world.sandbox.people_create("x")
    [outgoing] = world.sandbox.outgoing
    wanted = [hmac.new(s.encode(), outgoing.body, hashlib.sha256).hexdigest() for s in world.hook.secrets]
    assert len(wanted) == 2
    assert outgoing.headers["X-PagerDuty-Signature"] == ",".join(f"v1={w}" for w in wanted)
    assert outgoing.headers["X-Webhook-Id"] == outgoing.id


def test_later_events_of_an_incident_wait_behind_a_failing_one() -> None:
    world = PagerDutyWorld()
    one, other = world.sandbox.people_create("x"), world.sandbox.people_create("y")
    world.sandbox.people_set_status(one, "acknowledged")
    first = world.sandbox.ready()
    assert [o.about for o in first] == [one, other]
    world.sandbox.delivered(first[0])
    waiting = {o.about: json.loads(o.body)["event"]["event_type"] for o in world.sandbox.ready()}
    assert waiting == {one: "incident.acknowledged", other: "incident.triggered"}


@pytest.mark.parametrize(
    ("status", "again"), [(None, True), (500, True), (503, True), (429, True), (400, False), (401, False), (404, False)]
)
def test_time_outs_5xx_and_429_are_retried_for_two_days_and_the_rest_is_dropped(
    status: int | None, again: bool
) -> None:
    world = PagerDutyWorld()
    world.sandbox.people_create("x")
    outgoing: Outgoing = world.sandbox.outgoing[0]
    assert (world.sandbox.retry_after(outgoing, status) is not None) == again
    world.clock.advance(48 * 3600)
    assert world.sandbox.retry_after(outgoing, status) is None


def test_three_drops_in_a_row_disable_the_subscription_for_a_day() -> None:
    world = PagerDutyWorld()
    for n in range(5):
        world.sandbox.people_create(f"{n}")
    for outgoing in list(world.sandbox.outgoing[:3]):
        world.sandbox.dropped(outgoing)
    assert world.sandbox.outgoing == []
    world.sandbox.people_create("unheard")
    assert world.sandbox.outgoing == []
    shown = call(world, "GET", f"/webhook_subscriptions/{world.hook.id}")[2]["webhook_subscription"]
    assert shown["delivery_method"]["temporarily_disabled"] is True
    world.clock.advance(24 * 3600)
    world.sandbox.tick()
    world.sandbox.people_create("heard")
    assert len(world.sandbox.outgoing) == 1


def test_a_delivery_in_between_forgives_the_drops() -> None:
    world = PagerDutyWorld()
    for n in range(4):
        world.sandbox.people_create(f"{n}")
    a, b, c, d = list(world.sandbox.outgoing)
    for act, outgoing in ((world.sandbox.dropped, a), (world.sandbox.dropped, b), (world.sandbox.delivered, c)):
        act(outgoing)
    world.sandbox.dropped(d)
    assert world.hook.disabled_until is None


def test_a_ping_can_be_asked_for_and_the_secret_is_shown_once() -> None:
    world = PagerDutyWorld()
    assert call(world, "POST", f"/webhook_subscriptions/{world.hook.id}/ping")[0] == 202
    assert events(world) == ["pagey.ping"]
    listed = call(world, "GET", "/webhook_subscriptions")[2]["webhook_subscriptions"]
    assert [(s["delivery_method"]["url"], s["delivery_method"]["secret"]) for s in listed] == [(HOOK, None)]


def event(world: PagerDutyWorld, action: str, key: str = "disk/db-7", **more: Any) -> int:
    body = {
        "routing_key": world.sandbox.services["PCHECKO"].routing_key,
        "event_action": action,
        "dedup_key": key,
        **more,
    }
    return call(world, "POST", "/v2/enqueue", body, Authorization="")[0]


PAYLOAD = {"summary": "Disk full", "source": "db-7", "severity": "critical"}


def test_events_are_taken_in_later_fold_by_key_and_open_anew_after_a_resolve() -> None:
    world = PagerDutyWorld()
    box = world.sandbox
    assert event(world, "trigger", payload=PAYLOAD) == 202
    assert not box.incidents
    world.clock.advance(3)
    box.tick()
    assert len(box.incidents) == 1
    event(world, "trigger", payload=PAYLOAD)
    event(world, "acknowledge")
    box.settle()
    assert [i.status for i in box.incidents.values()] == ["acknowledged"]
    event(world, "resolve")
    event(world, "trigger", payload=PAYLOAD)
    box.settle()
    assert sorted(i.status for i in box.incidents.values()) == ["resolved", "triggered"]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_an_event_without_an_open_alert_is_silently_dropped(action: str) -> None:
    world = PagerDutyWorld()
    assert event(world, action) == 202
    world.sandbox.settle()
    assert not world.sandbox.incidents
    assert events(world) == []


def test_an_invalid_event_is_refused_at_once() -> None:
    world = PagerDutyWorld()
    assert event(world, "trigger") == 400
    assert event(world, "trigger", payload={**PAYLOAD, "severity": "awful"}) == 400
    assert event(world, "levitate") == 400
    assert event(world, "resolve", key="") == 400
