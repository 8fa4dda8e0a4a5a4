"""What is said of a request that a model refuses (`hub.web.request_models`): which place, and in plain words what would be right. The
models' own words name their classes and show regular expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hub.web.request_models import PATTERNS

KINDS: Mapping[str, str] = {
    "extra_forbidden": "there is no such field here",
    "missing": "is missing",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long: at most {max_length} characters",
    "too_long": "has too many elements: at most {max_length}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""What pydantic calls a fault → our words, with the limit that it names."""


def place(where: str, fault: Mapping[str, Any]) -> str:
    """Where the fault is: `body.fields.title`. Short and printable, whatever the names in the request."""
    return ".".join([where, *(ascii(str(part)[:60])[1:-1] for part in fault["loc"] if part != "[key]")])


def words(fault: Mapping[str, Any]) -> str:
    """What is wrong there, for a person."""
    kind, limits = fault["type"], fault.get("ctx", {})
    if kind == "literal_error":
        return "use one of: " + ", ".join(re.findall(r"'([^']*)'", limits["expected"]))
    if kind == "string_pattern_mismatch":
        return PATTERNS[limits["pattern"]]
    return KINDS[kind].format(**limits) if kind in KINDS else str(fault["msg"]).removeprefix("Value error, ")
