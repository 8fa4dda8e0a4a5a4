"""PagerDuty in the contract suite: one world with everything that an account may offer, one with the minimum."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.pagerduty.adapter import build
from adapters.pagerduty.client import API_URL, EVENTS_URL
from adapters.pagerduty.sandbox import PagerDutySandbox
from adapters.registry import Spec
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Desired, Json, Ref, Request
from tests.contract.world import MemorySecrets, Parts, World

HOOK = "https://hub.example.com/in/pagerduty"
PEOPLE = [["ada", "PADA001"], ["bob", "PBOB002"], ["cyd", "PCYD003"]]
SERVICES = [["checkout", "PCHECKO"], ["search", "PSEARCH"]]
TABLES = Path(__file__).resolve().parents[3] / "mappings" / "vocabularies" / "pagerduty.toml"


def vocabulary() -> dict[str, Any]:
    return {**tomllib.loads(TABLES.read_text("utf-8")), "people": PEOPLE, "services": SERVICES}


def mended(document: dict[str, Any]) -> dict[str, Any]:
    """The corrected document: it contradicts itself in five places; its own examples and texts decide.

    1. `IncidentBody.details` is an object in the schema, a text in every example.
    2. An acknowledgement's log entry must be of a type that no log entry may have.
    3. A custom field's value must be an object; the example shows the value itself.
    4. A custom field is set by its name or by its id, which the schema cannot tell apart.
    5. `id` and `type` of a reference are read-only, and required in what is sent.
    """
    schemas = document["components"]["schemas"]
    schemas["IncidentBody"]["properties"]["details"] = {"type": "string"}
    schemas["AcknowledgeLogEntry"]["allOf"][1]["properties"]["type"]["enum"] = ["acknowledge_log_entry"]
    schemas["CustomFieldsFieldValue"]["properties"]["value"]["oneOf"].append({"type": "string"})
    for choice, name in zip(schemas["CustomFieldsEditableFieldValue"]["oneOf"], ("name", "id"), strict=True):
        choice["required"], choice["properties"]["value"] = [name, "value"], {"type": "string"}
    for part in schemas["Tag"]["allOf"]:
        for prop in part.get("properties", {}).values():
            prop.pop("readOnly", None)
    return document


class PagerDutyWorld:
    """See `tests.contract.world.World`. settings: replace the connection's."""

    contract = "pagerduty-rest.openapi.json"
    contract_base = API_URL
    mended = staticmethod(mended)

    def __init__(self, name: str = "pagerduty", **settings: Any) -> None:
        self.name = name
        self.parts = Parts()
        self.clock = self.parts.clock
        self.sandbox = PagerDutySandbox(self.clock, self.parts.ids)
        self.hook = self.sandbox.people_subscribe(HOOK)
        self.secrets = MemorySecrets(
            api_token=self.sandbox.token,
            webhook_secret=list(self.hook.secrets),
            routing_key=self.sandbox.services["PCHECKO"].routing_key,
        )
        self.spec = Spec(
            name=name,
            settings={"from_email": "lockstep@example.com", **settings},
            vocabulary=vocabulary(),
            secrets=self.secrets,
            notebook=self.parts.notebook,
            wire=self.parts.wire(self.sandbox, API_URL, EVENTS_URL),
            clock=self.clock,
            ids=self.parts.ids,
            base_url="https://hub.example.com",
        )
        self.adapter: Any = build(self.spec)
        self.reopen = bool(settings.get("reopen"))
        self.with_priorities = settings.get("priorities") != []

    def sample(self, kind: str) -> Desired:
        if kind == INCIDENT:
            fields = {
                "status": "triggered",
                "severity": ["P2" if self.with_priorities else None, "high"],
                "title": "Checkout is slow",
                "description": "p99 above 4 s since 09:00",
                "services": "PCHECKO",
                "assignees": ["PBOB002"],
            }
            return Desired(
                INCIDENT, fields, context={"number": "INC-1", "url": "https://hub.example.com/incidents/INC-1"}
            )
        parent = self.person_makes(INCIDENT)
        texts = {COMMENT: {"text": "We are looking", "deleted": False}, UPDATE: {"text": "A fix is on its way"}}
        return Desired(kind, texts[kind], parent=parent, context={"author": "Ada"})

    def another(self, kind: str, field: str, now: Json) -> Json:
        if field == "status":
            return {"triggered": "acknowledged", "acknowledged": "resolved", "resolved": "triggered"}[now]
        if field == "severity":
            name = ("P1" if now[0] != "P1" else "P4") if self.with_priorities else None
            return [name, "low" if now[1] == "high" else "high"]
        if field == "services":
            return "PSEARCH" if now != "PSEARCH" else "PCHECKO"
        if field == "assignees":
            return ["PADA001"] if now != ["PADA001"] else ["PCYD003"]
        if field == "deleted":
            return not now
        return f"{now} (changed)"

    def person_makes(self, kind: str, parent: Ref | None = None) -> Ref:
        if kind == INCIDENT:
            return Ref(INCIDENT, self.sandbox.people_create("Made by hand"))
        assert kind == COMMENT
        parent = parent or self.person_makes(INCIDENT)
        return Ref(COMMENT, self.sandbox.people_note(parent.id, "Seen by hand"), parent.id)

    def person_edits(self, ref: Ref, field: str, value: Json) -> None:
        box = self.sandbox
        if ref.kind == COMMENT:
            assert field == "text"
            assert ref.parent
            box.people_edit_note(ref.parent, ref.id, value)
            return
        acts: Mapping[str, Callable[[Any], None]] = {
            "status": lambda v: box.people_set_status(ref.id, v),
            "severity": lambda v: box.people_set_severity(ref.id, v[0], v[1]),
            "title": lambda v: box.people_set_title(ref.id, v),
            "services": lambda v: box.people_move(ref.id, v),
            "assignees": lambda v: box.people_assign(ref.id, v),
        }
        acts[field](value)

    def person_deletes(self, ref: Ref) -> None:
        """A PagerDuty incident cannot be deleted; it can only be hidden from the hub's account."""
        if ref.kind == COMMENT and ref.parent:
            self.sandbox.people_delete_note(ref.parent, ref.id)
        else:
            self.sandbox.hidden.add(ref.id)

    def webhooks(self) -> Sequence[Request]:
        sent, self.sandbox.outgoing[:] = list(self.sandbox.outgoing), []
        return [
            Request("POST", "/in/pagerduty", {}, {k.lower(): v for k, v in o.headers.items()}, o.body, self.clock.now())
            for o in sent
        ]

    def badly_signed(self, request: Request) -> Sequence[tuple[str, Request]]:
        def signed(value: str | None) -> Request:
            headers = {k: v for k, v in request.headers.items() if k != "x-pagerduty-signature"}
            return replace(request, headers=headers if value is None else {**headers, "x-pagerduty-signature": value})

        good = request.headers["x-pagerduty-signature"]
        return [
            ("no signature", signed(None)),
            ("an empty signature", signed("")),
            ("a signature of another version", signed(good.replace("v1=", "v0="))),
            ("a signature that is no hex", signed("v1=été")),
            ("a signature of something else", signed("v1=" + "0" * 64)),
            ("a cut signature", signed(good[:-1])),
            ("another body", replace(request, body=request.body + b" ")),
        ]

    def rotate(self) -> None:
        """The old secret is valid until the next rotation; PagerDuty signs with both, here with the new one only."""
        new = self.sandbox.rotate_secret(self.hook.id)
        self.secrets.put("webhook_secret", new)
        self.hook.secrets[:] = [new]

    def forbid(self) -> None:
        self.sandbox.token = "another-token"


def _full() -> World:
    world = PagerDutyWorld("pagerduty", reopen=True, custom_field="lockstep")
    world.sandbox.custom_fields.add("lockstep")
    return world


WORLDS: dict[str, Callable[[], World]] = {
    "pagerduty": _full,
    "pagerduty-plain": lambda: PagerDutyWorld("pagerduty-plain", priorities=[]),
}
