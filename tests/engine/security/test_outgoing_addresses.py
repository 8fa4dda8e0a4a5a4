"""The hub's credentials are sent to the configured vendor only: neither a redirect nor an address in a webhook or an answer makes
the hub call another host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from requests import ConnectionError
from requests.adapters import HTTPAdapter

from adapters.sandboxing import Fault
from hub.domain.errors import VendorError
from hub.domain.values import INCIDENT, Ref
from tests.contract.cases import WORLDS
from tests.engine.bad_input.test_webhooks import SIGNED
from tests.engine.quartet import Quartet

ELSEWHERE = "https://elsewhere.example.com/collect"
INSIDE = "http://169.254.169.254/latest/meta-data"


@pytest.fixture
def outsiders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records every call to a host that is no stand-in's."""
    calls: list[str] = []

    def send(self: HTTPAdapter, request: Any, **more: Any) -> Any:
        calls.append(request.url)
        raise ConnectionError("nobody is there")

    monkeypatch.setattr(HTTPAdapter, "send", send)
    return calls


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("name", [n for n in WORLDS if n not in ("teams-workflow", "teams-activity")])
def test_no_redirect_is_followed_by_any_adapter(name: str, status: int, outsiders: list[str]) -> None:
    world: Any = WORLDS[name]()
    ref = world.person_makes(INCIDENT)
    fault = Fault("status", times=50, status=status, headers={"Location": ELSEWHERE})
    world.sandbox.faults.append(fault)
    for call in (lambda: world.adapter.observe(Ref(INCIDENT, ref.id)), lambda: world.adapter.changed_since(None)):
        with pytest.raises(VendorError) as caught:
            call()
        assert "elsewhere.example" not in str(caught.value)
    assert fault.times < 50, "the stand-in was never asked"
    assert outsiders == []


@pytest.mark.parametrize("address", [ELSEWHERE, INSIDE, "file:///etc/passwd"])
def test_an_address_in_a_webhook_is_never_called(address: str, outsiders: list[str]) -> None:
    q = Quartet()
    incident = q.begins()
    issue, page = q.link(incident, "jira")["remote_id"], q.link(incident, "statuspage")["remote_id"]
    links = {"self": address, "html_url": address, "url": address, "shortlink": address, "@odata.id": address}
    body = {
        "webhookEvent": "jira:issue_updated", "issue": {"id": issue, **links}, "user": links,
        "event": {"id": "one", "event_type": "incident.resolved", "data": {"id": q.link(incident, "pagerduty")["remote_id"], **links}},
        "incident": {"id": page, **links, "incident_updates": []}, "page": links, "meta": {"unsubscribe": address},
        "type": "message", "serviceUrl": address, "timestamp": q.clock.now().isoformat(), "text": f"note {address}", **links,
    }  # fmt: skip
    for sender, sign in SIGNED.items():
        assert q.send(sender.split()[0], sign(q, json.dumps(body).encode())).status_code < 300
    q.settle(30)
    assert outsiders == []
    assert q.behind(incident) == []


def test_the_handshake_of_graph_reflects_no_markup_and_calls_nobody() -> None:
    q = Quartet()
    good = q.web.post("/in/teams?validationToken=Validation%3A+abc-1")
    assert (good.status_code, good.mimetype, good.text) == (200, "text/plain", "Validation: abc-1")
    assert good.headers["X-Content-Type-Options"] == "nosniff"
    bad = q.web.post("/in/teams?validationToken=%3Cscript%3Ealert(1)%3C/script%3E")
    assert bad.status_code == 400
    assert "<" not in bad.text
