"""All tasks by name. A task takes the key of a row, reads from the database what is to be done, and does nothing if
nothing is due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from hub.store.unit import Collision, StoreUnavailable
from hub.sync.hub import Hub
from hub.sync.inbound.adopt import consider
from hub.sync.inbound.intake import drain
from hub.sync.inbound.poll import poll
from hub.sync.inbound.refresh import refresh
from hub.sync.inbound.subscriptions import subscribe
from hub.sync.incident.commit import open_case
from hub.sync.outbound.backlinks import link_back
from hub.sync.outbound.deliver import deliver
from hub.sync.outbound.duplicates import find_duplicates

log = logging.getLogger(__name__)


def _plan(hub: Hub, incident_id: str) -> None:
    with open_case(hub, incident_id):
        pass


def _drain(hub: Hub, connection: str) -> None:
    while drain(hub, connection):
        pass


TASKS: Mapping[str, Callable[[Hub, str], None]] = {
    "inbox": _drain,
    "refresh": refresh,
    "deliver": deliver,
    "plan": _plan,
    "poll": poll,
    "adopt": consider,
    "subscribe": subscribe,
    "duplicates": find_duplicates,
    "backlink": link_back,
}
"""task → function of the key: a connection's name for inbox, poll and subscribe; a link's id for refresh, deliver,
duplicates and backlink; an incident's for plan; an unmatched object's for adopt."""


def run(hub: Hub, task: str, key: str) -> None:
    """Runs one task. An unavailable database is no error: the row stays due, and the sweep finds it. Nor is a collision
    with another worker that created the same row first (an incident's dedup key, a link)."""
    try:
        TASKS[task](hub, key)
    except Collision as e:
        log.info("another worker made the same change first", extra={"task": task, "key": key, "reason": str(e)})
    except StoreUnavailable as e:
        log.warning("database not available", extra={"task": task, "key": key, "reason": str(e)})
