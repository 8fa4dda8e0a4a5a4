"""Checks values that people send, and finds the incident that they name."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.domain.incident import FIELDS, FieldSpec
from hub.domain.values import INCIDENT, Json
from hub.services.errors import Invalid, NotFound
from hub.store import incidents as incident_rows
from hub.store.records import Incident
from hub.store.unit import Tx

COMMENT_LIMIT = 30_000
"""Characters of a comment or an update."""


def incident(tx: Tx, ref: str) -> Incident:
    """The incident with this id or number ("INC-12", "12"). Raises NotFound."""
    number = incident_rows.number_in(str(ref))
    found = incident_rows.by_number(tx, number) if number is not None else None
    if found is None and storable(str(ref)):
        found = incident_rows.get(tx, str(ref)[:40])
    if found is None:
        raise NotFound(f"there is no incident {ref!r}; `lockstep incident list` shows all of them")
    return found


def storable(words: str) -> bool:
    """Whether a database can store or look up this text: it has no NUL byte and no lone surrogate."""
    return "\x00" not in words and not any("\ud800" <= c <= "\udfff" for c in words)


def text(field: str, value: Json, limit: int, *, empty: bool = False) -> str:
    """The value, if it is a text that can be stored and is within `limit` characters. Raises Invalid. empty: may be
    blank."""
    if not isinstance(value, str):
        raise Invalid(field, f"must be a string, not {type(value).__name__}")
    if not storable(value):
        raise Invalid(field, "contains a character that cannot be stored (NUL, or half of a surrogate pair)")
    if len(value) > limit:
        raise Invalid(field, f"is {len(value)} characters long; the limit is {limit}")
    if not empty and not _has_visible_character(value):
        raise Invalid(field, "must not be empty")
    return value


def _has_visible_character(words: str) -> bool:
    """Whether the text has a visible character: a zero-width space alone is as blank as a space."""
    return any(not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf") for c in words)


def one_of(field: str, value: Json, known: Sequence[str]) -> str:
    """The value, if it is one of the known words. Raises Invalid, which lists them."""
    if not isinstance(value, str) or value not in known:
        raise Invalid(field, f"{value!r} is not one of {', '.join(known)}")
    return value


def fields(given: Mapping[str, Any]) -> dict[str, Json]:
    """The fields of an incident, checked against the vocabulary. Raises Invalid that names the field and the remedy."""
    if not isinstance(given, Mapping):
        raise Invalid("fields", "must be an object of field names and values")
    specs, out = FIELDS[INCIDENT], {}
    for name, value in given.items():
        if name not in specs:
            raise Invalid(str(name), f"is no field of an incident; the fields are {', '.join(specs)}")
        out[name] = _value(name, value, specs[name])
    return out


def _value(name: str, value: Json, spec: FieldSpec) -> Json:
    if spec.many == "set":
        if not isinstance(value, (list, tuple)):
            raise Invalid(name, "must be a list of strings")
        return sorted({_element(name, v) for v in value})
    if spec.many == "map":
        if not isinstance(value, Mapping):
            raise Invalid(name, "must be an object of strings")
        return {text(name, k, 200): _word(f"{name}.{k}", v, spec) for k, v in sorted(value.items())}
    if value is None and spec.default is None:
        return None
    return _word(name, value, spec)


def _element(name: str, value: Json) -> str:
    word = text(name, value, 200)
    if name == "tags" and any(c.isspace() for c in word):
        raise Invalid(
            name, f"{word!r} contains a space, which some vendors cannot show; write {'-'.join(word.split())!r}"
        )
    return word


def _word(name: str, value: Json, spec: FieldSpec) -> str:
    word = text(name, value, spec.limit, empty=spec.default == "" and not spec.needed)
    return one_of(name, word, spec.words) if spec.words else word


def cursor(tx: Tx, value: str | None, get: Callable[[Tx, str], object]) -> str | None:
    """The value, if it is the id of a row that `get` finds, as the `next` of a page is. Raises Invalid."""
    if value is not None and not (value.isascii() and value.isalnum() and len(value) <= 40 and get(tx, value)):
        raise Invalid("before", f"{value[:60]!r} is unknown; it must be the `next` of the page before")
    return value


def incident_cursor(tx: Tx, ref: str | None) -> str | None:
    """The id of the incident that the page begins after, by its id or number. Raises Invalid."""
    if ref is None:
        return None
    try:
        return incident(tx, ref).id
    except NotFound:
        words = f"there is no incident {ref[:60]!r}; write its number, or the `next` of the page before"
        raise Invalid("before", words) from None


def page_size(limit: int) -> int:
    return max(1, min(int(limit), 200))
