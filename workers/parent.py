"""Ends a process whose parent has died; otherwise it would keep its port, connections and memory for ever.

The parts of `lockstep up` get a signal from the kernel. The web's worker processes are forked by the WSGI server, which does not
set that up, and lose a signal that comes while they start; they poll their parent's process id.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.5
GRACE_SECONDS = 3.0
"""How long running requests have to end. A sender that is cut off then repeats its request to the next web."""


def die_with_parent(parent: int) -> None:
    """For a new child of `parent` (Linux): it gets SIGTERM when the thread that started it ends."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it died before the call
            os._exit(1)


def watch(parent: int) -> None:
    """Ends this process within CHECK_SECONDS + GRACE_SECONDS of the death of `parent`, which started it."""
    threading.Thread(target=_end_after, args=(parent,), name="parent-watch", daemon=True).start()


def _end_after(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(CHECK_SECONDS)
    log.warning("the parent process has died; stopping")
    # the kernel ends the process even if a server that waits for a running request blocks the interpreter
    signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
    while True:
        os.kill(os.getpid(), signal.SIGTERM)  # repeated: the first may be lost while the server starts
        pause.wait(CHECK_SECONDS)
