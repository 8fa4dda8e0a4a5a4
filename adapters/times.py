"""A vendor's words for a moment, as UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

YEARS = range(1970, 9000)
"""A moment outside of them is none: hours could not be added to it, or taken from it."""


def utc(text: Any, *, without_zone: bool = True) -> datetime | None:
    """ISO 8601 as UTC; None for what is no time. without_zone: a time that does not say where it is meant is UTC, not none."""
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
    """When what a vendor grants for so many seconds is over; None for what is no such number."""
    try:
        found = begun + timedelta(seconds=float(seconds))
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.year in YEARS else None
