"""Every task, by name: what a wake-up may ask for. A task takes the name of a row, finds out for itself what is to be done,
and does nothing if that is nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from hub.store.unit import Collision, StoreUnavailable
from hub.sync.hub import Hub
from hub.sync.inbound.adopt import consider
from hub.sync.inbound.intake import drain
from hub.sync.inbound.poll import poll
from hub.sync.inbound.refresh import look
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
    "refresh": look,
    "deliver": deliver,
    "plan": _plan,
    "poll": poll,
    "adopt": consider,
    "subscribe": subscribe,
    "duplicates": find_duplicates,
    "backlink": link_back,
}
"""task → what carries it out, given the name: a connection for inbox, poll and subscribe; a link for look, deliver, duplicates and
backlink;
an incident for plan; an unmatched object for adopt."""


def run(hub: Hub, task: str, name: str) -> None:
    """One wake-up. A database that is away is no error: the row is still due, the sweep comes back to it. Nor is another
    worker that was faster at making the same row (an incident's key, a link)."""
    try:
        TASKS[task](hub, name)
    except Collision as e:
        log.info("another worker was faster", extra={"task": task, "row": name, "reason": str(e)})
    except StoreUnavailable as e:
        log.warning("database not available", extra={"task": task, "row": name, "reason": str(e)})
