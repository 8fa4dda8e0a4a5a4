"""Captured payloads, beyond what each vendor's own tests replay: each is sent to every webhook route, and captured answers of the
vendors' REST APIs replace the stand-ins'. Further files may be added to the folders."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.domain.errors import InvalidSignature, Unusable, VendorError
from hub.domain.values import COMMENT, INCIDENT, Ref, Request
from hub.ports import Probes
from tests.contract.cases import WORLDS
from tests.contract.line import garbled
from tests.contract.ops import ops, prepared, rehearsed
from tests.contract.test_bytes import _understand as understand
from tests.contract.world import MemorySecrets

ROOT = Path(__file__).resolve().parents[2]
PAYLOADS = Path(os.environ.get("LOCKSTEP_SHARED") or ROOT.parent / "shared") / "payloads"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def _files(*folders: str) -> list[Any]:
    found = sorted(p for folder in folders for p in PAYLOADS.glob(f"{folder}/*") if p.is_file())
    return [pytest.param(p, id=f"{p.parent.name}/{p.name}") for p in found]


def _request(path: Path, headers: Mapping[str, str] | None = None) -> Request:
    return Request("POST", "/webhooks/connection", {}, dict(headers or {}), path.read_bytes(), NOW)


def test_the_captured_payloads_are_there(shared: Path) -> None:
    assert _files("*")


@pytest.mark.parametrize("path", _files("*"))
def test_any_payload_at_any_door_is_understood_or_unusable_and_never_believed(path: Path) -> None:
    """A webhook sent to the wrong connection breaks nothing, whichever vendor sends it."""
    for make in WORLDS.values():
        world = make()
        understand(world, _request(path))
        with pytest.raises(InvalidSignature):
            world.adapter.authenticate(_request(path), world.secrets)


def _said(data: Mapping[str, Any]) -> set[Ref]:
    """The objects that an event's data name, derived from the content alone."""
    kind = str(data.get("type"))
    if kind == "incident":
        return {Ref(INCIDENT, data["id"])}
    if kind == "incident_note":
        return {Ref(COMMENT, data["id"], data["incident"]["id"])}
    holders = [data, *data.get("incident_role_assignments", ())]
    return {Ref(INCIDENT, h["incident"]["id"]) for h in holders if isinstance(h.get("incident"), dict)}


def _data(path: Path) -> Mapping[str, Any] | None:
    """The data of a documented event; None if the file is no event of webhooks V3."""
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict) or "messages" in content:
        return None
    event = content.get("event", content)
    return event.get("data", event) if isinstance(event, dict) else None


EVENT_OF = {
    "incident": "incident.triggered",
    "incident_note": "incident.annotated",
    "incident_status_update": "incident.status_update_published",
    "incident_responder": "incident.responder.added",
    "incident_role_assignments": "incident.role.assigned",
    "incident_role_assignment": "incident.role.assigned",
    "incident_workflow_instance": "incident.workflow.started",
    "incident_action_invocation": "incident.action_invocation.created",
    "incident_field_values": "incident.custom_field_values.updated",
    "incident_conference_bridge": "incident.conference_bridge.updated",
    "incident_task": "incident.task.created",
}
"""The type of an event's data → an event that has such data."""


@pytest.mark.parametrize("path", _files("pagerduty"))
def test_documented_event_data_in_an_envelope_names_its_incident(path: Path) -> None:
    """PagerDuty documents some events by their data alone: in an envelope and signed, they are accepted and understood."""
    data = _data(path)
    world = WORLDS["pagerduty"]()
    if data is None:
        hints = world.adapter.hints(_request(path))
        assert hints
        assert all(h.ignored and h.ref is None for h in hints), "the old shape is recognised, kept and explained"
        return
    about = str(data.get("type"))
    event = EVENT_OF.get(about) or json.loads(path.read_bytes()).get("event", {}).get("event_type", "service.updated")
    envelope = {
        "event": {
            "id": "01DEN1HNLBC1VITK0SWI8MFJDR",
            "event_type": event,
            "resource_type": about.split("_")[0],
            "occurred_at": "2026-01-05T08:59:59.000Z",
            "agent": None,
            "client": None,
            "data": data,
        }
    }
    hints = world.adapter.hints(Request("POST", "/", {}, {}, json.dumps(envelope).encode(), NOW))
    wanted = _said(data) if event.startswith("incident.") else set()
    assert {h.ref for h in hints if h.ref} == wanted
    assert all(h.ignored for h in hints if h.ref is None)
    assert {h.event for h in hints} == {event}


@pytest.mark.parametrize("path", _files("pagerduty-signed"))
def test_captured_signatures_are_believed_with_their_secret_alone(path: Path) -> None:
    if path.name.endswith(".headers.json"):
        return
    kept = json.loads(path.with_name(f"{path.stem}.headers.json").read_bytes())
    headers = {k.lower(): v for k, v in kept.items() if not k.startswith("_")}
    world = WORLDS["pagerduty"]()
    assert world.adapter.authenticate(_request(path, headers), MemorySecrets(webhook_secret=kept["_signing_secret"]))
    with pytest.raises(InvalidSignature):
        world.adapter.authenticate(_request(path, headers), world.secrets)


# ---------------------------------------------------------------- answers of REST APIs

REST = {"jira-rest": ("jira-cloud", "jira-dc"), "statuspage-rest": ("statuspage",)}
ANSWERS = [
    pytest.param(name, path, id=f"{name}:{path.name}")
    for folder, names in REST.items()
    for path in sorted(PAYLOADS.glob(f"{folder}/*.json"))
    for name in names
]


@pytest.mark.parametrize(("name", "path"), ANSWERS)
def test_a_captured_answer_in_any_place_is_read_or_a_vendor_error(name: str, path: Path) -> None:
    """For any request: one answer of the real vendor in place of another."""
    for op in ops(name):
        for number in range(len(rehearsed(name, op))):
            _, call, line = prepared(name, op)
            line.spoil(number, garbled(path.read_bytes()))
            with suppress(VendorError):
                call()
    _, _, line = prepared(name, next(iter(ops(name))))
    assert isinstance(line.world.adapter, Probes)
    for number in range(6):
        line.spoil(number, garbled(path.read_bytes()))
        with suppress(VendorError):
            line.world.adapter.examine()


def test_the_captured_open_incidents_of_a_page_are_listed_as_they_say(shared: Path) -> None:
    """Older than the current format: only the parts that it lacks are missing."""
    poll = next(op for op in ops("statuspage") if op.name == "first poll")
    for path in sorted((shared / "payloads" / "statuspage-rest").glob("*unresolved*.json")):
        _, call, line = prepared("statuspage", poll)
        line.spoil(0, garbled(path.read_bytes()))
        items = call().items
        content = json.loads(path.read_bytes())
        assert [i.ref for i in items] == [Ref(INCIDENT, row["id"]) for row in content]
        for item, row in zip(items, content, strict=True):
            if item.observation:
                assert item.observation.fields["status"] == row["status"]
                assert item.observation.fields["public_title"] == row["name"]


def test_unusable_says_what_was_wrong() -> None:
    for make in WORLDS.values():
        with pytest.raises(Unusable, match=r"\w"):
            make().adapter.hints(Request("POST", "/", {}, {}, b"\xff", NOW))
