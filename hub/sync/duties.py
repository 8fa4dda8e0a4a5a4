"""Every duty, by name: what a wake-up may ask for. A duty takes the name of a row, finds out for itself what is to be done,
and does nothing if that is nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from hub.store.unit import Collision, StoreUnavailable
from hub.sync.adopt import consider
from hub.sync.backlinks import link_back
from hub.sync.case import open_case
from hub.sync.deliver import deliver
from hub.sync.hub import Hub
from hub.sync.intake import drain
from hub.sync.look import look
from hub.sync.poll import poll
from hub.sync.subscriptions import subscribe
from hub.sync.twins import look_for_twins

log = logging.getLogger(__name__)


def _plan(hub: Hub, incident_id: str) -> None:
    with open_case(hub, incident_id):
        pass


def _drain(hub: Hub, connection: str) -> None:
    while drain(hub, connection):
        pass


DUTIES: Mapping[str, Callable[[Hub, str], None]] = {
    "inbox": _drain,
    "look": look,
    "deliver": deliver,
    "plan": _plan,
    "poll": poll,
    "adopt": consider,
    "subscribe": subscribe,
    "twins": look_for_twins,
    "backlink": link_back,
}
"""duty → what carries it out, given the name: a connection for inbox, poll and subscribe; a link for look, deliver, twins and
backlink;
an incident for plan; a stranger for adopt."""


def run(hub: Hub, duty: str, name: str) -> None:
    """One wake-up. A database that is away is no error: the row is still due, the sweep comes back to it. Nor is another
    worker that was faster at making the same row (an incident's key, a link)."""
    try:
        DUTIES[duty](hub, name)
    except Collision as e:
        log.info("another worker was faster", extra={"duty": duty, "row": name, "reason": str(e)})
    except StoreUnavailable as e:
        log.warning("database not available", extra={"duty": duty, "row": name, "reason": str(e)})
