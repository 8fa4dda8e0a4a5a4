"""The job behind every wake-up of the sync engine: a duty and a name, nothing more. What is due stands in SQL."""

from __future__ import annotations

import logging

from hub.sync.hub import Hub
from workers import bootstrap
from workers.queue import DRAIN_SECONDS

log = logging.getLogger(__name__)


def run(duty: str, name: str) -> None:
    """Does one duty (a key of `hub.sync.duties.DUTIES`) for one name, and then those that wait behind it.

    Nothing is raised into the queue: RQ would keep the traceback in Redis, where no redaction reaches it. What was not
    done stays due in SQL and is found by the sweep.
    """
    hub = bootstrap.of_this_process()
    began, following = hub.clock.monotonic(), getattr(hub.wake, "next", None)
    _one(hub, duty, name)
    while following is not None and hub.clock.monotonic() - began < DRAIN_SECONDS:
        waiting = following(duty)
        if waiting is None:
            return
        _one(hub, *waiting)


def _one(hub: Hub, duty: str, name: str) -> None:
    from hub.sync import duties

    started = getattr(hub.wake, "started", None)
    if started is not None:
        started(duty, name)
    try:
        duties.run(hub, duty, name)
    except Exception:
        log.exception("%s of %s failed; the sweep brings it again", duty, name)
