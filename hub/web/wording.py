"""Messages for a request that a model refuses (`hub.web.request_models`): the place, and what is valid. They replace
pydantic's, which name its classes and show regular expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hub.web.request_models import PATTERNS

MESSAGES: Mapping[str, str] = {
    "extra_forbidden": "is not a field of this request",
    "missing": "is missing",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long: at most {max_length} characters",
    "too_long": "has too many elements: at most {max_length}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""Pydantic's type of error → the message, with the limit from the error."""


def place(where: str, error: Mapping[str, Any]) -> str:
    """Where the error is: `body.fields.title`. Short and printable, whatever names the request has."""
    return ".".join([where, *(ascii(str(part)[:60])[1:-1] for part in error["loc"] if part != "[key]")])


def words(error: Mapping[str, Any]) -> str:
    """What is wrong there, for a person to read."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        return "must be one of: " + ", ".join(re.findall(r"'([^']*)'", limits["expected"]))
    if kind == "string_pattern_mismatch":
        return PATTERNS[limits["pattern"]]
    return MESSAGES[kind].format(**limits) if kind in MESSAGES else str(error["msg"]).removeprefix("Value error, ")
