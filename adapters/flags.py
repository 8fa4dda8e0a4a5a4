"""A setting that is true or false."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flag(connection: str, settings: Mapping[str, Any], name: str, default: bool) -> bool:
    """The setting's value. Raises ValueError for anything but true and false: the text "no" would count as true."""
    value = settings.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"connection {connection}: setting {name!r} must be true or false, without quotes")
    return value
