"""Cachet v3's JSON:API documents ↔ the hub's values. Pure. Statuses are numbers; their tables are in the vocabulary.

Source: the code of cachethq/core (2026). A document is {"data": …, "included": […]}; an incident's components, updates
and metadata are included only on request (`INCLUDE`).
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.statuspages import PAGE_IMPACTS, SERVICES, STATUS, TEXT, TITLE, as_list, as_map, fingerprint
from adapters.times import utc
from hub.domain.errors import Refused
from hub.domain.values import INCIDENT, UPDATE, Desired, Fields, Json, Mark, Observation, Ref

STATUS_WORDS = (0, 1, 2, 3, 4)
"""unknown, investigating, identified, watching, fixed."""
OPEN = "0,1,2,3"
FIXED = 4
COMPONENT_WORDS = (1, 2, 3, 4, 5, 6)
"""operational, performance issues, partial outage, major outage, unknown, under maintenance."""
VISIBLE_TO_ALL = 1

INCLUDE = "components,updates,meta"
META_KEY = "lockstep"
"""The hub's key in an incident's metadata (one level of keys). It holds the mark; `filter[meta][lockstep]=…` finds
it."""

NAME_OF = {TITLE: "name", STATUS: "status", TEXT: "message"}
FIELD_OF = {"name": TITLE, "status": STATUS, "message": TEXT, "components": PAGE_IMPACTS}

_MARK = re.compile(r"\s*^\[//\]: # \(ls:(?P<key>[a-z0-9]{6,64})\)\s*\Z", re.M)


def to_markdown(text: Json) -> str:
    """A text for the page, which renders Markdown: HTML in it is escaped, so that it is shown and not run."""
    return str(text or "").replace("&", "&amp;").replace("<", "&lt;")


def sign(text: Json, key: str) -> str:
    """A text with its mark. An update has no metadata, so the mark is an unused Markdown reference, which no page
    shows."""
    return f"{to_markdown(text)}\n\n[//]: # (ls:{key})"


def unsign(message: Any) -> tuple[str, str | None]:
    """(the text without mark and escapes, the mark or None)."""
    text = str(message or "")
    found = _MARK.search(text)
    if found:
        text = text[: found.start()]
    return html.unescape(text).strip(), found["key"] if found else None


def when(stamp: Any) -> datetime | None:
    """The time in {"string": "2026-01-05 09:00:00"}, as UTC unless it has an offset; None if it cannot be parsed."""
    return utc(as_map(stamp).get("string"))


def number(value: Any) -> Json:
    """The number of a status, which Cachet shows as {"human", "value"} or as the number alone."""
    return value.get("value") if isinstance(value, dict) else value


def _related(resource: Mapping[str, Any], name: str) -> list[str] | None:
    """The ids of the related resources; None if they were not included."""
    relation = as_map(resource.get("relationships")).get(name)
    if not isinstance(relation, dict) or not isinstance(relation.get("data"), list):
        return None
    return [str(item.get("id")) for item in as_list(relation["data"])]


def _included(document: Mapping[str, Any], type: str) -> dict[str, dict[str, Any]]:
    return {
        str(item.get("id")): as_map(item.get("attributes"))
        for item in as_list(document.get("included"))
        if item.get("type") == type
    }


def update_observation(incident_id: str, id: str, attributes: Mapping[str, Any]) -> Observation:
    text, mark = unsign(attributes.get("message"))
    return Observation(
        ref=Ref(UPDATE, id, incident_id),
        fields={"text": text},
        version=fingerprint(as_map(attributes.get("updated")).get("string"), text),
        mark=mark,
        created_at=when(attributes.get("created")),
    )


def observations(document: Mapping[str, Any], page: str, silent: str) -> list[tuple[Ref, Observation | None]]:
    """Every incident of a document, with its observation if the document shows all of it.

    page: the page's own address, for links. silent: the setting `impact_message`, under which the hub changes
    components: an update with exactly this text is not reported as a published text. A component that two incidents of
    a list have in common is included once, with the status of one of them, so the components of both are unknown.
    """
    data = document.get("data")
    rows = as_list(data) if isinstance(data, list) else as_list([data])
    often = Counter(c for row in rows for c in _related(row, "components") or ())
    components, updates = _included(document, "components"), _included(document, "updates")
    out: list[tuple[Ref, Observation | None]] = []
    for row in rows:
        ref = Ref(INCIDENT, str(row.get("id")))
        own_components, own_updates = _related(row, "components"), _related(row, "updates")
        if own_components is None or own_updates is None or any(often[c] > 1 for c in own_components):
            out.append((ref, None))
            continue
        impacts = {
            id: number(as_map(components.get(id, {}).get("pivot")).get("component_status")) for id in own_components
        }
        born = [update_observation(ref.id, id, updates[id]) for id in own_updates if id in updates]
        children = tuple(
            sorted(
                (child for child in born if child.fields["text"] and child.fields["text"] != silent.strip()),
                key=lambda child: (str(child.created_at), len(child.ref.id), child.ref.id),
            )
        )
        out.append((ref, _incident(ref, as_map(row.get("attributes")), impacts, children, page)))
    return out


def _incident(
    ref: Ref, attributes: Mapping[str, Any], impacts: Mapping[str, Json], children: Sequence[Observation], page: str
) -> Observation:
    status = number(attributes.get("status"))
    fields: dict[str, Json] = {
        STATUS: status if status is not None else 0,
        TITLE: str(attributes.get("name") or ""),
        TEXT: unsign(attributes.get("message"))[0],
        PAGE_IMPACTS: {id: word for id, word in impacts.items() if word is not None},
        SERVICES: sorted(impacts),
    }
    mark = as_map(attributes.get("meta")).get(META_KEY)
    guid = attributes.get("guid")
    return Observation(
        ref=ref,
        fields=fields,
        version=fingerprint(as_map(attributes.get("updated")).get("string"), fields, [c.version for c in children]),
        url=f"{page}/incidents/{guid}" if guid else None,
        mark=mark if isinstance(mark, str) else None,
        type="incident" if attributes.get("visible") in (True, VISIBLE_TO_ALL) else "other",
        created_at=when(attributes.get("created")),
        consequences=frozenset({SERVICES}),
        children=tuple(children),
        children_complete=True,
    )


def with_mark(seen: Observation, key: str) -> Observation:
    """The observation with its mark: the response to a create shows everything except the metadata sent with it."""
    return replace(seen, mark=key)


def components(impacts: Fields) -> list[dict[str, Json]]:
    return [{"id": int(id), "status": word} for id, word in sorted(impacts.items())]


def creation(desired: Desired, mark: Mark, notify: bool) -> dict[str, Any]:
    """The body of `POST /incidents`. Raises Refused if a public text is missing: no internal text may be used for
    it."""
    fields = desired.fields
    for name in (TITLE, TEXT):
        if not str(fields.get(name) or "").strip():
            raise Refused(f"a Cachet incident needs a {name.replace('_', ' ')}", field=name)
    return {
        "name": fields[TITLE],
        "message": to_markdown(fields[TEXT]),
        "status": fields.get(STATUS, 1),
        "visible": VISIBLE_TO_ALL,  # by default only the team sees an incident
        "notifications": notify,
        "components": components(fields.get(PAGE_IMPACTS) or {}),
        "meta": {META_KEY: mark.key},
    }


def change(changes: Fields) -> dict[str, Any]:
    """The body of `PUT /incidents/{id}` for all changed fields except the components. Metadata is not sent, because it
    would be replaced whole."""
    body = {NAME_OF[field]: value for field, value in changes.items() if field in NAME_OF}
    if TEXT in changes:
        body["message"] = to_markdown(changes[TEXT])
    return body
