"""The web in a process that the WSGI server has started."""

from __future__ import annotations

from typing import Any

from workers.parent import watch

THREADS = 64
"""Of each process of the web: for the requests that it works on, for those that are still being sent, and for `/health`. A thread
is made when there is something for it."""


def load_web(parent: int, at_once: int) -> Any:
    """`wsgi:app` behind its gate, in a worker process of the web that `parent` has started. at_once: requests that it works
    on at the same time."""
    watch(parent)
    from hub.web.gate import Gate
    from workers.bootstrap import of_this_process
    from wsgi import app

    return Gate(of_this_process(), app, at_once)
