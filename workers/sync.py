"""The RQ job behind the doorbell. Any RQ worker can run it: ours (`workers.worker`) or a stock `rq worker`, whose environment names
the configuration as `lockstep worker`'s does."""

from __future__ import annotations

import logging
import os
import threading

from hub.redaction import known
from hub.settings.load import SettingsError
from workers import bootstrap
from workers.drain import Drain
from workers.queue import Doorbell

log = logging.getLogger(__name__)

stopping = threading.Event()
"""Set when this process is to claim nothing new."""

_drains: dict[int, Drain] = {}
_lock = threading.Lock()


class NotWorked(RuntimeError):
    """Due rows could not be worked. All that RQ stores of it is this text, without any secret; the log has more."""


def run() -> None:
    """Works what is due. A task that fails is logged and tried again later; raises NotWorked where none could be begun (settings that
    do not hold, a database that does not answer), so that RQ's failed registry shows it."""
    try:
        drain, doorbell = of_this_process()
        doorbell.started()
        drain.run()
    except Exception as e:
        log.exception("due rows could not be worked")
        raise NotWorked(known.without(f"{type(e).__name__}: {e}")) from None


def of_this_process() -> tuple[Drain, Doorbell]:
    """The drain of this process, made at the first call, and the doorbell that it hears. Raises SettingsError."""
    with _lock:
        hub, pid = bootstrap.of_this_process(), os.getpid()
        if not isinstance(hub.wake, Doorbell):
            raise SettingsError(["this worker runs jobs from Redis; LOCKSTEP_REDIS_URL must name that Redis"])
        if pid not in _drains:
            _drains.clear()
            _drains[pid] = Drain(hub, hub.wake, stopping)
        return _drains[pid], hub.wake


def finish() -> None:
    """Ends the threads of this process's drain; none may be running."""
    with _lock:
        for drain in _drains.values():
            drain.close()
        _drains.clear()
