"""The stand-in's Graph: messages, replies, edits, deletions, delta, activity notifications; and the flow's URL."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Response, jsonify, request

from adapters.teams.wire import stamp, when

if TYPE_CHECKING:
    from adapters.teams.sandbox import Message, TeamsSandbox

View = Callable[..., Any]

PER_SECOND = 4
SIZE = 28 * 1024
"""Bytes of a message, counted as UTF-16."""
CARD = "application/vnd.microsoft.card.adaptive"


def plain(content: str) -> str:
    """A message's HTML as a line of text."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split())


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    answer = jsonify({"error": {"code": code, "message": message, "innerError": {}}})
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


def who(world: TeamsSandbox) -> str | None:
    """ "user", "app", or None: the token is missing, unknown or over."""
    kind, until = world.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "), (None, None))
    return kind if until and until > world.clock.now() and not world.forbidden else None


def throttled(world: TeamsSandbox) -> Response | None:
    """Four requests a second from one app on one channel."""
    if not world.rate_limited:
        return None
    now = world.clock.now()
    world.recent = [t for t in world.recent if now - t < timedelta(seconds=1)]
    if len(world.recent) >= PER_SECOND:
        headers = {} if world.omit_retry_after else {"Retry-After": "1"}
        return error(429, "TooManyRequests", "Request limit of 4 per second was exceeded.", headers)
    world.recent.append(now)
    return None


