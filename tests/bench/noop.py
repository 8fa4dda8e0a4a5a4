"""A vendor that does nothing in no time, so that only the hub's own cost is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.clock import SystemClock, SystemIds
from hub.domain.capability import Capabilities, CreateSafety, FieldCapability, KindCapability
from hub.domain.policy import Config, ConnectionConfig, Policy
from hub.domain.values import INCIDENT, Changes, Desired, Hint, Mark, Observation, Ref, Request, Update, Written
from hub.domain.vocabulary import Same
from hub.ports import Wake
from hub.store.unit import Store
from hub.sync.hub import Hub
from hub.sync.limits.budget import Budget
from hub.sync.setup import register
from tests.contract.world import MemorySecrets

NAME = "noop"


class Silent:
    """A `hub.ports.Wake` that does nothing."""

    def wake(self, task: str, name: str) -> None:
        return None


class NoopAdapter:
    """Accepts every write, needs no read before it, and has no rate limit."""

    capabilities = Capabilities(
        vendor=NAME,
        title="No-op",
        concurrency=1_000,
        kinds={
            INCIDENT: KindCapability(
                {"title": FieldCapability(read=False), "status": FieldCapability(read=False)},
                create=CreateSafety.IDEMPOTENT,
                reads=False,
            )
        },
    )
    relations: Mapping[str, Mapping[str, Any]] = {INCIDENT: {"title": Same(), "status": Same()}}

    def authenticate(self, request: Request, secrets: Any) -> str:
        return request.headers.get("x-delivery", "one")

    def hints(self, request: Request) -> Sequence[Hint]:
        return ()

    def observe(self, ref: Ref) -> Observation:
        return Observation(ref)

    def find(self, mark: Mark) -> Sequence[Observation]:
        return ()

    def create(self, desired: Desired, mark: Mark) -> Written:
        return Written(Ref(INCIDENT, mark.key))

    def update(self, ref: Ref, update: Update) -> Written:
        return Written(ref)

    def changed_since(self, cursor: Any) -> Changes:
        return Changes((), cursor)


def noop_hub(store: Store, wake: Wake | None = None, redis_url: str | None = None) -> Hub:
    """A hub with this one vendor, its connection enabled. The tables must exist."""
    clock, ids = SystemClock(), SystemIds()
    hub = Hub(
        store=store, clock=clock, ids=ids, wake=wake or Silent(), adapters={NAME: NoopAdapter()},
        config=Config({NAME: ConnectionConfig(NAME, NAME, "enabled")}, Policy(creates_per_minute=10**9)),
        budget=Budget(clock, redis_url, ids=ids, workers=lambda: 1_000), secrets=lambda connection: MemorySecrets(), owner="bench",
    )  # fmt: skip
    register(hub)
    return hub
