"""The Adaptive Card of an incident: drawn from its fields, and read back from them.

Only its author can edit a card, so the card carries its own fields in a hidden block (compressed JSON): what was
written is read back exactly, even where the visible part was shortened. It is trusted only in a message that the hub's
own account has sent, and only to compare (see `wire.observed`).

A message may have about 28 KB, and one interpretation of the limit counts UTF-16: `LIMIT` holds under both. What people
see is shortened, the description first; the hidden block never is.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from adapters.teams.markup import to_markdown
from hub.domain.errors import Refused
from hub.domain.values import Fields, Json

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
LIMIT = 25 * 1024
"""Most bytes of the whole request, counted as UTF-16."""
DATA_ID, DATA_PREFIX = "lockstep", "ls1:"
_UNPACKED = 256 * 1024

Name = Callable[[str], str]

COLOURS: Mapping[str, str] = {"SEV1": "Attention", "SEV2": "Attention", "SEV3": "Warning", "SEV4": "Default"}
"""Severity → Adaptive Card colour. The word is always shown too: not everybody can distinguish the colours."""


@dataclass(frozen=True)
class Names:
    """The names that a card shows for the ids in the fields."""

    person: Name
    service: Name


def size(payload: Json) -> int:
    """Bytes of `payload` as JSON in UTF-16, the stricter count."""
    return len(json.dumps(payload, ensure_ascii=False).encode("utf-16-le", "surrogatepass"))


def pack(fields: Fields, mark: str) -> str:
    raw = json.dumps({"mark": mark, "fields": dict(fields)}, sort_keys=True, separators=(",", ":"))
    return DATA_PREFIX + base64.b64encode(zlib.compress(raw.encode(), 9)).decode()


def unpack(text: str) -> tuple[dict[str, Json], str] | None:
    """(fields, mark) of a hidden block; None if it is not one of the hub's."""
    if not text.startswith(DATA_PREFIX):
        return None
    try:
        packed = base64.b64decode(text[len(DATA_PREFIX) :], validate=True)
        raw = zlib.decompressobj().decompress(packed, _UNPACKED)
        data = json.loads(raw)
        fields, mark = data["fields"], data["mark"]
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, RecursionError):
        return None
    return (fields, mark) if isinstance(fields, dict) and isinstance(mark, str) else None


def read(attachments: Json) -> tuple[dict[str, Json], str] | None:
    """(fields, mark) of the first card among a message's attachments; None if there is no card of the hub's."""
    for attachment in attachments if isinstance(attachments, list) else ():
        if not isinstance(attachment, dict) or attachment.get("contentType") != CARD_TYPE:
            continue
        content = attachment.get("content")
        try:
            card = json.loads(content) if isinstance(content, str) else content
        except (ValueError, RecursionError):
            continue
        for element in card.get("body") or () if isinstance(card, dict) else ():
            if isinstance(element, dict) and element.get("id") == DATA_ID:
                return unpack(str(element.get("text") or ""))
    return None


def open_url(title: str, url: Json) -> dict[str, Json] | None:
    """A button that opens `url`; None if that is not a web address."""
    parts = urlsplit(str(url or ""))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    return {"type": "Action.OpenUrl", "title": " ".join(title.split())[:60] or "Open", "url": str(url)}


def _actions(context: Fields) -> list[dict[str, Json]]:
    found = [open_url("Open in Lockstep", context.get("url"))]
    for link in context.get("links") or ():
        if isinstance(link, Mapping):
            title = " · ".join(str(link[k]) for k in ("system", "title") if link.get(k))
            found.append(open_url(title, link.get("url")))
    return [a for a in found if a][:6]


def _listed(items: Sequence[str], most: int) -> str:
    shown = [to_markdown(i) for i in items[:most]]
    if len(items) > most:
        shown.append(f"and {len(items) - most} more")
    return ", ".join(shown)


def _facts(fields: Fields, names: Names, most: int) -> list[dict[str, str]]:
    roles = [f"{role}: {names.person(who)}" for role, who in sorted((fields.get("roles") or {}).items()) if who]
    impacts = [f"{names.service(s)}: {word}" for s, word in sorted((fields.get("impacts") or {}).items()) if word]
    rows = [
        ("Services", [names.service(s) for s in fields.get("services") or ()]),
        ("Customers see", impacts),
        ("Team", [str(fields["owner_team"])] if fields.get("owner_team") else []),
        ("Assigned to", [names.person(p) for p in fields.get("assignees") or ()]),
        ("Roles", roles),
        ("Tags", [str(t) for t in fields.get("tags") or ()]),
    ]
    return [{"title": title, "value": _listed(items, most)} for title, items in rows if items]


def headline(fields: Fields, context: Fields) -> str:
    """One line of plain text, for the notification and for clients that show no cards."""
    number = context.get("number")
    words = [str(w) for w in (number, fields.get("severity"), fields.get("status")) if w]
    return f"{' '.join(words)}: {fields.get('title') or 'incident'}"[:250]


def _body(fields: Fields, context: Fields, names: Names, description: str, most: int) -> list[dict[str, Any]]:
    number = f"{context['number']} · " if context.get("number") else ""
    status, severity = str(fields.get("status") or "?"), str(fields.get("severity") or "?")
    title = str(fields.get("title") or "")[:250]
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock", "id": "title", "size": "Large", "weight": "Bolder", "wrap": True,
            "text": to_markdown(number + title) or "Incident",
        },
        {
            "type": "TextBlock", "id": "state", "wrap": True, "weight": "Bolder",
            "color": COLOURS.get(severity, "Default"),
            "text": f"Status: {to_markdown(status)} · Severity: {to_markdown(severity)}",
        },
    ]  # fmt: skip
    facts = _facts(fields, names, most)
    if facts:
        body.append({"type": "FactSet", "id": "facts", "facts": facts})
    if description:
        body.append({"type": "TextBlock", "id": "description", "wrap": True, "text": to_markdown(description)})
    return body


def draw(fields: Fields, mark: str | None, context: Fields, names: Names, room: int = LIMIT) -> dict[str, Any]:
    """The card, in at most `room` bytes (as `size` counts them, twice encoded). mark None: without the hidden block.

    Raises Refused if even the shortest form does not fit.
    """
    hidden = [] if mark is None else [
        {"type": "TextBlock", "id": DATA_ID, "isVisible": False, "text": pack(fields, mark)}
    ]  # fmt: skip
    description = str(fields.get("description") or "").strip()
    actions = _actions(context)
    for keep, most in ((len(description), 40), (1200, 20), (400, 10), (100, 5), (0, 3), (0, 1)):
        if keep > len(description):
            continue
        shown = description if keep == len(description) else (description[:keep].rstrip() + "…" if keep else "")
        card: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "fallbackText": headline(fields, context),
            "body": _body(fields, context, names, shown, most) + hidden,
        }
        if actions:
            card["actions"] = actions
        if size(json.dumps(card, ensure_ascii=False)) <= room:
            return card
    raise Refused("the incident exceeds the size of a Teams card, even shortened: remove tags, services or people")
