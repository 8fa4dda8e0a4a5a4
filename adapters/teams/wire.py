"""Graph's messages ↔ the hub's values. Pure: no I/O and no clock.

A root message is an incident's card, its replies are comments. Format: Microsoft Graph v1.0 `chatMessage`.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from adapters.marks import sign, unsign
from adapters.teams import cards
from adapters.teams.markup import from_html, to_html
from adapters.times import utc
from hub.domain.errors import Refused
from hub.domain.values import COMMENT, INCIDENT, Actor, Desired, Fields, Json, Observation, Ref

MESSAGE_ROOM = 2 * 1024
"""Bytes (UTF-16) reserved for the parts of a message other than its card."""

COMMENT_LIMIT = 4_000
TITLE_LIMIT = 250
DESCRIPTION_LIMIT = 2_000

FIELDS = (
    "status", "severity", "title", "description", "services", "assignees", "roles", "tags", "owner_team", "impacts",
)  # fmt: skip
"""The fields of a card. Their values are the hub's own words unless a vocabulary table replaces them."""

EMPTY: Mapping[str, Json] = {
    "title": "", "description": "", "services": [], "assignees": [], "roles": {}, "tags": [], "impacts": {},
}  # fmt: skip

REACTIONS = "reactions"

_RESOURCE = re.compile(
    r"^/?teams(?:\('(?P<team>[^']+)'\)|/(?P<team2>[^/]+))"
    r"/channels(?:\('(?P<channel>[^']+)'\)|/(?P<channel2>[^/]+))"
    r"/messages(?:\('(?P<root>\d{1,20})'\)|/(?P<root2>\d{1,20}))"
    r"(?:/replies(?:\('(?P<reply>\d{1,20})'\)|/(?P<reply2>\d{1,20})))?$"
)


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a message: team, channel, and its reference."""

    team: str
    channel: str
    ref: Ref


def place(resource: str) -> Place | None:
    """`teams('t')/channels('c')/messages('1')[/replies('2')]`, with parentheses or slashes, → its place."""
    found = _RESOURCE.match(resource)
    if not found:
        return None
    team, channel, root, reply = (found[k] or found[k + "2"] for k in ("team", "channel", "root", "reply"))
    ref = Ref(COMMENT, reply, root) if reply else Ref(INCIDENT, root)
    return Place(unquote(team), unquote(channel), ref)


def when(value: Json) -> datetime | None:
    """Graph's time (up to seven decimals of a second, `Z`) as UTC; None if it cannot be parsed."""
    return utc(re.sub(r"(\.\d{6})\d+", r"\1", value)) if isinstance(value, str) else None


def stamp(moment: datetime) -> str:
    """A time (UTC) as Graph writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _part(message: Json, *path: str) -> Json:
    for step in path:
        message = message.get(step) if isinstance(message, Mapping) else None
    return message


def author(message: Mapping[str, Any]) -> Actor | None:
    """The author of a message; None for a system message."""
    user = _part(message, "from", "user") or _part(message, "from", "application")
    if not isinstance(user, Mapping):
        return None
    return Actor(name=user.get("displayName"), account=user.get("id"))


def is_from(message: Mapping[str, Any], account: str) -> bool:
    return str(_part(message, "from", "user", "id") or "").lower() == account.lower()


def reactions(message: Mapping[str, Any]) -> list[str]:
    """The reactions to a message, each as `reaction:user id`, sorted."""
    found = set()
    for one in message.get("reactions") or ():
        kind, user = _part(one, "reactionType"), _part(one, "user", "user", "id")
        if isinstance(kind, str) and isinstance(user, str):
            found.add(f"{kind}:{user}")
    return sorted(found)


def text_of(message: Mapping[str, Any]) -> str:
    """The text that a reader of the message sees, with its attachments by name."""
    content = str(_part(message, "body", "content") or "")
    text = from_html(content) if _part(message, "body", "contentType") != "text" else content.strip()
    names = [str(a.get("name")) for a in message.get("attachments") or () if isinstance(a, Mapping) and a.get("name")]
    return "\n".join([text, *(f"[attachment: {n}]" for n in names)]).strip()


def _state(message: Mapping[str, Any]) -> str:
    return "deleted" if message.get("deletedDateTime") else "present"


def observed_reply(message: Mapping[str, Any], root: str, account: str) -> Observation:
    """A reply as a comment. A mark counts only in a message of the hub's own account."""
    text, key = text_of(message), None
    if is_from(message, account):
        text, key = unsign(text)
    deleted = bool(message.get("deletedDateTime"))
    return Observation(
        ref=Ref(COMMENT, str(message["id"]), root),
        state=_state(message),
        fields={"text": "" if deleted else text, "deleted": deleted},
        version=message.get("etag"),
        url=message.get("webUrl"),
        mark=key,
        type=_type(message),
        created_at=when(message.get("createdDateTime")),
        actor=author(message),
    )


def _type(message: Mapping[str, Any]) -> str:
    """The type of a reply: one that mentions an app (the hub's outgoing webhook) is a command, not a comment."""
    if message.get("messageType", "message") != "message":
        return "other"
    calls = any((m.get("mentioned") or {}).get("application") for m in message.get("mentions") or ())
    return "command" if calls else "incident"


def has_id(message: Mapping[str, Any]) -> bool:
    """Whether the message has an id of Graph's format: a time in digits."""
    id = str(message.get("id") or "")
    return id.isascii() and id.isdecimal()


