"""Builds JQL so that no value can end its quotes. Pure.

Times are given relative to Jira's own now (`-15m`): absolute ones are minute-precise *and* read in the profile time
zone of our account, which an administrator may change. Vendor document: "JQL fields", Atlassian documentation.
"""

from __future__ import annotations

import math
from datetime import datetime

OVERLAP_MINUTES = 5
"""Overlap of a poll with the one before: JQL is precise to the minute only, and the search index lags."""


def quoted(value: str) -> str:
    """A string literal of JQL. Control characters, which are not allowed in it, become spaces."""
    safe = "".join(c if c.isprintable() else " " for c in value)
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'


def labelled(label: str) -> str:
    return f"labels = {quoted(label)} ORDER BY created ASC"


def open_now(scope: str) -> str:
    return f"({scope}) AND statusCategory != Done ORDER BY updated DESC"


def updated_since(scope: str, since: datetime, now: datetime) -> str:
    """A query for issues updated since, newest first: an issue that changes while the pages are read moves to the
    front, so that no issue is missed between two pages."""
    minutes = max(0, math.ceil((now - since).total_seconds() / 60)) + OVERLAP_MINUTES
    return f"({scope}) AND updated >= -{minutes}m ORDER BY updated DESC"


def project(key: str) -> str:
    return f"project = {quoted(key)}"
