"""Reads a request's body, whole or not at all, and parses its JSON strictly: what cannot be stored, or is ambiguous, is
refused with its place.

| what | answer |
|---|---|
| more bytes than the path allows | 413 |
| fewer bytes than Content-Length | 400 |
| not UTF-8, not JSON, the same name twice | 400 |
| NUL or half a surrogate pair in a text (not storable), NaN, infinities, integers beyond 64 bits | 422 |
| more than `DEPTH` levels | 422 |
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_content_length, get_input_stream

from hub.web.problems import Problem

DEPTH = 16
"""Levels of nested lists and objects; no request needs more than four."""


def whole(environ: dict[str, Any], limit: int) -> bytes:
    """The whole body. Raises Problem 413 (before reading, if Content-Length is given) or 400 (the sender hung up)."""
    too_large = Problem(413, f"the body is larger than the limit of {limit} bytes")
    if (get_content_length(environ) or 0) > limit:
        raise too_large
    try:
        # one byte more than allowed: a stream without Content-Length would otherwise be cut off at the limit unnoticed
        body = get_input_stream(environ, max_content_length=limit + 1).read()
    except ClientDisconnected:
        raise Problem(400, "the body ended before its announced length") from None
    if len(body) > limit:
        raise too_large
    return body


class _DuplicateName(ValueError):
    """An object has the same name twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateName(next(name for name in names if names.count(name) > 1))
    return document


def parse(raw: bytes) -> Any:
    """The value in `raw`. Raises Problem 400 or 422."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs)
    except UnicodeDecodeError as e:
        raise Problem(400, f"the body is not UTF-8 (byte {e.start + 1})", "body") from None
    except json.JSONDecodeError as e:
        where = f"line {e.lineno}, column {e.colno}"
        raise Problem(400, f"the body is not JSON: {e.msg} ({where})" if raw else "the body is empty", "body") from None
    except _DuplicateName as e:
        raise Problem(400, f"the name {str(e)[:60]!a} occurs twice in one object", "body") from None
    except RecursionError:
        raise Problem(422, f"the body has more than {DEPTH} levels", "body") from None
    except ValueError:  # an integer of more digits than Python parses
        raise Problem(422, "a number in the body has too many digits", "body") from None
    for place, leaf in _leaves(value):
        if fault := storable(leaf):
            raise Problem(422, fault, place)
    return value


def storable(leaf: Any) -> str | None:
    """Why the hub's databases cannot store this text or number; None = they can."""
    if isinstance(leaf, str):
        if "\x00" in leaf:
            return "contains a NUL character"
        if not leaf.isascii() and any("\ud800" <= c <= "\udfff" for c in leaf):
            return "contains half of a surrogate pair"
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return "is not a JSON number (NaN or an infinity)"
    if isinstance(leaf, int) and not -(2**63) <= leaf < 2**63:
        return "is an integer beyond 64 bits"
    return None


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """(place, value) of every text, number and name. Not recursive, because the sender chooses the depth."""
    waiting = [("body", value, 1)]
    while waiting:
        place, one, level = waiting.pop()
        if level > DEPTH and isinstance(one, (dict, list)):
            raise Problem(422, f"has more than {DEPTH} levels", place[:200])
        if isinstance(one, dict):
            for name, inner in one.items():
                below = f"{place}.{_shown(name)}"
                yield below, name
                waiting.append((below, inner, level + 1))
        elif isinstance(one, list):
            waiting += [(f"{place}.{n}", inner, level + 1) for n, inner in enumerate(one)]
        else:
            yield place, one


def _shown(name: str) -> str:
    """A name as part of a place: short, printable, ASCII."""
    return ascii(name[:60])[1:-1]
