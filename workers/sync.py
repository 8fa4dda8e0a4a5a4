"""The RQ job behind the doorbell. Ours (`workers.worker`) and a stock `rq worker` can run it; the latter needs the same environment
variables as `lockstep worker`."""

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
"""Once set, this process claims nothing new."""

_drains: dict[int, Drain] = {}
_lock = threading.Lock()


class NotWorked(RuntimeError):
    """Due rows could not be worked. RQ stores this text, without secrets; the traceback is in the log."""


def run() -> None:
    """Works what is due. A task that fails is logged and retried. Raises NotWorked where none could start (wrong settings, no
    database), so that RQ's failed registry shows it."""
    try:
        drain, doorbell = of_this_process()
        doorbell.started()
        drain.run()
    except Exception as e:
        log.exception("due rows could not be worked")
        raise NotWorked(known.without(f"{type(e).__name__}: {e}")) from None


def of_this_process() -> tuple[Drain, Doorbell]:
    """The drain and the doorbell of this process, made at the first call. Raises SettingsError."""
    with _lock:
        hub, pid = bootstrap.of_this_process(), os.getpid()
        if not isinstance(hub.wake, Doorbell):
            raise SettingsError(
                ["this worker runs jobs from Redis: set LOCKSTEP_REDIS_URL to the address of that Redis"]
            )
        if pid not in _drains:
            _drains.clear()
            _drains[pid] = Drain(hub, hub.wake, stopping)
        return _drains[pid], hub.wake


def finish() -> None:
    """Ends the threads of this process's drain, which must not run."""
    with _lock:
        for drain in _drains.values():
            drain.close()
        _drains.clear()
