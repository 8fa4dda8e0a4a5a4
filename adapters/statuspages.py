"""Shared by all public status pages: the names of our fields on them, the relations to a page's words, and pure rules.

A page vendor has its own word tables (`mappings/vocabularies/<vendor>.toml`) and its own wire format; what a page's
fields *mean* to the hub is defined here, so that a further vendor is one folder:

| our field | on the page |
|---|---|
| status | the incident's status word |
| severity | the page's impact level (vendors that have one) |
| public_title | the incident's name |
| public_text | the first published text |
| impacts | affected components and the status of each that customers see |
| services | the affected components alone; read for adoption, never written, never an edit of ours |
| an `update` | one further published text |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.domain.incident import IMPACTS, SEVERITIES, STATUSES
from hub.domain.values import INCIDENT, UPDATE, Changed, Json, Observation, Update
from hub.domain.vocabulary import Elements, Entries, Relation, Table, Text

STATUS, SEVERITY, TITLE, TEXT = "status", "severity", "public_title", "public_text"
PAGE_IMPACTS, SERVICES = "impacts", "services"
TITLE_LIMIT = 255
"""Most characters of an incident's name: the same at every page vendor so far."""


def relations(
    connection: str,
    vocabulary: Mapping[str, Sequence[Sequence[Any]]],
    *,
    statuses: Iterable[Json],
    impacts: Iterable[Json],
    severities: Iterable[Json] = (),
    text_limit: int | None = None,
) -> dict[str, dict[str, Relation]]:
    """Kind → field → relation, from the connection's vocabulary; statuses, impacts, severities: all values of the
    vendor.

    Raises `hub.domain.vocabulary.VocabularyGap` that names the connection, the field and the missing words.
    A service without a component is not a gap: it is not shown on the page.
    """

    def table(field: str, ours: Iterable[Json], theirs: Iterable[Json]) -> Table:
        return Table.of(vocabulary.get(field, ())).require(f"connection {connection}, field {field}", ours, theirs)

    components = Table.of([ours, str(theirs)] for ours, theirs in vocabulary.get(SERVICES, ()))
    components.one_to_one(f"connection {connection}, field {SERVICES}")
    incident: dict[str, Relation] = {
        STATUS: table(STATUS, STATUSES, statuses),
        TITLE: Text(limit=TITLE_LIMIT, one_line=True),
        TEXT: Text(limit=text_limit),
        PAGE_IMPACTS: Entries(components, table(PAGE_IMPACTS, IMPACTS, impacts)),
        SERVICES: Elements(components),
    }
    words = tuple(severities)
    if words:
        incident[SEVERITY] = table(SEVERITY, SEVERITIES, words)
    return {INCIDENT: incident, UPDATE: {"text": Text(limit=text_limit)}}


def entries_after(update: Update, field: str) -> dict[str, Json]:
    """The whole map after an update whose `changes` hold only the changed entries; an entry missing from it is
    removed."""
    return {**(update.desired.get(field) or {}), **(update.changes[field] or {})}


def fingerprint(*parts: Json) -> str:
    """A short digest of what an observation shows: the version of objects whose vendor has no reliable one."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:20]


def listed(observed: Sequence[Observation], before: Json) -> tuple[tuple[Changed, ...], dict[str, str]]:
    """(one poll item for each incident that a list showed in full, the digests of their texts for the cursor).

    The hub compares only an observation's own fields. If a child text was added, changed or removed since `before` (the
    digests of the last poll), the item has no observation, so that the hub reads the incident.
    """
    known = as_map(before)
    texts = {o.ref.id: fingerprint([[c.ref.id, c.version] for c in o.children]) for o in observed if o.children}
    items = (Changed(o.ref, o if known.get(o.ref.id) == texts.get(o.ref.id) else None) for o in observed)
    return tuple(items), texts


def as_map(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one: vendors omit fields, or send null."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in `value` if it is a list, else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
