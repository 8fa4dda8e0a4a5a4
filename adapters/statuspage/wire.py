"""Statuspage's payloads ↔ the hub's values. Pure.

Sources: Atlassian's published OpenAPI document of the v1 API, and webhook bodies as the service sends them. Real
payloads differ from the document (older pages leave fields out, any value may be null), so reading is lenient.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.statuspages import (
    PAGE_IMPACTS,
    SERVICES,
    SEVERITY,
    STATUS,
    TEXT,
    TITLE,
    as_list,
    as_map,
    entries_after,
    fingerprint,
)
from adapters.times import utc
from hub.domain.errors import Refused, Unusable
from hub.domain.values import INCIDENT, UPDATE, Change, Desired, Fields, Hint, Json, Mark, Observation, Ref, Update

STATUS_WORDS = ("investigating", "identified", "monitoring", "resolved", "postmortem")
"""Statuses of a real-time incident. "postmortem" is only read, never written."""
SCHEDULED_WORDS = ("scheduled", "in_progress", "verifying", "completed")
"""Statuses of a scheduled maintenance, which is a different object and never synchronised."""
IMPACT_WORDS = ("none", "minor", "major", "critical", "maintenance")
COMPONENT_WORDS = ("operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage")

FIELD_OF = {STATUS: "status", TITLE: "name", SEVERITY: "impact_override"}
"""The hub's field → Statuspage's, for fields with a single value."""

METADATA = "lockstep"
"""The hub's top-level key in an incident's metadata: {"mark": …, "updates": {mark: {"after": …, "text": …}}}."""
KEPT_MARKS = 20
DUPLICATES_WITHIN = timedelta(seconds=120)
"""Longer than a request may take to have its effect, shorter than the time in which people post the same text twice."""

ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def when(text: Any) -> datetime | None:
    """The time as UTC; Statuspage mixes offsets within one payload. None if it cannot be parsed."""
    return utc(text)


def updates_of(incident: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The incident's updates, oldest first. Updates with the same time keep the vendor's order (which lists the newest
    first)."""
    updates = [u for u in as_list(incident.get("incident_updates")) if isinstance(u.get("id"), str) and u["id"]]
    updates.reverse()
    epoch = datetime.min.replace(tzinfo=UTC)
    updates.sort(key=lambda u: when(u.get("created_at")) or epoch)
    return updates


def _text_hash(text: Any) -> str:
    return hashlib.sha256(" ".join(str(text or "").split()).encode()).hexdigest()[:16]


def _our_metadata(incident: Mapping[str, Any]) -> dict[str, Any]:
    return as_map(as_map(incident.get("metadata")).get(METADATA))


def mark_of(incident: Mapping[str, Any]) -> str | None:
    mark = _our_metadata(incident).get("mark")
    return mark if isinstance(mark, str) else None


def update_marks(incident: Mapping[str, Any], guess: str | None = None) -> dict[str, str]:
    """update id → mark. Metadata cannot name an update that does not exist yet, so a mark is stored with the update
    *before* it and the text. It stands for the first later update with this text and for its duplicates: updates with
    the same text within `DUPLICATES_WITHIN`, which a request that takes effect late leaves behind.

    guess: a mark whose write is known to have happened (metadata and update are one request). If a person has edited
    the text since, it stands for the first later update that no other mark stands for.
    """
    updates = updates_of(incident)
    place = {str(u["id"]): n for n, u in enumerate(updates)}
    entries = {
        mark: (place.get(str(entry.get("after")), -1), entry.get("text"))
        for mark, entry in as_map(_our_metadata(incident).get("updates")).items()
        if isinstance(entry, dict)
    }
    found: dict[str, str] = {}
    firsts: dict[str, dict[str, Any]] = {}
    for mark, (after, text) in sorted(entries.items(), key=lambda item: item[1][0]):
        for update in updates[after + 1 :]:
            if update["id"] not in found and _text_hash(update.get("body")) == text:
                found[update["id"]], firsts[mark] = mark, update
                break
    for mark, first in firsts.items():
        for update in updates[place[str(first["id"])] + 1 :]:
            if update["id"] not in found and _duplicates(first, update):
                found[update["id"]] = mark
    if guess in entries and guess not in firsts:
        later = [u for u in updates[entries[guess][0] + 1 :] if u.get("body") and u["id"] not in found]
        if later:
            found[later[0]["id"]] = guess
    return found


