"""The Teams stand-in's Graph routes for subscriptions to change notifications."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Response, jsonify, request

from adapters.teams.sandbox.access import error, who
from adapters.teams.sandbox.payloads import shown_subscription
from adapters.teams.sandbox.state import State, Subscription
from adapters.teams.sandbox.webhooks import Push
from adapters.teams.wire import when

LONGEST = timedelta(minutes=4320)


def subscription_routes(app: Flask, state: State, push: Push) -> None:
    """Registers `/subscriptions`. A subscription is created only after a handshake with the subscriber's URL."""

    def ends(data: dict[str, Any]) -> datetime | Response:
        until = when(data.get("expirationDateTime"))
        now = state.clock.now()
        if until is None or not now < until <= now + LONGEST:
            return error(400, "InvalidRequest", "Subscription expiration can only be 4320 minutes in the future.")
        return until

    def shaken(url: str) -> bool:
        token = f"Validation: Testing client application reachability for subscription Request-Id: {state.ids.new()}"
        status, kind, body = push.shake(url, token)
        return status == 200 and kind.startswith("text/plain") and body == token

    @app.get("/v1.0/subscriptions")
    def listed() -> Any:
        if who(state) is None:
            return error(401, "InvalidAuthenticationToken", "Access token is missing or over.")
        live = [s for s in state.subscriptions.values() if s.ends > state.clock.now()]
        return jsonify({"value": [shown_subscription(s) for s in live]})

    @app.post("/v1.0/subscriptions")
    def made() -> Any:
        if who(state) is None:
            return error(401, "InvalidAuthenticationToken", "Access token is missing or over.")
        data = request.get_json(silent=True) or {}
        until = ends(data)
        if isinstance(until, Response):
            return until
        url, second, client_state = (
            data.get("notificationUrl"),
            data.get("lifecycleNotificationUrl"),
            data.get("clientState"),
        )
        if data.get("resource") != f"/teams/{state.team}/channels/{state.channel}/messages":
            return error(400, "InvalidRequest", "Resource is not supported.")
        if until > state.clock.now() + timedelta(hours=1) and not second:
            words = "lifecycleNotificationUrl is a required property for subscription creation on this resource when "
            return error(400, "InvalidRequest", words + "the expirationDateTime value is set to greater than 1 hour.")
        if not isinstance(url, str) or not isinstance(client_state, str) or len(client_state) > 128:
            return error(400, "InvalidRequest", "notificationUrl or clientState is missing or too long.")
        if any(s.resource == data["resource"] and s.ends > state.clock.now() for s in state.subscriptions.values()):
            return error(409, "Conflict", "A subscription on this resource exists.")
        if not all(shaken(u) for u in (url, second) if u):
            return error(400, "ValidationError", "Subscription validation request failed.")
        changes = frozenset(str(data.get("changeType")).split(","))
        certificate = data.get("encryptionCertificate") if data.get("includeResourceData") else None
        one = Subscription(
            state.ids.new(), url, second, data["resource"], changes, client_state, until, certificate,
            data.get("encryptionCertificateId"),
        )  # fmt: skip
        state.subscriptions[one.id] = one
        return jsonify(shown_subscription(one)), 201

    @app.route("/v1.0/subscriptions/<name>", methods=["PATCH", "DELETE"])
    def one(name: str) -> Any:
        if who(state) is None:
            return error(401, "InvalidAuthenticationToken", "Access token is missing or over.")
        found = state.subscriptions.get(name)
        if found is None or found.ends <= state.clock.now():
            return error(404, "ResourceNotFound", "The object was not found.")
        if request.method == "DELETE":
            del state.subscriptions[name]
            return Response(status=204)
        until = ends(request.get_json(silent=True) or {})
        if isinstance(until, Response):
            return until
        found.ends = until
        return jsonify(shown_subscription(found))
