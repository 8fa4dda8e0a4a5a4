"""The job behind every wake-up of the sync engine: a duty and a name, nothing more. What is due stands in SQL."""

from __future__ import annotations

import logging

from hub.sync.hub import Hub
from workers import bootstrap
from workers.hands import Hands
from workers.queue import DRAIN_SECONDS

log = logging.getLogger(__name__)


_hands: Hands | None = None


def run(duty: str, name: str) -> None:
    """Gives one duty (a key of `hub.sync.duties.DUTIES`) for one name to a free hand of this worker, which then goes on with
    those that wait behind it. Comes back at once: only a worker with no hand free waits.

    Nothing is raised into the queue: RQ would keep the traceback in Redis, where no redaction reaches it. What was not
    done stays due in SQL and is found by the sweep.
    """
    global _hands
    if _hands is None:
        _hands = Hands()
    hub = bootstrap.of_this_process()
    _hands.take(lambda: _do(hub, duty, name))


def finish() -> None:
    """Waits for what the hands of this worker have begun."""
    global _hands
    hands, _hands = _hands, None
    if hands is not None:
        hands.finish()


def _do(hub: Hub, duty: str, name: str) -> None:
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
