"""The network from the vendors to the hub: webhooks in flight, which may be lost, duplicated, late and out of order.

A vendor that gets no 2xx answer sends the webhook again, with the same delivery id, a few times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hub.domain.errors import InvalidSignature
from hub.domain.values import INCIDENT, Ref, Reply, Request
from hub.store.unit import StoreUnavailable
from hub.sync.inbound import intake
from tests.simulation.server import Server, Thing
from tests.simulation.vendor import sign, webhook

if TYPE_CHECKING:
    from tests.simulation.world import World

ATTEMPTS = 5
RETRY = 30.0
"""Seconds between a vendor's attempts."""


@dataclass
class Flight:
    """One webhook in flight. about: the object for which a vendor may guarantee the order."""

    connection: str
    request: Request
    due: datetime
    about: str
    attempt: int = 1
    genuine: bool = True


class Network:
    def __init__(self, world: World) -> None:
        self.world = world
        self.flights: list[Flight] = []

    def emit(self, server: Server, event: str, thing: Thing, by: str) -> None:
        """A vendor sends a webhook."""
        if server.style.capabilities.webhooks == "none":
            return
        about = server.parent(thing) or thing
        sent = self.send(server, webhook(server, event, thing.ref, by, self.world.clock.now()), about.ref.id)
        if event == "deleted" and not sent:
            self.world.ledger.unheard.add(thing.ref)

    def command(self, server: Server, thing: Thing, verb: str, argument: str, by: str) -> None:
        """A person sends a command to the hub in chat."""
        self.world.ledger.commands += 1
        request = webhook(server, "command", thing.ref, by, self.world.clock.now(), verb=verb, argument=argument)
        self.send(server, request, thing.ref.id, sure=True)

    def send(self, server: Server, request: Request, about: str, sure: bool = False) -> bool:
        """Puts a webhook in flight; returns False if it was lost. sure: a person waits for the answer; it is never lost."""
        world, f = self.world, self.world.faults
        lossy = world.stormy or f.webhook_loss >= 1.0  # a loss of 1.0 means all of them, at rest too
        if not sure and lossy and world.net.random() < f.webhook_loss:
            world.counts["webhook_lost"] += 1
            world.coverage.fault("webhook_lost")
            return False
        copies = 2 if world.stormy and world.net.random() < f.webhook_duplicate else 1
        for _ in range(copies):
            late = (
                world.net.uniform(0, f.webhook_late)
                if world.stormy and f.webhook_late and world.net.random() < 0.5
                else 0.05
            )
            due = world.clock.now() + timedelta(seconds=late)
            if server.style.capabilities.ordering == "object":
                due = max([due, *(x.due for x in self.flights if x.about == about and x.connection == server.name)])
            self.flights.append(Flight(server.name, request, due, about))
        if copies > 1:
            world.counts["webhook_doubled"] += 1
            world.coverage.fault("webhook_doubled")
        return True

    def garbage(self, server: Server) -> None:
        """Sends a webhook with an invalid signature, or a malformed one."""
        world = self.world
        request = webhook(server, "noise", Ref(INCIDENT, "none"), "?", world.clock.now())
        kind = world.net.randrange(3)
        if kind == 0:
            request = replace(request, headers={**request.headers, "x-signature": "0" * 64})
        elif kind == 1:
            body = b'{"event": "changed", "nonsense": [[['
            request = replace(request, body=body, headers={**request.headers, "x-signature": sign(body)})
        self.flights.append(Flight(server.name, request, world.clock.now(), "", ATTEMPTS, genuine=kind != 0))

    def due(self) -> list[Flight]:
        return [f for f in self.flights if f.due <= self.world.clock.now()]

    def deliver_one(self) -> bool:
        """Delivers one of the due webhooks; False if there is none, or the web process is busy."""
        world = self.world
        due = self.due()
        web = world.actors["web"]
        if not due or web.busy:
            return False
        ordered = [f for f in due if world.servers[f.connection].style.capabilities.ordering == "object"]
        flight = due[0] if ordered or world.net.random() < 0.6 else world.net.choice(due)
        self.flights.remove(flight)
        self.deliver(flight)
        return True

    def deliver(self, flight: Flight) -> Any:
        """One attempt. A webhook that is not answered with 2xx is sent again."""
        world = self.world
        world.counts["webhook"] += 1
        request = replace(flight.request, received_at=world.clock.now())
        said = request.headers.get("x-delivery", "")
        world.note(f"webhook {said} {request.body[:90].decode(errors='replace')}")

        def take(hub: Any) -> Reply | None:
            try:
                world.store.full = world.chance(world.faults.full)
                return intake.accept(hub, flight.connection, request)
            except InvalidSignature:
                if flight.genuine:
                    world.violated(
                        "accepted is kept", f"a genuine webhook was refused for an invalid signature: {said}"
                    )
                return Reply(status=401)
            except StoreUnavailable:
                return Reply(status=503)
            finally:
                world.store.full = False

        reply = world.run(world.actors["web"], "intake", take)
        if reply is not None and 200 <= reply.status < 300 and not flight.genuine:
            world.violated("accepted is kept", f"a webhook with an invalid signature was accepted: {said}")
        if reply is not None and 200 <= reply.status < 300 and flight.genuine:
            world.ledger.accepted.setdefault((flight.connection, said), request.body.decode(errors="replace"))
            world.invariants.after_accept(flight.connection, said)
        elif (reply is None or reply.status >= 500) and flight.attempt < ATTEMPTS:
            again = replace(flight, due=world.clock.now() + timedelta(seconds=RETRY), attempt=flight.attempt + 1)
            self.flights.append(again)
        return reply
