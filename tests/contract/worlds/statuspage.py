"""Statuspage for the contract suite: one page with three components, and the hub's webhook subscription."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from adapters.registry import Spec
from adapters.statuspage.adapter import StatuspageAdapter, build
from adapters.statuspage.sandbox import StatuspageSandbox
from hub.clock import ManualClock
from hub.domain.values import INCIDENT, UPDATE, Desired, Json, Ref, Request
from mappings.vocabulary import overlay
from tests.contract.world import MemorySecrets, Parts

API = "https://api.statuspage.io"
HOOK = "https://hub.example.com/webhooks/page"
NEXT: dict[str, list[str]] = {
    "status": ["investigating", "identified", "monitoring", "resolved"],
    "severity": ["none", "minor", "major", "critical"],
}


class StatuspageWorld:
    name = "statuspage"
    contract = "statuspage-v1.openapi.json"
    contract_base = f"{API}/v1"

    def __init__(self) -> None:
        parts = Parts()
        self.clock: ManualClock = parts.clock
        self.secrets = MemorySecrets(api_key="sandbox-key", webhook_path_token="path-token-1")
        self.sandbox = StatuspageSandbox(parts.clock, parts.ids)
        self.checkout, self.search, self.mail = map(self.sandbox.add_component, ("Checkout", "Search", "Mail"))
        services = [["checkout", self.checkout], ["search", self.search]]
        self.adapter: StatuspageAdapter = build(
            Spec(
                name="page",
                settings={"page_id": self.sandbox.page_id, "webhook_email": "ops@example.com"},
                vocabulary=overlay("statuspage", {"services": services}),
                secrets=self.secrets,
                notebook=parts.notebook,
                wire=parts.wire(self.sandbox, API),
                clock=parts.clock,
                ids=parts.ids,
            )
        )
        self.adapter.subscribe(HOOK, self.secrets)

    def sample(self, kind: str) -> Desired:
        if kind == UPDATE:
            return Desired(UPDATE, {"text": "We know why: a certificate."}, parent=self.person_makes(INCIDENT))
        fields: dict[str, Json] = {
            "status": "investigating",
            "public_title": "Payments fail",
            "public_text": "We are looking into failing payments.",
            "severity": "major",
            "impacts": {self.checkout: "partial_outage"},
        }
        return Desired(INCIDENT, fields)

    def another(self, kind: str, field: str, now: Json) -> Json:
        if field in NEXT:
            words = NEXT[field]
            return words[(words.index(now) + 1) % len(words)] if now in words else words[0]
        if field == "impacts":
            changed = "major_outage" if now.get(self.checkout) != "major_outage" else "degraded_performance"
            return {**now, self.checkout: changed}
        if field == "services":
            return sorted({*now, self.mail})
        return f"{now} (more)"

    def person_makes(self, kind: str, parent: Ref | None = None) -> Ref:
        if kind == UPDATE and parent:
            return Ref(UPDATE, self.sandbox.people_post_update(parent.id, "Still looking."), parent.id)
        components = {self.search: "degraded_performance"}
        return Ref(INCIDENT, self.sandbox.people_open("Search is slow", "Search takes long.", components))

    def person_edits(self, ref: Ref, field: str, value: Json) -> None:
        box = self.sandbox
        if ref.kind == UPDATE:
            box.people_edit_update(str(ref.parent), ref.id, value)
            return
        edits: dict[str, Callable[[Any], Any]] = {
            "status": lambda v: box.people_set_status(ref.id, v),
            "public_title": lambda v: box.people_rename(ref.id, v),
            "public_text": lambda v: box.people_edit_update(
                ref.id, box.incidents[ref.id]["incident_updates"][-1]["id"], v
            ),
            "severity": lambda v: box.people_override_impact(ref.id, v),
            "impacts": lambda v: box.people_set_components(ref.id, v),
            "services": lambda v: box.people_set_components(ref.id, dict.fromkeys(v, "operational")),
        }
        edits[field](value)

    def person_deletes(self, ref: Ref) -> None:
        if ref.kind == UPDATE:
            self.sandbox.people_delete_update(str(ref.parent), ref.id)
        else:
            self.sandbox.people_delete(ref.id)

    def webhooks(self) -> Sequence[Request]:
        taken, self.sandbox.outgoing[:] = list(self.sandbox.outgoing), []
        return [
            Request(
                "POST",
                out.url.removeprefix("https://hub.example.com"),
                {},
                {k.lower(): v for k, v in out.headers.items()},
                out.body,
                self.clock.now(),
            )
            for out in taken
        ]

    def badly_signed(self, request: Request) -> Sequence[tuple[str, Request]]:
        base = request.path.rsplit("/", 1)[0]
        return [
            ("no token", replace(request, path=base)),
            ("an empty token", replace(request, path=f"{base}/")),
            ("a false token", replace(request, path=f"{base}/path-token-0")),
            ("the token not at the end", replace(request, path=f"{base}/path-token-1/more")),
            ("a token that is no ASCII", replace(request, path=f"{base}/pfad-\u00e9\udcff")),
        ]

    def rotate(self) -> None:
        self.secrets.put("webhook_path_token", "path-token-2")
        self.adapter.subscribe(HOOK, self.secrets)

    def forbid(self) -> None:
        self.sandbox.api_keys.clear()


WORLDS: dict[str, Callable[[], StatuspageWorld]] = {"statuspage": StatuspageWorld}
