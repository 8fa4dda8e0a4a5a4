"""Parses vendors' timestamps as UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

YEARS = range(1970, 9000)
"""A time outside these limits is not accepted: adding or subtracting hours would overflow."""


def utc(text: Any, *, without_zone: bool = True) -> datetime | None:
    """ISO 8601 as UTC; None if it cannot be parsed. without_zone: read a time without an offset as UTC instead of
    None."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if found.year not in YEARS or not (found.tzinfo or without_zone):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def ending(begun: datetime, seconds: Any) -> datetime | None:
    """When a lifetime of `seconds` from `begun` ends; None if `seconds` is not a usable number."""
    try:
        found = begun + timedelta(seconds=float(seconds))
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.year in YEARS else None
