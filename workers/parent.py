"""A process ends when the one that started it has died: nobody is left to stop it, and what it holds (a port, a connection,
memory) it would hold for ever.

Two ways, because no one way reaches all. The parts of `lockstep up` are told by the kernel, from before their first
instruction. A web's worker processes are forked by the WSGI server, out of reach of that, and lose a signal that comes while
they start; they look for themselves who their parent is.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
GRACE_SECONDS = 3.0
"""What requests in hand have to end. Whoever is still sending one then, sends it again to the next web."""


def die_with_parent(parent: int) -> None:
    """In a new child of `parent` (Linux): when the thread that started it ends, the child gets SIGTERM, so that none is
    orphaned."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)


def watch(parent: int) -> None:
    """From now on this process ends within LOOK_SECONDS + GRACE_SECONDS of the death of `parent`, which started it."""
    threading.Thread(target=_end_after, args=(parent,), name="parent-watch", daemon=True).start()


def _end_after(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(LOOK_SECONDS)
    log.warning("the process that started this one has died; ending with it")
    # the kernel's own end, whatever holds the interpreter: a server that waits for a request in hand may hold it
    signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
    while True:
        os.kill(os.getpid(), signal.SIGTERM)  # again: the first may come while the server still starts, and be lost
        pause.wait(LOOK_SECONDS)
