"""`Hub`, which every task receives: the ports, the store, the adapters and the policy of one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hub.domain.capability import Capabilities
from hub.domain.policy import Config
from hub.domain.values import Json
from hub.domain.vocabulary import Relation, Same
from hub.ports import Adapter, Clock, Ids, LeftOut, Secrets, Wake
from hub.store.unit import Store
from hub.sync.limits.budget import Budget

LEASE = 60.0
"""Seconds that a worker has for one write. Must exceed a call's time-outs (`adapters.http`), plus the read before the
write and the history read after it."""

SPACING = 1.0
"""Seconds between two writes to the same object, so that a burst of edits becomes two writes."""


LEFT_OUT_AGAIN = 60.0
"""Seconds until a row of a left-out connection is tried again. It is never dropped: another process of the hub may
have the adapter that this one lacks."""


class NoSuchConnection(LookupError):
    """No connection with that name is configured."""


class ConnectionLeftOut(NoSuchConnection):
    """The connection is configured and has no adapter in this process. The text gives the reason and the remedy."""


@dataclass
class Hub:
    """owner: this process's name, for leases. secrets: connection name → its secrets. left_out: configured connections
    without an adapter in this process, and why."""

    store: Store
    clock: Clock
    ids: Ids
    wake: Wake
    adapters: Mapping[str, Adapter]
    config: Config
    budget: Budget
    secrets: Callable[[str], Secrets]
    owner: str = "hub"
    invalid_signatures: dict[str, float] = field(default_factory=dict)
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)

    def adapter(self, connection: str) -> Adapter:
        """The connection's adapter. Raises NoSuchConnection, or ConnectionLeftOut."""
        if connection in self.left_out:
            raise ConnectionLeftOut(f"connection {connection!r} is left out: {self.left_out[connection]}")
        if connection not in self.adapters:
            raise NoSuchConnection(f"no connection {connection!r} is configured")
        return self.adapters[connection]

    def capabilities(self, connection: str) -> Capabilities:
        return self.adapter(connection).capabilities

    def relations(self, connection: str, kind: str) -> Mapping[str, Relation]:
        """field → relation: those that the adapter declares, and "deleted"."""
        return {"deleted": Same(), **self.adapter(connection).relations.get(kind, {})}

    def window(self, connection: str, *, finding: bool = False) -> float:
        """Seconds after sending until the effect of a request of unknown outcome is visible, or it has none.
        finding: visible to `find`, not only to a read by id."""
        capabilities = self.capabilities(connection)
        lag = max(capabilities.read_lag, capabilities.find_lag) if finding else capabilities.read_lag
        return capabilities.request_limit + lag

    def person(self, connection: str, account: str | None) -> str | None:
        """The id in the configuration of the person with this vendor account; None if unknown."""
        if account is None:
            return None
        for person, card in self.config.people.items():
            if (card.get("accounts") or {}).get(connection) == account:
                return person
        return None

    def actor_email(self, name: Json) -> str | None:
        """The e-mail address of a person who is named by id or by address; None if unknown."""
        card = self.config.people.get(str(name)) if name else None
        if card:
            return card.get("email")
        return str(name) if name and "@" in str(name) else None
