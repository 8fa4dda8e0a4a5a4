"""Cachet for the contract suite: with and without the public sentence that is needed to change components after the create."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from adapters.cachet.adapter import CachetAdapter, build
from adapters.cachet.sandbox import CachetSandbox
from adapters.registry import Spec
from hub.clock import ManualClock
from hub.domain.values import INCIDENT, UPDATE, Desired, Json, Ref, Request
from mappings.vocabulary import overlay
from tests.contract.world import MemorySecrets, Parts

PAGE = "https://status.example.com"
SENTENCE = "We have updated how our components are affected."
STATUSES = [1, 2, 3, 4]


class CachetWorld:
    contract: str | None = None
    contract_base = f"{PAGE}/api"

    def __init__(self, name: str = "cachet", **settings: Any) -> None:
        self.name = name
        parts = Parts()
        self.clock: ManualClock = parts.clock
        self.secrets = MemorySecrets(api_token="1|sandbox-token")
        # If reading is public, only a write shows that a token is no longer valid.
        self.sandbox = CachetSandbox(parts.clock, parts.ids, protected=True)
        self.checkout, self.search, self.mail = map(self.sandbox.add_component, ("Checkout", "Search", "Mail"))
        services = [["checkout", self.checkout], ["search", self.search]]
        self.adapter: CachetAdapter = build(
            Spec(
                name="page",
                settings={"url": PAGE, **settings},
                vocabulary=overlay("cachet", {"services": services}),
                secrets=self.secrets,
                notebook=parts.notebook,
                wire=parts.wire(self.sandbox, PAGE),
                clock=parts.clock,
                ids=parts.ids,
            )
        )

    def sample(self, kind: str) -> Desired:
        if kind == UPDATE:
            return Desired(UPDATE, {"text": "We know why: a certificate."}, parent=self.person_makes(INCIDENT))
        fields: dict[str, Json] = {
            "status": 1,
            "public_title": "Payments fail",
            "public_text": "We are looking into failing payments.",
            "impacts": {self.checkout: 3},
        }
        return Desired(INCIDENT, fields)

    def another(self, kind: str, field: str, now: Json) -> Json:
        if field == "status":
            return STATUSES[(STATUSES.index(now) + 1) % len(STATUSES)]
        if field == "impacts":
            return {**now, self.checkout: 4 if now.get(self.checkout) != 4 else 2}
        if field == "services":
            return sorted({*now, self.mail})
        return f"{now} (more)"

    def person_makes(self, kind: str, parent: Ref | None = None) -> Ref:
        if kind == UPDATE and parent:
            return Ref(UPDATE, self.sandbox.people_post_update(parent.id, "Still looking."), parent.id)
        return Ref(INCIDENT, self.sandbox.people_open("Search is slow", components={self.search: 2}))

    def person_edits(self, ref: Ref, field: str, value: Json) -> None:
        box = self.sandbox
        if ref.kind == UPDATE:
            box.people_edit_update(str(ref.parent), ref.id, value)
        elif field in ("impacts", "services"):
            box.people_set_components(ref.id, value if field == "impacts" else dict.fromkeys(value, 1))
        else:
            names = {"status": "status", "public_title": "name", "public_text": "message"}
            box.people_set(ref.id, **{names[field]: value})

    def person_deletes(self, ref: Ref) -> None:
        if ref.kind == UPDATE:
            self.sandbox.people_delete_update(str(ref.parent), ref.id)
        else:
            self.sandbox.people_delete(ref.id)

    def webhooks(self) -> Sequence[Request]:
        return []

    def badly_signed(self, request: Request) -> Sequence[tuple[str, Request]]:
        return [("anything at all", request)]

    def rotate(self) -> None:
        """There is no signing secret."""

    def forbid(self) -> None:
        self.sandbox.tokens.clear()


WORLDS: dict[str, Callable[[], CachetWorld]] = {
    "cachet": partial(CachetWorld, "cachet", impact_message=SENTENCE),
    "cachet-plain": partial(CachetWorld, "cachet-plain"),
}
