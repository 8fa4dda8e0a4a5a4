"""The two interfaces of the Teams stand-in that can only post: activity notifications, and a flow's URL (Workflows)."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from adapters.teams.sandbox.access import error, guarded
from adapters.teams.sandbox.state import CARD, State

RECIPIENTS = ("teamMembersNotificationRecipient", "channelMembersNotificationRecipient", "aadUserNotificationRecipient")


def post_only_routes(app: Flask, state: State) -> None:
    @app.post("/v1.0/teams/<team>/sendActivityNotification", endpoint="notify")
    @guarded(state)
    def notify() -> Any:
        data = request.get_json(silent=True) or {}
        topic, recipient = data.get("topic") or {}, data.get("recipient") or {}
        if data.get("activityType") not in state.activity_types:
            return error(400, "BadRequest", "Activity type must be declared in the Teams app manifest.")
        if topic.get("source") == "text" and not topic.get("webUrl"):
            return error(400, "BadRequest", "webUrl is required when the topic source is text.")
        if not str(recipient.get("@odata.type", "")).endswith(RECIPIENTS):
            return error(400, "BadRequest", "Recipient is invalid.")
        state.notifications.append(data)
        return Response(status=204)

    @app.post("/workflows/<flow>/triggers/manual/paths/invoke")
    def flow(flow: str) -> Any:
        if request.args.get("sig") != state.workflow_signature or state.forbidden:
            return error(401, "DirectApiAuthorizationRequired", "The signature is not valid.")
        data = request.get_json(silent=True)
        cards = data.get("attachments") if isinstance(data, dict) and data.get("type") == "message" else None
        if not cards or any(c.get("contentType") != CARD or not isinstance(c.get("content"), dict) for c in cards):
            return error(400, "TriggerInputSchemaMismatch", "The input body does not match: adaptive cards only.")
        state.landing.append(lambda: state.flow_cards.extend(c["content"] for c in cards))
        return Response(status=202)
