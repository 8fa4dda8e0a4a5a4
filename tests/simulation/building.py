"""Builds a simulated world: model vendors, people, network, queue, and the invariants that check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.domain.policy import Config
from tests.simulation import company, planned
from tests.simulation.invariants import Invariants
from tests.simulation.ledger import Ledger
from tests.simulation.network import Network
from tests.simulation.vendor import client
from tests.simulation.wakes import Queue
from tests.simulation.world import World


class SimulatedWorld(World):
    """A world with model vendors (`tests.simulation.server`)."""

    def furnish(self, config: Config | None, styles: Mapping[str, Any] | None) -> None:
        self.config = config or company.config(self.coverage)
        self.servers = company.servers(self, styles)
        self.network = Network(self)

    def compose(self) -> None:
        self.ledger = Ledger(self)
        self.invariants = Invariants(self)
        self.queue = Queue(self)

    def open(self) -> None:
        company.connect(self, list(self.config.connections))
        planned.watch(self)

    def clients(self, owner: str) -> Mapping[str, Any]:
        return {name: client(server, self, owner) for name, server in self.servers.items()}