def guarded(world: TeamsSandbox, app_may: bool = True) -> Callable[[View], View]:
    """Token, channel and rate, in the order in which Graph looks."""

    def wrap(view: View) -> View:
        @wraps(view)
        def inner(team: str, channel: str = "", **rest: Any) -> Any:
            kind = who(world)
            if kind is None:
                return error(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
            if kind == "app" and not app_may:
                words = "Missing role permissions on the request. API requires one of 'Teamwork.Migrate.All'."
                return error(403, "Forbidden", words)
            if team != world.team or (channel and channel != world.channel):
                return error(404, "NotFound", "No team or channel found with the given id.")
            return throttled(world) or view(**rest)

        return inner

    return wrap


def shown(world: TeamsSandbox, message: Message, expand: bool = False) -> dict[str, Any]:
    """A chatMessage as Graph shows it."""
    user = {"id": message.user, "displayName": world.people.get(message.user or "")}
    link = (
        f"https://teams.microsoft.com/l/message/{quote(world.channel, safe='')}/{message.id}"
        f"?groupId={world.team}&tenantId={world.tenant}&parentMessageId={message.root or message.id}"
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
        "channelIdentity": {"teamId": world.team, "channelId": world.channel},
        "attachments": message.attachments,
        "mentions": message.mentions,
        "reactions": message.reactions,
    }
    if message.user is not None:
        out["from"] = {"user": user}
    if expand:
        out["replies"] = [shown(world, r) for r in reversed(visible(world, list(message.replies.values())))]
    return out


def visible(world: TeamsSandbox, messages: Any) -> list[Message]:
    limit = world.clock.now() - timedelta(seconds=world.lag)
    return [m for m in messages if m.created <= limit]


def _payload(world: TeamsSandbox) -> dict[str, Any] | Response:
    """The message in a request, checked as Graph checks it."""
    data = request.get_json(silent=True)
    if not isinstance(data, dict):
        return error(400, "BadRequest", "Unable to read JSON request payload.")
    if len(request.get_data(as_text=True).encode("utf-16-le")) > SIZE:
        return error(413, "RequestEntityTooLarge", "Message size is too large.")
    body = data.get("body")
    if not isinstance(body, dict) or not isinstance(body.get("content"), str) or not body["content"]:
        return error(400, "BadRequest", "Missing body content.")
    if body.get("contentType", "text") not in ("text", "html"):
        return error(400, "BadRequest", "Invalid contentType.")
    for attachment in data.get("attachments") or ():
        if f'<attachment id="{attachment.get("id")}"></attachment>' not in body["content"]:
            return error(400, "BadRequest", "Attachment id is not referenced in the body.")
        if attachment.get("contentType") == CARD:
            try:
                json.loads(attachment["content"])
            except (KeyError, TypeError, ValueError):
                return error(400, "BadRequest", "Adaptive card content must be a JSON string.")
    return data


def _parts(data: dict[str, Any]) -> dict[str, Any]:
    """What a POST or PATCH says of a message, in the words of `Message`."""
    body = {"contentType": data["body"].get("contentType", "text"), "content": data["body"]["content"]}
    rest: dict[str, Any] = {k: data[k] for k in ("summary", "subject", "importance") if k in data}
    return {"body": body, "attachments": [dict(a) for a in data.get("attachments") or ()], **rest}


def _paged(world: TeamsSandbox, found: Sequence[Message], path: str) -> Response:
    """Newest first; `$top` up to 50, 20 unless told."""
    top = min(50, int(request.args.get("$top", 20)))
    start = int(request.args.get("$skiptoken", 0))
    out: dict[str, Any] = {"value": [shown(world, m) for m in found[start : start + top]]}
    if start + top < len(found):
        out["@odata.nextLink"] = f"{world.graph_url}{path}?$top={top}&$skiptoken={start + top}"
    return jsonify(out)


def _path(world: TeamsSandbox) -> str:
    return f"/teams/{world.team}/channels/{quote(world.channel, safe='')}/messages"


def _delta(world: TeamsSandbox) -> Response:
    """Chains that changed since the token (or the filter's time), in the order of their changes, whole if `replies` are
    expanded. A chain that changes while the pages are read comes again at their end, or in the next round."""
    token = request.args.get("$deltatoken") or request.args.get("$skiptoken")
    if token:
        try:
            floor, upto, top, expand, after = json.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            return error(400, "BadRequest", "Badly formed token.")
        if floor < world.expired_before:
            return error(410, "SyncStateNotFound", "The sync state generation is not found; start over.")
    else:
        found = re.fullmatch(r"lastModifiedDateTime gt (\S+)", request.args.get("$filter", ""))
        if "$filter" in request.args and not found:
            return error(400, "BadRequest", "Only lastModifiedDateTime gt is supported in $filter.")
        floor, upto, after = 0, None, found[1] if found else None
        top, expand = min(50, int(request.args.get("$top", 20))), request.args.get("$expand") == "replies"
    if upto is None:
        limit = world.clock.now() - timedelta(seconds=world.lag)
        upto = min([world.seq, *(m.seq - 1 for m in list(world.messages.values()) if m.modified > limit)])
    moment = when(after)
    chains = [m for m in list(world.messages.values()) if m.root is None and _first_news(m, floor) <= upto]
    chains = sorted((m for m in chains if moment is None or _touched(m) > moment), key=lambda m: m.seq)
    page, rest = chains[:top], chains[top:]
    name, state = ("skiptoken", [page[-1].seq, upto]) if rest else ("deltatoken", [upto, None])
    packed = base64.urlsafe_b64encode(json.dumps([*state, top, expand, after]).encode()).decode()
    link = f"{world.graph_url}{_path(world)}/delta()?${name}={packed}"
    name = "@odata.nextLink" if rest else "@odata.deltaLink"
    return jsonify({"value": [shown(world, m, expand) for m in page], name: link})


def _first_news(root: Message, floor: int) -> float:
    """The oldest change of a chain after `floor`; infinite when there is none."""
    return min((m.seq for m in (root, *list(root.replies.values())) if m.seq > floor), default=float("inf"))


def _touched(root: Message) -> datetime:
    return max([root.modified, *(r.modified for r in list(root.replies.values()))])


def routes(world: TeamsSandbox) -> None:
    app, base = world.app, "/v1.0/teams/<team>/channels/<channel>"

    @app.get(base, endpoint="channel")
    @guarded(world)
    def channel_itself() -> Any:
        return jsonify({"id": world.channel, "displayName": world.channel_name, "tenantId": world.tenant})

    @app.get(f"{base}/messages", endpoint="list")
    @guarded(world)
    def list_messages() -> Any:
        found = sorted(visible(world, (m for m in list(world.messages.values()) if m.root is None)), key=_touched)
        return _paged(world, found[::-1], _path(world))

    @app.get(f"{base}/messages/delta", endpoint="delta")
    @app.get(f"{base}/messages/delta()", endpoint="delta")
    @guarded(world)
    def delta() -> Any:
        return _delta(world)

    @app.post(f"{base}/messages", endpoint="post")
    @guarded(world, app_may=False)
    def post() -> Any:
        return _post(world, None)

    @app.get(f"{base}/messages/<root>/replies", endpoint="replies")
    @guarded(world)
    def replies(root: str) -> Any:
        message = world.messages.get(root)
        if message is None or message.root is not None:
            return error(404, "NotFound", "Message not found.")
        found = visible(world, list(message.replies.values()))[::-1]
        return _paged(world, found, f"{_path(world)}/{root}/replies")

    @app.post(f"{base}/messages/<root>/replies", endpoint="reply")
    @guarded(world, app_may=False)
    def reply(root: str) -> Any:
        message = world.messages.get(root)
        if message is None or message.root is not None or message.deleted:
            return error(404, "NotFound", "Message not found.")
        return _post(world, root)

    for path in (f"{base}/messages/<one>", f"{base}/messages/<root>/replies/<one>"):
        _single(world, path)


def _post(world: TeamsSandbox, root: str | None) -> Any:
    data = _payload(world)
    if isinstance(data, Response):
        return data
    message = world.add(world.account, root=root, **_parts(data))
    return jsonify(shown(world, message)), 201


def _single(world: TeamsSandbox, path: str) -> None:
    def found(one: str, root: str | None) -> Message | None:
        message = world.messages.get(one)
        return message if message is not None and message.root == root else None

    @world.app.get(path, endpoint=f"get {path}")
    @guarded(world)
    def get(one: str, root: str | None = None) -> Any:
        message = found(one, root)
        return jsonify(shown(world, message)) if message else error(404, "NotFound", "Message not found.")

    def writable(one: str, root: str | None) -> Message | Response:
        message = found(one, root)
        if message is None or message.deleted:
            return error(404, "NotFound", "Message not found.")
        if message.user != world.account:
            return error(403, "Forbidden", "Only the author of a message may change it.")
        return message

    @world.app.patch(path, endpoint=f"patch {path}")
    @guarded(world, app_may=False)
    def patch(one: str, root: str | None = None) -> Any:
        message = writable(one, root)
        if isinstance(message, Response):
            return message
        data = _payload(world)
        if isinstance(data, Response):
            return data
        for name, value in _parts(data).items():
            setattr(message, name, value)
        message.edited = world.clock.now()
        world.touch(message, "updated")
        return Response(status=204)

    @world.app.post(f"{path}/softDelete", endpoint=f"delete {path}")
    @guarded(world, app_may=False)
    def soft_delete(one: str, root: str | None = None) -> Any:
        message = writable(one, root)
        if isinstance(message, Response):
            return message
        world.remove(message)
        return Response(status=204)


RECIPIENTS = ("teamMembersNotificationRecipient", "channelMembersNotificationRecipient", "aadUserNotificationRecipient")


def flow_routes(world: TeamsSandbox) -> None:
    """The routes that can only post."""

    @world.app.post("/v1.0/teams/<team>/sendActivityNotification", endpoint="notify")
    @guarded(world)
    def notify() -> Any:
        data = request.get_json(silent=True) or {}
        topic, recipient = data.get("topic") or {}, data.get("recipient") or {}
        if data.get("activityType") not in world.activity_types:
            return error(400, "BadRequest", "Activity type must be declared in the Teams app manifest.")
        if topic.get("source") == "text" and not topic.get("webUrl"):
            return error(400, "BadRequest", "webUrl is required when the topic source is text.")
        if not str(recipient.get("@odata.type", "")).endswith(RECIPIENTS):
            return error(400, "BadRequest", "Recipient is invalid.")
        world.notifications.append(data)
        return Response(status=204)

    @world.app.post("/workflows/<flow>/triggers/manual/paths/invoke")
    def flow(flow: str) -> Any:
        if request.args.get("sig") != world.workflow_signature or world.forbidden:
            return error(401, "DirectApiAuthorizationRequired", "The signature is not valid.")
        data = request.get_json(silent=True)
        cards = data.get("attachments") if isinstance(data, dict) and data.get("type") == "message" else None
        if not cards or any(c.get("contentType") != CARD or not isinstance(c.get("content"), dict) for c in cards):
            return error(400, "TriggerInputSchemaMismatch", "The input body does not match: adaptive cards only.")
        world.landing.append(lambda: world.flow_cards.extend(c["content"] for c in cards))
        return Response(status=202)
