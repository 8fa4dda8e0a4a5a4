"""JQL, put together so that no value can end its quotes. Pure.

Times are given relative to Jira's own now (`-15m`): absolute ones are minute-precise *and* read in the profile time
zone of our account, which an administrator may change. Vendor document: "JQL fields", Atlassian documentation.
"""

from __future__ import annotations

import math
from datetime import datetime

OVERLAP_MINUTES = 5
"""How much of the time before the last poll is asked for again: JQL is minute-precise, and the search index is late."""


def quoted(value: str) -> str:
    """A string literal of JQL. Control characters have no place in one: they become spaces."""
    safe = "".join(c if c.isprintable() else " " for c in value)
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'


def labelled(label: str) -> str:
    return f"labels = {quoted(label)} ORDER BY created ASC"


def open_now(scope: str) -> str:
    return f"({scope}) AND statusCategory != Done ORDER BY updated DESC"


def updated_since(scope: str, since: datetime, now: datetime) -> str:
    """Newest first: what changes while the pages are read moves to the front, so that nothing slips between two
    pages."""
    minutes = max(0, math.ceil((now - since).total_seconds() / 60)) + OVERLAP_MINUTES
    return f"({scope}) AND updated >= -{minutes}m ORDER BY updated DESC"


def project(key: str) -> str:
    return f"project = {quoted(key)}"
