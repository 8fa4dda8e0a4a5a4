"""Authentic webhooks that cannot be understood: answered, kept whole, set aside with a reason, and no other webhook is affected."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hub import services
from hub.domain.values import Request
from hub.web.webhooks import MAX_BODY
from tests.engine.quartet import Quartet

DEEP = b"[" * 100_000 + b"]" * 100_000
BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "not JSON": b"status=resolved",
    "half of a JSON": b'{"event": {"event_type": "incident.',
    "null": b"null",
    "a list": b"[1, 2]",
    "a text": b'"incident.resolved"',
    "an empty object": b"{}",
    "wrong types": b'{"event": 7, "webhookEvent": {}, "issue": [], "incident": "x", "value": 3, "comment": 1.5, "messages": {}}',
    "wrong types inside": b'{"event": {"id": [], "event_type": {}, "data": 0}, "webhookEvent": "jira:issue_updated", "issue": {"id": {}}, "incident": {"id": [], "incident_updates": 5}}',
    "missing fields": b'{"event": {"id": "X1", "event_type": "incident.resolved", "data": {}}, "webhookEvent": "comment_created", "incident": {}}',
    "deep": DEEP,
    "deep inside": b'{"event": ' + DEEP + b', "webhookEvent": ' + DEEP + b', "incident": ' + DEEP + b"}",
    "UTF-16": '{"webhookEvent": "jira:issue_updated"}'.encode("utf-16"),
    "Latin-1": '{"webhookEvent": "jira:issue_updated", "issue": {"id": "\u00e9"}}'.encode("latin-1"),
    "compressed": gzip.compress(b"{}", mtime=0),
    "NUL": b'{"event": {"id": "\\u0000", "event_type": "incident.\\u0000"}, "webhookEvent": "\\u0000", "incident": {"id": "\\u0000"}}',
    "raw NUL": b'\x00{"event": {}}\x00',
    "half a character": b'{"event": {"id": "\\ud800", "event_type": "\\udfff"}, "webhookEvent": "\\ud800", "incident": {"id": "\\ud800", "incident_updates": []}}',
    "a number without end": b'{"event": ' + b"9" * 6_000 + b', "webhookEvent": 1e999, "incident": {"id": ' + b"9" * 6_000 + b"}}",
    "not a number": b'{"event": NaN, "webhookEvent": Infinity, "incident": -Infinity}',
    "the same name twice": b'{"webhookEvent": "a", "webhookEvent": "b", "event": 1, "event": {}}',
    "an id that is a path": b'{"webhookEvent": "jira:issue_updated", "issue": {"id": "../../x"}, "event": {"id": "a", "event_type": "incident.resolved", "data": {"id": "../../x?y#z"}}, "incident": {"id": "../x", "incident_updates": []}}',
    "an object that is nobody's": b'{"webhookEvent": "jira:issue_updated", "issue": {"id": "99999999"}, "event": {"id": "n", "event_type": "incident.resolved", "data": {"id": "PNOBODY"}}, "incident": {"id": "nobody000000", "incident_updates": []}}',
    "fields that nobody knows": b'{"webhookEvent": "galaxy_created", "event": {"id": "g", "event_type": "galaxy.created", "data": {"x": 1}}, "galaxy": {}, "x": [1]}',
}  # fmt: skip


def _hex(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def pagerduty(q: Quartet, body: bytes) -> Request:
    secret = q.pagerduty.secrets.all("webhook_secret")[0]
    return Request(
        "POST", "/in/pagerduty", {}, {"x-pagerduty-signature": "v1=" + _hex(secret, body)}, body, q.clock.now()
    )


def jira(q: Quartet, body: bytes) -> Request:
    secret = q.jira.secrets.get("webhook_secret")
    return Request("POST", "/in/jira", {}, {"x-hub-signature": "sha256=" + _hex(secret, body)}, body, q.clock.now())


def statuspage(q: Quartet, body: bytes) -> Request:
    token = q.statuspage.secrets.get("webhook_path_token")
    return Request("POST", f"/in/statuspage/{token}", {}, {}, body, q.clock.now())


def teams_command(q: Quartet, body: bytes) -> Request:
    key = base64.b64decode(q.teams.secrets.get("outgoing_webhook_secret"))
    mac = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()
    return Request("POST", "/in/teams", {}, {"authorization": f"HMAC {mac}"}, body, q.clock.now())


def teams_change(q: Quartet, body: bytes) -> Request:
    """A notification with the malformed part in the item that has our client state: without it the webhook would not be authentic."""
    state = q.teams.secrets.get("client_state")
    item: Any = {"clientState": state, "changeType": body.decode("latin-1"), "resource": {"x": body.decode("latin-1")}}
    try:
        inside = json.loads(body)
    except (ValueError, RecursionError):
        inside = None
    whole = {"value": [item | {"resourceData": inside}, item | {"lifecycleEvent": inside}]}
    return Request("POST", "/in/teams", {}, {}, json.dumps(whole).encode(), q.clock.now())


SIGNED: Mapping[str, Callable[[Quartet, bytes], Request]] = {
    "pagerduty": pagerduty, "jira": jira, "statuspage": statuspage, "teams command": teams_command,
    "teams change": teams_change,
}  # fmt: skip


@pytest.mark.parametrize("sender", SIGNED)
def test_nonsense_from_a_vendor_is_answered_kept_and_explained_and_the_incident_goes_on(
    sender: str, caplog: pytest.LogCaptureFixture
) -> None:
    q = Quartet()
    incident = q.begins()
    name = sender.split()[0]
    bodies = {k: b for k, b in BODIES.items() if not (sender == "teams change" and k.startswith("deep"))}
    known = {row["id"] for row in services.list_inbox(q.hub, limit=200)["items"]}
    sent: dict[str, bytes] = {}
    for what, body in bodies.items():
        request = SIGNED[sender](q, body)
        answer = q.send(name, request)
        if sender == "teams command" and answer.status_code == 401:
            continue  # without a time it cannot be distinguished from a replay
        assert answer.status_code in (200, 202), f"{what}: {answer.status_code} {answer.text}"
        sent[what] = request.body
    q.settle(5)
    rows = [
        r for r in services.list_inbox(q.hub, limit=200)["items"] if r["connection"] == name and r["id"] not in known
    ]
    assert len(rows) >= len(set(sent.values())), "a webhook that was answered 2xx is not there"
    for row in rows:
        assert row["state"] in ("done", "ignored", "failed"), row
        assert row["attempts"] == 0, f"our own code stumbled over it: {row}"
        assert row["state"] == "done" or row["reason"], f"set aside without a reason: {row}"
        assert "Traceback" not in str(row["reason"])
    kept = {services.show_inbox(q.hub, row["id"])["body"] for row in rows}
    if sender != "teams change":  # its client state is not kept
        assert {body.decode("utf-8", "replace") for body in sent.values()} <= kept
    assert not [r for r in caplog.records if r.exc_info], "a traceback in the log"
    assert q.fields(incident)["status"] == "triggered"
    q.others_go_on(incident, without="")


@pytest.mark.parametrize("sender", [s for s in SIGNED if s != "teams change"])  # that one is understood or ignored
def test_a_failed_webhook_is_found_by_doctor_and_the_api_and_can_be_read_again(sender: str) -> None:
    q = Quartet()
    q.begins()
    name = sender.split()[0]
    assert q.send(name, SIGNED[sender](q, b"not JSON")).status_code in (200, 202)
    q.settle(3)
    answer = q.api("GET", "inbox?state=failed").json
    assert answer is not None
    (row,) = answer["items"]
    assert row["connection"] == name
    assert "JSON" in row["reason"]
    (line,) = [x for x in q.doctor_work() if x.part == f"inbox of {name}"]
    assert line.level == "warn"
    assert "lockstep inbox list --state failed" in line.remedy
    assert q.api("POST", f"inbox/{row['id']}/retry").status_code == 202
    q.settle(3)
    assert services.show_inbox(q.hub, row["id"])["state"] == "failed"


def test_a_body_that_is_too_large_is_refused_with_its_limit_and_the_log_says_what_to_do(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    q = Quartet()
    incident = q.begins()
    answer = q.send("jira", jira(q, b" " * (MAX_BODY + 1)))
    assert answer.status_code == 413
    assert str(MAX_BODY) in answer.json["detail"]
    assert "max_body_bytes" in capsys.readouterr().out + caplog.text
    assert services.list_inbox(q.hub, "failed")["items"] == []
    q.others_go_on(incident, without="")


def test_a_webhook_with_an_invalid_signature_changes_nothing_and_is_counted_where_people_look() -> None:
    q = Quartet()
    incident = q.begins()
    before = len(services.list_inbox(q.hub, limit=200)["items"])
    for name in ("pagerduty", "jira", "teams", "statuspage"):
        answer = q.web.post(f"/in/{name}/guess", data=b'{"status": "resolved"}')
        assert answer.status_code == 401
        assert "signature" in answer.json["detail"]
    assert len(services.list_inbox(q.hub, limit=200)["items"]) == before
    connections = q.api("GET", "connections").json
    assert connections is not None
    assert {c["name"]: c["invalid_signatures"] for c in connections["items"]} == dict.fromkeys(q.worlds, 1)
    assert [x.part for x in q.doctor_work() if "invalid signature" in x.what] == [f"connection {n}" for n in q.worlds]
    assert q.fields(incident)["status"] == "triggered"


@pytest.mark.parametrize(
    ("name", "secret", "header"),
    [
        ("pagerduty", "webhook_secret", "x-pagerduty-signature"),
        ("jira", "webhook_secret", "x-hub-signature"),
        ("statuspage", "webhook_path_token", "x-none"),
        ("teams", "client_state", "x-none"),
        ("teams", "outgoing_webhook_secret", "authorization"),
    ],
)
def test_a_vendor_whose_secret_is_not_set_is_asked_to_send_again(name: str, secret: str, header: str) -> None:
    q = Quartet()
    q.worlds[name].secrets.values.pop(secret, None)
    value = {"authorization": "HMAC eHg=", "x-hub-signature": "sha256=00"}.get(header, "v1=00")
    body = b'{"value": [{"clientState": "x"}], "type": "message"}'
    answer = q.web.post(f"/in/{name}/guess", data=body, headers={header: value})
    assert answer.status_code == 503
    listed = q.api("GET", "connections").json
    assert listed is not None
    assert {c["name"]: c["invalid_signatures"] for c in listed["items"]}[name] == 0


def test_the_same_delivery_again_is_one_row() -> None:
    q = Quartet()
    q.begins()
    request = jira(q, b'{"webhookEvent": "galaxy_created"}')
    before = len(services.list_inbox(q.hub, limit=200)["items"])
    assert {q.send("jira", request).status_code for _ in range(5)} == {202}
    assert len(services.list_inbox(q.hub, limit=200)["items"]) == before + 1


def test_the_secrets_that_vouch_for_a_webhook_are_not_kept_with_it() -> None:
    """The client state is in the body, the path token in the path: readers of the inbox must not get them."""
    q = Quartet()
    incident = q.begins()
    q.teams.sandbox.people_reply(q.link(incident, "teams")["remote_id"], "I see it too")
    q.statuspage.sandbox.people_set_status(q.link(incident, "statuspage")["remote_id"], "identified", "We know why.")
    q.settle(5)
    shown = [q.api("GET", f"inbox/{row['id']}").text for row in services.list_inbox(q.hub, limit=200)["items"]]
    assert any("clientState" in text for text in shown)
    for name, secret in (("teams", "client_state"), ("statuspage", "webhook_path_token")):
        for value in q.worlds[name].secrets.all(secret):
            assert not any(value in text for text in shown), secret
