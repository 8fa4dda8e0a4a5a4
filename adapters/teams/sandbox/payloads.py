"""Graph's JSON for the state of the Teams stand-in, and the HTML that the editor of Teams makes of typed text. Pure."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote

from adapters.teams.sandbox.state import Message, State, Subscription
from adapters.teams.wire import stamp


def shown(state: State, message: Message, expand: bool = False) -> dict[str, Any]:
    """A chatMessage as Graph shows it."""
    user = {"id": message.user, "displayName": state.people.get(message.user or "")}
    link = (
        f"https://teams.microsoft.com/l/message/{quote(state.channel, safe='')}/{message.id}"
        f"?groupId={state.team}&tenantId={state.tenant}&parentMessageId={message.root or message.id}"
    )
    out: dict[str, Any] = {
        "id": message.id,
        "replyToId": message.root,
        "etag": str(message.etag),
        "messageType": message.kind,
        "createdDateTime": stamp(message.created),
        "lastModifiedDateTime": stamp(message.modified),
        "lastEditedDateTime": stamp(message.edited) if message.edited else None,
        "deletedDateTime": stamp(message.deleted) if message.deleted else None,
        "subject": message.subject,
        "summary": message.summary,
        "importance": message.importance,
        "locale": "en-us",
        "webUrl": link,
        "body": message.body,
        "channelIdentity": {"teamId": state.team, "channelId": state.channel},
        "attachments": message.attachments,
        "mentions": message.mentions,
        "reactions": message.reactions,
    }
    if message.user is not None:
        out["from"] = {"user": user}
    if expand:
        out["replies"] = [shown(state, r) for r in reversed(state.visible(list(message.replies.values())))]
    return out


def shown_subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "resource": subscription.resource,
        "changeType": ",".join(sorted(subscription.changes)),
        "clientState": None,
        "notificationUrl": subscription.url,
        "lifecycleNotificationUrl": subscription.lifecycle_url,
        "expirationDateTime": stamp(subscription.ends),
        "includeResourceData": subscription.certificate is not None,
    }


def plain(content: str) -> str:
    """A message's HTML as one line of plain text."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split())


def typed(text: str) -> dict[str, str]:
    """The message body that the editor of Teams makes of typed lines."""
    lines = [html.escape(line, quote=False) or "&nbsp;" for line in text.split("\n")]
    return {"contentType": "html", "content": "".join(f"<p>{line}</p>" for line in lines)}
