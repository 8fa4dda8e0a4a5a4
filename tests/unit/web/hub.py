"""A hub for the tests of the web: one vendor with signed webhooks, tables in memory, a clock that does not advance."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.clock import ManualClock, SystemIds
from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, KindCapability
from hub.domain.errors import InvalidSignature
from hub.domain.policy import Config, ConnectionConfig, LinkRule, Policy
from hub.domain.values import Hint, Reply, Request
from hub.domain.vocabulary import Same
from hub.store import tokens
from hub.store.unit import Store
from hub.sync.hub import Hub
from hub.sync.limits.budget import Budget
from tests.contract.world import MemorySecrets

SECRET = "canary-webhook-secret"


def signature(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, "sha256").hexdigest()


class Signed:
    """An adapter of a vendor with signed webhooks and titles; the web must never call the vendor."""

    capabilities = Capabilities(
        vendor="signed",
        title="Signed",
        kinds={
            "incident": KindCapability(
                {"title": FieldCapability(), "status": FieldCapability()}, create=CreateSafety.FINDABLE, adoptable=True
            )
        },
        degraded=("it has no comments",),
    )
    relations: Mapping[str, Any] = {"incident": {"title": Same(), "status": Same()}}

    def authenticate(self, request: Request, secrets: Any) -> str:
        if not hmac.compare_digest(request.headers.get("x-signature", "").encode(), signature(request.body).encode()):
            raise InvalidSignature("the signature does not fit")
        return request.headers.get("x-delivery", "one")

    def hints(self, request: Request) -> Sequence[Hint]:
        return ()


class Greeting(Signed):
    """A vendor that begins with a handshake, as Microsoft Graph does."""

    def handshake(self, request: Request) -> Reply | None:
        if "validationToken" in request.query:
            return Reply(200, request.query["validationToken"].encode(), "text/plain", store=False)
        return None

    def reply(self, request: Request, ask: Any) -> Reply | None:
        return Reply(200, b'{"text": "noted"}') if request.body == b"command" else None


@dataclass
class Woken:
    """Records every wake-up, in order."""

    calls: list[tuple[str, str]] = field(default_factory=list)

    def wake(self, task: str, name: str) -> None:
        self.calls.append((task, name))


def make_hub(url: str = "sqlite://", *, create: bool = True, **settings: Any) -> Hub:
    """A hub where every incident gets a held link to `signed`. settings: that connection's."""
    clock, store = ManualClock(), Store(url)
    if create:
        store.create_all()
    connections = {
        "signed": ConnectionConfig("signed", "signed", "enabled", 0, settings),
        "greeting": ConnectionConfig("greeting", "greeting", "enabled", 1, {}),
    }
    adapters: dict[str, Any] = {"signed": Signed(), "greeting": Greeting()}
    return Hub(
        store=store,
        clock=clock,
        ids=SystemIds(),
        wake=Woken(),
        adapters=adapters,
        config=Config(connections, Policy(links=(LinkRule("signed", hold=True),))),
        budget=Budget(clock),
        secrets=lambda name: MemorySecrets(),
    )


def bearer(hub: Hub, scope: str = "admin") -> dict[str, str]:
    """The Authorization header of a new token with this scope."""
    _, token = tokens.create(hub.store, hub.clock, hub.ids, f"tester-{scope}", [scope])
    return {"Authorization": f"Bearer {token}"}
