"""Captured payloads pass through `hints` and name the objects in them. Further files of the same kind may be added to the
folder: the expectation is derived from the file's own content."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.domain.errors import InvalidSignature
from hub.domain.values import COMMENT, INCIDENT, Ref, Request
from tests.contract.world import MemorySecrets
from tests.contract.worlds.pagerduty import PagerDutyWorld

ROOT = Path(__file__).resolve().parents[3]
PAYLOADS = Path(os.environ.get("LOCKSTEP_SHARED") or ROOT.parent / "shared") / "payloads"
FILES = sorted(
    p for folder in ("pagerduty", "pagerduty-signed") for p in (PAYLOADS / folder).glob("*.json")
    if not p.name.endswith(".headers.json")
)  # fmt: skip
SIGNED = [p for p in FILES if p.with_name(p.name.replace(".json", ".headers.json")).exists()]


def request(path: Path, **headers: str) -> Request:
    return Request("POST", "/", {}, headers, path.read_bytes(), datetime(2026, 1, 5, tzinfo=UTC))


def expected(payload: dict[str, Any]) -> list[Ref] | None:
    """The refs that a payload's content names; None: it concerns no incident and must be ignored."""
    if "messages" in payload:
        return None
    event = payload.get("event", {})
    data = event.get("data", payload)
    kind = str(data.get("type"))
    about_incident = kind == "incident" or kind.startswith("incident_")
    if not about_incident or (event and not str(event["event_type"]).startswith("incident.")):
        return None
    if kind == "incident":
        return [Ref(INCIDENT, data["id"])]
    if kind == "incident_note" and data.get("id"):
        return [Ref(COMMENT, data["id"], data["incident"]["id"])]
    if "incident_role_assignments" in data:
        return list(dict.fromkeys(Ref(INCIDENT, r["incident"]["id"]) for r in data["incident_role_assignments"]))
    return [Ref(INCIDENT, data["incident"]["id"])]


def test_the_payloads_are_there(shared: Path) -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_captured_payload_yields_the_hint_that_its_content_says(path: Path) -> None:
    payload = json.loads(path.read_bytes())
    hints = PagerDutyWorld().adapter.hints(request(path))
    wanted = expected(payload)
    if wanted is None:
        assert hints
        assert all(h.ref is None and h.ignored for h in hints)
    else:
        assert [h.ref for h in hints] == wanted
    assert not any(h.deleted or h.resync for h in hints)
    event = payload.get("event", {}).get("event_type")
    assert event is None or {h.event for h in hints} == {event}


@pytest.mark.parametrize("path", SIGNED, ids=lambda p: p.name)
def test_a_captured_signature_is_believed_and_only_with_its_own_body(path: Path) -> None:
    kept = json.loads(path.with_name(path.name.replace(".json", ".headers.json")).read_bytes())
    secrets = MemorySecrets(webhook_secret=["another", kept["_signing_secret"]])
    adapter = PagerDutyWorld().adapter
    good = request(path, **{"x-pagerduty-signature": kept["X-PagerDuty-Signature"]})
    assert adapter.authenticate(good, secrets) == json.loads(good.body)["event"]["id"]
    with pytest.raises(InvalidSignature):
        adapter.authenticate(good, MemorySecrets(webhook_secret="another"))
