"""The Teams stand-in's Graph routes for the channel, its messages and replies, edits and deletions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import Flask, Response, jsonify, request

from adapters.teams.sandbox.access import error, guarded
from adapters.teams.sandbox.conversations import Conversations
from adapters.teams.sandbox.delta import changed_chains, last_touched, messages_path
from adapters.teams.sandbox.payloads import shown
from adapters.teams.sandbox.state import CARD, Message, State

SIZE = 28 * 1024
"""Most bytes of a message, counted as UTF-16."""


def _payload(state: State) -> dict[str, Any] | Response:
    """The message in a request, or Graph's error response if it is invalid."""
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
    """The contents of a POST or PATCH, as arguments of `Message`."""
    body = {"contentType": data["body"].get("contentType", "text"), "content": data["body"]["content"]}
    rest: dict[str, Any] = {k: data[k] for k in ("summary", "subject", "importance") if k in data}
    return {"body": body, "attachments": [dict(a) for a in data.get("attachments") or ()], **rest}


def _paged(state: State, found: Sequence[Message], path: str) -> Response:
    """One page of messages, newest first; `$top` is at most 50, and 20 by default."""
    top = min(50, int(request.args.get("$top", 20)))
    start = int(request.args.get("$skiptoken", 0))
    out: dict[str, Any] = {"value": [shown(state, m) for m in found[start : start + top]]}
    if start + top < len(found):
        out["@odata.nextLink"] = f"{state.graph_url}{path}?$top={top}&$skiptoken={start + top}"
    return jsonify(out)


def message_routes(app: Flask, state: State, conversations: Conversations) -> None:
    base = "/v1.0/teams/<team>/channels/<channel>"

    @app.get(base, endpoint="channel")
    @guarded(state)
    def channel_itself() -> Any:
        return jsonify({"id": state.channel, "displayName": state.channel_name, "tenantId": state.tenant})

    @app.get(f"{base}/messages", endpoint="list")
    @guarded(state)
    def list_messages() -> Any:
        found = sorted(state.visible(m for m in list(state.messages.values()) if m.root is None), key=last_touched)
        return _paged(state, found[::-1], messages_path(state))

    @app.get(f"{base}/messages/delta", endpoint="delta")
    @app.get(f"{base}/messages/delta()", endpoint="delta")
    @guarded(state)
    def delta() -> Any:
        return changed_chains(state)

    @app.post(f"{base}/messages", endpoint="post")
    @guarded(state, app_may=False)
    def post() -> Any:
        return _post(state, conversations, None)

    @app.get(f"{base}/messages/<root>/replies", endpoint="replies")
    @guarded(state)
    def replies(root: str) -> Any:
        message = state.messages.get(root)
        if message is None or message.root is not None:
            return error(404, "NotFound", "Message not found.")
        found = state.visible(list(message.replies.values()))[::-1]
        return _paged(state, found, f"{messages_path(state)}/{root}/replies")

    @app.post(f"{base}/messages/<root>/replies", endpoint="reply")
    @guarded(state, app_may=False)
    def reply(root: str) -> Any:
        message = state.messages.get(root)
        if message is None or message.root is not None or message.deleted:
            return error(404, "NotFound", "Message not found.")
        return _post(state, conversations, root)

    for path in (f"{base}/messages/<one>", f"{base}/messages/<root>/replies/<one>"):
        _single(app, state, conversations, path)


def _post(state: State, conversations: Conversations, root: str | None) -> Any:
    data = _payload(state)
    if isinstance(data, Response):
        return data
    message = conversations.add(state.account, root=root, **_parts(data))
    return jsonify(shown(state, message)), 201


def _single(app: Flask, state: State, conversations: Conversations, path: str) -> None:
    def found(one: str, root: str | None) -> Message | None:
        message = state.messages.get(one)
        return message if message is not None and message.root == root else None

    @app.get(path, endpoint=f"get {path}")
    @guarded(state)
    def get(one: str, root: str | None = None) -> Any:
        message = found(one, root)
        return jsonify(shown(state, message)) if message else error(404, "NotFound", "Message not found.")

    def writable(one: str, root: str | None) -> Message | Response:
        message = found(one, root)
        if message is None or message.deleted:
            return error(404, "NotFound", "Message not found.")
        if message.user != state.account:
            return error(403, "Forbidden", "Only the author of a message may change it.")
        return message

    @app.patch(path, endpoint=f"patch {path}")
    @guarded(state, app_may=False)
    def patch(one: str, root: str | None = None) -> Any:
        message = writable(one, root)
        if isinstance(message, Response):
            return message
        data = _payload(state)
        if isinstance(data, Response):
            return data
        for name, value in _parts(data).items():
            setattr(message, name, value)
        message.edited = state.clock.now()
        conversations.touch(message, "updated")
        return Response(status=204)

    @app.post(f"{path}/softDelete", endpoint=f"delete {path}")
    @guarded(state, app_may=False)
    def soft_delete(one: str, root: str | None = None) -> Any:
        message = writable(one, root)
        if isinstance(message, Response):
            return message
        conversations.remove(message)
        return Response(status=204)
