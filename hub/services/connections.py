"""Connections and the global pause."""

from __future__ import annotations

from hub.domain.values import Json
from hub.services import checks, serialize
from hub.services.errors import Invalid, NotFound
from hub.store import connections as connection_rows
from hub.store.records import save
from hub.sync.hub import Hub
from hub.sync.limits import breaker

STATES = ("observe", "enabled", "disabled")


def list_connections(hub: Hub) -> list[dict[str, Json]]:
    """Every configured connection: its state, its health, and what it cannot do."""
    now = hub.clock.now()
    out: list[dict[str, Json]] = []
    with hub.store.reading() as tx:
        rows = connection_rows.every(tx)
        for name in hub.config.connections:
            row, cursor = rows.get(name), connection_rows.cursor(tx, name)
            if row is None:
                continue
            capabilities = hub.adapters[name].capabilities if name in hub.adapters else None
            until, left_out = breaker.open_until(row, now), hub.left_out.get(name)
            out.append(
                {
                    "name": name, "vendor": row.vendor, "state": row.state, "healthy": row.failures == 0 and left_out is None,
                    "failures": row.failures, "open_until": serialize.iso(until), "reason": str(left_out) if left_out else row.reason,
                    "activated_at": serialize.iso(row.activated_at), "invalid_signatures": row.invalid_signatures,
                    "polled_at": serialize.iso(cursor["polled_at"]) if cursor else None,
                    "poll_due": serialize.iso(cursor["due_at"]) if cursor else None,
                    "subscription_due": serialize.iso(row.subscription_due),
                    "public": capabilities.public if capabilities else None,
                    "degraded": list(capabilities.degraded) if capabilities else [],
                    "counts": dict(connection_rows.link_counts(tx, name)),
                }
            )  # fmt: skip
    return out


def set_connection(hub: Hub, name: str, state: str, *, actor: str) -> dict[str, Json]:
    """Sets the state of a connection. Objects that people create there after it first became "observe" or "enabled" may
    be adopted. Raises Invalid or NotFound."""
    if state not in STATES:
        raise Invalid("state", f"must be one of {', '.join(STATES)}")
    now = hub.clock.now()
    with hub.store.unit() as tx:
        row = connection_rows.get(tx, name) if checks.storable(name) else None
        if row is None:
            raise NotFound(f"there is no connection {name!r}; `lockstep connections list` shows all of them")
        row.state = state
        if state != "disabled":
            row.activated_at = row.activated_at or now
        if state == "enabled":
            row.failures, row.open_until, row.reason, row.subscription_due = 0, None, None, now
            connection_rows.plan_again(tx, name, now)
        save(tx, row)
        if state != "disabled":
            connection_rows.poll_at(tx, name, now)
        connection_rows.note_switch(tx, name, state, actor, now)
    if state != "disabled":
        hub.wake.wake("poll", name)
    if state == "enabled":
        hub.wake.wake("subscribe", name)
    return next(c for c in list_connections(hub) if c["name"] == name)


def set_pause(hub: Hub, paused: bool, *, actor: str) -> dict[str, Json]:
    """Sets or ends the global pause: webhooks and reads are still merged, but nothing is written to any vendor."""
    with hub.store.unit() as tx:
        connection_rows.set_switch(tx, "paused", bool(paused))
        connection_rows.note_switch(tx, "*", "paused" if paused else "resumed", actor, hub.clock.now())
        if not paused:
            connection_rows.deliver_now(tx, hub.clock.now())
    return {"paused": bool(paused)}


def is_paused(hub: Hub) -> bool:
    with hub.store.reading() as tx:
        return connection_rows.paused(tx)
