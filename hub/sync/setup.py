"""At start: brings the connections' rows in line with the configuration."""

from __future__ import annotations

from hub.store import connections as connection_rows
from hub.store import links as link_rows
from hub.store.records import Connection, save
from hub.sync.hub import Hub


def register(hub: Hub) -> None:
    """Creates a row for each configured connection that has none. The configured state is only the initial one: a
    state set later (`lockstep connections enable`) stays. Raises ValueError if a connection's vendor was changed."""
    now = hub.clock.now()
    with hub.store.unit() as tx:
        link_rows.hint_frozen(tx, now)  # the new configuration may map a value that was unknown
        stored = connection_rows.every(tx)
        for name, config in hub.config.connections.items():
            if name not in stored:
                enabled = config.state == "enabled"
                row = Connection(
                    name=name, vendor=config.vendor, state=config.state, created_at=now,
                    activated_at=None if config.state == "disabled" else now, subscription_due=now if enabled else None,
                )  # fmt: skip
                save(tx, row)
                connection_rows.move_cursor(tx, name, None, None, now)
            elif stored[name].vendor != config.vendor:
                raise ValueError(
                    f"connection {name!r} was a {stored[name].vendor} connection and is now configured as "
                    f"{config.vendor}: its links name objects of the old vendor; give the new connection another name"
                )
            elif stored[name].state != "disabled" and (connection_rows.cursor(tx, name) or {}).get("due_at") is None:
                connection_rows.poll_at(tx, name, now)  # polling had stopped while the connection was not configured
