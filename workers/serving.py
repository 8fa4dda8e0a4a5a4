"""Loads the web in a worker process of the WSGI server."""

from __future__ import annotations

from typing import Any

from workers.parent import watch

THREADS = 64
"""For each web process: for requests being worked on, requests still being received, and `/health`. Threads start on demand."""


def load_web(parent: int, at_once: int) -> Any:
    """`wsgi:app` behind its gate. parent: the process that started this one. at_once: requests worked on at the same time."""
    watch(parent)
    from hub.web.gate import Gate
    from workers.bootstrap import of_this_process
    from wsgi import app

    return Gate(of_this_process(), app, at_once)