def in_order(replies: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The replies of people and apps, oldest first, without system messages."""
    said = [r for r in replies if has_id(r) and r.get("messageType", "message") == "message"]
    return sorted(said, key=lambda r: int(r["id"]))


def observed(
    message: Mapping[str, Any], account: str, replies: Iterable[Mapping[str, Any]] | None = None, complete: bool = False
) -> Observation:
    """A root message as an incident. Its fields are those of the hidden block, if the hub's own account has sent it.

    Any other root has the type "other" and no fields: the hub cannot edit it, so it is never synchronised.
    version: of the root and its replies together, so that a new reply is a new version.
    """
    known = cards.read(message.get("attachments")) if is_from(message, account) else None
    root = str(message["id"])
    children = tuple(observed_reply(r, root, account) for r in in_order(replies or ()))
    version = str(message.get("etag") or "")
    if replies is not None:
        newest = max((str(c.version or "") for c in children), key=lambda v: (len(v), v), default="")
        version = f"{version}+{len(children)}:{newest}"
    fields: dict[str, Json] = {}
    if known:
        fields = {name: known[0].get(name) or EMPTY.get(name) for name in FIELDS}
        fields[REACTIONS] = reactions(message)
    return Observation(
        ref=Ref(INCIDENT, root),
        state=_state(message),
        fields=fields,
        version=version or None,
        url=message.get("webUrl"),
        mark=known[1] if known else None,
        type="incident" if known else "other",
        created_at=when(message.get("createdDateTime")),
        actor=author(message),
        children=children,
        children_complete=complete,
    )


def _attachment_id(mark: str) -> str:
    return str(uuid.UUID(hashlib.sha256(mark.encode()).hexdigest()[:32]))


def root_payload(fields: Fields, mark: str, context: Fields, names: cards.Names) -> dict[str, Json]:
    """The body of a POST or PATCH of an incident's root message. Raises Refused if even the shortest form is too
    long."""
    own = {name: fields.get(name) or EMPTY.get(name) for name in FIELDS}
    card = cards.draw(own, mark, context, names, room=cards.LIMIT - MESSAGE_ROOM)
    key = _attachment_id(mark)
    return {
        "summary": cards.headline(own, context),
        "importance": "high" if own["severity"] in ("SEV1", "SEV2") else "normal",
        "body": {"contentType": "html", "content": f'<attachment id="{key}"></attachment>'},
        "attachments": [
            {"id": key, "contentType": cards.CARD_TYPE, "content": json.dumps(card, ensure_ascii=False)},
        ],
    }


def reply_payload(text: str, mark: str | None, who: str | None) -> dict[str, Json]:
    """The body of a POST or PATCH of a reply: escaped text, the mark as its last line."""
    signed = sign(text, mark, who, COMMENT_LIMIT + 200) if mark else text
    payload = {"body": {"contentType": "html", "content": to_html(signed)}}
    if cards.size(payload) > cards.LIMIT:
        raise Refused("the text exceeds the size of a Teams message; shorten it", field="text")
    return payload


def workflow_payload(desired: Desired, names: cards.Names) -> dict[str, Json]:
    """The body for a Workflows webhook: one card as an object, without the hidden block, which could not be read."""
    if desired.kind == INCIDENT:
        card = cards.draw(desired.fields, None, desired.context, names, room=cards.LIMIT - MESSAGE_ROOM)
    else:
        by, number = desired.context.get("author"), desired.context.get("number")
        title = " · ".join(str(w) for w in (number, by) if w) or "Comment"
        card = cards.draw(
            {"title": title, "description": desired.fields.get("text")}, None, {**desired.context, "number": None}, names,
            room=cards.LIMIT - MESSAGE_ROOM,
        )  # fmt: skip
        card["body"] = [part for part in card["body"] if part.get("id") != "state"]
    return {
        "type": "message",
        "attachments": [{"contentType": cards.CARD_TYPE, "contentUrl": None, "content": card}],
    }


PREVIEW_LIMIT = 150


def notification_payload(
    desired: Desired, activity: str, recipient: Mapping[str, Json], topic_url: str
) -> dict[str, Json]:
    """The body of `sendActivityNotification`; the app's manifest must declare the activity type with `{incident}`."""
    line = cards.headline(desired.fields, desired.context)
    return {
        "topic": {"source": "text", "value": line[:100], "webUrl": topic_url},
        "activityType": activity,
        "previewText": {"content": line[:PREVIEW_LIMIT]},
        "templateParameters": [{"name": "incident", "value": line[:PREVIEW_LIMIT]}],
        "recipient": dict(recipient),
    }


_AT = re.compile(r"<at[^>]*>(.*?)</at>", re.S | re.I)


def command_text(text: str) -> str:
    """The text that a person wrote to the outgoing webhook, without the mention of it. Other mentions stay, by name."""
    text = re.sub(r"^\s*(?:<(?:p|div)[^>]*>\s*)*" + _AT.pattern, "", text, count=1, flags=re.S | re.I)
    text = _AT.sub(r"\1", text)
    text = re.sub(r"<br\s*/?>|</(?:p|div)>", "\n", text, flags=re.I)
    text = re.sub(r"</?(?:p|div|span|b|i|strong|em|u|a)(?:\s[^>]*)?>", "", text, flags=re.I)
    text = html.unescape(text).replace("\u00a0", " ")
    return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()