def _duplicates(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    one, other = when(first.get("created_at")), when(second.get("created_at"))
    same = _text_hash(first.get("body")) == _text_hash(second.get("body"))
    return same and one is not None and other is not None and other - one <= DUPLICATES_WITHIN


def publishes(incident: Mapping[str, Any], mark: str) -> bool:
    """Whether the mark's text is published already (mark and text are written by one request)."""
    return mark in as_map(_our_metadata(incident).get("updates"))


def _first(incident: Mapping[str, Any], marks: Mapping[str, str]) -> dict[str, Any] | None:
    """The update that was published with the incident: it is the incident's public text, not an update of its own."""
    updates = updates_of(incident)
    return updates[0] if updates and updates[0]["id"] not in marks else None


def update_observation(incident_id: str, update: Mapping[str, Any], mark: str | None = None) -> Observation:
    return Observation(
        ref=Ref(UPDATE, str(update["id"]), incident_id),
        fields={"text": str(update.get("body") or "")},
        version=fingerprint(update.get("updated_at"), update.get("body")),
        mark=mark,
        created_at=when(update.get("created_at")),
    )


def children(incident: Mapping[str, Any], guess: str | None = None) -> tuple[Observation, ...]:
    """The published texts after the first. An update without a text only records a change of status."""
    marks = update_marks(incident, guess)
    first = _first(incident, marks)
    return tuple(
        update_observation(str(incident["id"]), update, marks.get(update["id"]))
        for update in updates_of(incident)
        if (first is None or update["id"] != first["id"]) and str(update.get("body") or "").strip()
    )


def _type(incident: Mapping[str, Any]) -> str:
    if incident.get("status") in SCHEDULED_WORDS or incident.get("scheduled_for"):
        return "maintenance"
    if incident.get("impact") == "maintenance":
        return "maintenance"
    return "other" if incident.get("backfilled") else "incident"


def observation(incident: Mapping[str, Any]) -> Observation:
    """An incident with its updates. Unless a person has overridden it, the impact is computed by the vendor, and its
    change is not an edit."""
    first = _first(incident, update_marks(incident))
    components = {
        str(c["id"]): c["status"]
        for c in as_list(incident.get("components"))
        if c.get("id") and c.get("status") and not c.get("group")
    }
    override = incident.get("impact_override")
    fields: dict[str, Json] = {
        STATUS: incident.get("status"),
        TITLE: str(incident.get("name") or ""),
        TEXT: str(as_map(first).get("body") or ""),
        SEVERITY: override or incident.get("impact") or "none",
        PAGE_IMPACTS: components,
        SERVICES: sorted(components),
    }
    born = children(incident)
    return Observation(
        ref=Ref(INCIDENT, str(incident["id"])),
        fields=fields,
        version=fingerprint(incident.get("updated_at"), fields, [(c.ref.id, c.version) for c in born]),
        url=incident.get("shortlink") or None,
        mark=mark_of(incident),
        type=_type(incident),
        created_at=when(incident.get("created_at")),
        consequences=frozenset({SERVICES} if override else {SERVICES, SEVERITY}),
        children=born,
        children_complete=True,
    )


def status_changes(incident: Mapping[str, Any], since: Json | None) -> tuple[list[Change], Json]:
    """The changes of status in the incident's updates after the position `since` ({"id", "at"} of the last update
    seen)."""
    updates = updates_of(incident)
    last = updates[-1] if updates else {}
    position = {"id": last.get("id"), "at": last.get("created_at")}
    if not isinstance(since, dict):
        return [], position
    place = next((n for n, u in enumerate(updates) if u["id"] == since.get("id")), None)
    if place is None:
        at = when(since.get("at"))
        place = sum(1 for u in updates if at and (when(u.get("created_at")) or at) <= at) - 1
    steps = []
    for n in range(place + 1, len(updates)):
        before = updates[n - 1].get("status") if n else None
        after = updates[n].get("status")
        if before != after:
            steps.append(Change(str(updates[n]["id"]), STATUS, before, after))
    return steps, position


def creation(desired: Desired, mark: Mark, notify: bool) -> dict[str, Any]:
    """The body of `POST …/incidents`. Raises Refused without a public title: no internal text may be used for it."""
    fields = desired.fields
    if not str(fields.get(TITLE) or "").strip():
        raise Refused("an incident on the page requires a public title; set it", field=TITLE)
    incident: dict[str, Any] = {"name": fields[TITLE], "deliver_notifications": notify}
    if fields.get(STATUS):
        incident["status"] = fields[STATUS]
    if fields.get(TEXT):
        incident["body"] = fields[TEXT]
    if fields.get(SEVERITY):
        incident["impact_override"] = fields[SEVERITY]
    if fields.get(PAGE_IMPACTS):
        incident["components"] = dict(fields[PAGE_IMPACTS])
        incident["component_ids"] = sorted(fields[PAGE_IMPACTS])
    incident["metadata"] = {METADATA: {"mark": mark.key}}
    return {"incident": incident}


def change(update: Update, notify: bool, shown: Mapping[str, Json] | None = None) -> dict[str, Any]:
    """The body of one `PATCH …/incidents/{id}` with every changed field: at one request a second, one request for each
    field would be too slow, and customers would be notified of each.

    shown: the incident's components as they are, needed where components only leave the incident (`only_leaving`).
    """
    incident: dict[str, Any] = {}
    for field, value in update.changes.items():
        if field in FIELD_OF:
            incident[FIELD_OF[field]] = value
        elif field == PAGE_IMPACTS:
            after = entries_after(update, field)
            # A component taken off the incident would keep its last status on the page for ever.
            left = dict.fromkeys(sorted(set(shown or ()) - set(after)), "operational")
            incident["components"] = {**left, **(value or {})}
            if PAGE_IMPACTS in update.desired:
                incident["component_ids"] = sorted(after)
        else:
            raise Refused(f"Statuspage cannot change {field} of an incident", field=field)
    incident["deliver_notifications"] = notify
    return {"incident": incident}


def only_leaving(update: Update) -> bool:
    """Whether no component changes its status: then some are only taken off the incident, and the incident must be read
    to know which."""
    return PAGE_IMPACTS in update.changes and not update.changes[PAGE_IMPACTS]


def publication(incident: Mapping[str, Any], fields: Fields, mark: Mark, notify: bool) -> dict[str, Any]:
    """The body of the one `PATCH …/incidents/{id}` that publishes a text, with its mark in the metadata.

    A status is sent only if `fields` has one: otherwise the page keeps its status, even one that a person has just set.
    The metadata is sent whole, because the document does not say whether it is merged or replaced.
    """
    updates = updates_of(incident)
    ours = _our_metadata(incident)
    known = [str(u["id"]) for u in updates]
    place = {id: n for n, id in enumerate(known)}
    earlier = sorted(
        as_map(ours.get("updates")).items(), key=lambda item: place.get(str(as_map(item[1]).get("after")), -1)
    )
    marks = dict(earlier[-(KEPT_MARKS - 1) :])
    marks[mark.key] = {"after": known[-1] if known else "", "text": _text_hash(fields.get("text"))}
    metadata = {k: v for k, v in as_map(incident.get("metadata")).items() if isinstance(v, dict)}
    body: dict[str, Any] = {"body": fields.get("text") or "", "deliver_notifications": notify}
    if fields.get(STATUS):
        body["status"] = fields[STATUS]
    body["metadata"] = {**metadata, METADATA: {**ours, "updates": marks}}
    return {"incident": body}


def _identifier(value: Any, what: str) -> str:
    if not isinstance(value, str) or not ID.match(value):
        raise Unusable(f"{what} is missing or not a valid id")
    return value


def hints(payload: Any) -> Sequence[Hint]:
    """The hint in one of the two kinds of notifications: about an incident, or about a component.

    A component notification does not name its incident: the whole connection is polled.
    """
    if not isinstance(payload, dict):
        raise Unusable("the body is not a JSON object")
    if "incident" in payload:
        incident = payload["incident"]
        if not isinstance(incident, dict):
            raise Unusable("`incident` is not a JSON object")
        return (Hint(event="incident", ref=Ref(INCIDENT, _identifier(incident.get("id"), "incident.id"))),)
    if "component_update" in payload or "component" in payload:
        return (Hint(event="component_update", resync=True),)
    return (Hint(event="unknown", ignored="neither about an incident nor about a component"),)


def delivery_id(payload: Any) -> str | None:
    """An id made from the newest update of the incident or the component: Statuspage's deliveries have no ids."""
    payload = as_map(payload)
    incident = as_map(payload.get("incident"))
    updates = updates_of(incident)
    if isinstance(incident.get("id"), str) and updates:
        newest = updates[-1]
        return fingerprint("incident", incident["id"], newest["id"], newest.get("updated_at"))
    change_id = as_map(payload.get("component_update")).get("id")
    return fingerprint("component", change_id) if isinstance(change_id, str) else None
