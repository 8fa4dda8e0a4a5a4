"""Routes of the stand-in Jira for apps and administrators: webhooks, and the tokens of OAuth apps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, jsonify, request

from adapters.jira.sandbox.routes import routes
from adapters.jira.sandbox.state import Refusal, State
from adapters.jira.sandbox.webhooks import Hooks

OAUTH_SECRET = "the-app-secret-of-the-stand-in-jira"


def add(app: Flask, state: State, hooks: Hooks) -> None:
    @app.get("/rest/webhooks/1.0/webhook")
    def admin_webhooks() -> Any:
        if not state.administrator:
            raise Refusal(403, "You are not authorized to perform this action.")
        shown = [h for h in hooks.hooks if not h.dynamic]
        return jsonify(
            [{"name": f"hook {h.id}", "url": h.url, "events": list(h.events), "enabled": h.enabled} for h in shown]
        )

    _add_dynamic(app, state, hooks)
    _add_tokens(app, state)


def _add_dynamic(app: Flask, state: State, hooks: Hooks) -> None:
    route = routes(app)

    def app_only() -> None:
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            raise Refusal(403, "Only Connect and OAuth 2.0 apps can use this operation.")

    @route("webhook", "POST")
    def register(version: int) -> Any:
        app_only()
        asked = request.get_json()
        made = [hooks.add_dynamic(asked["url"], OAUTH_SECRET, w["events"], w["jqlFilter"]) for w in asked["webhooks"]]
        return {"webhookRegistrationResult": [{"createdWebhookId": h.id} for h in made]}

    @route("webhook")
    def registered(version: int) -> Any:
        app_only()
        live = [h for h in hooks.hooks if h.dynamic and h.expires and h.expires > state.now()]
        values = [
            {
                "id": h.id,
                "url": h.url,
                "events": list(h.events),
                "jqlFilter": h.jql,
                "expirationDate": _millis(h.expires),
            }
            for h in live
        ]
        return {"startAt": 0, "maxResults": 100, "total": len(values), "isLast": True, "values": values}

    @route("webhook/refresh", "PUT")
    def refresh(version: int) -> Any:
        app_only()
        until = state.now() + timedelta(days=30)
        for hook in hooks.hooks:
            if hook.id in request.get_json()["webhookIds"]:
                hook.expires = until
        return {"expirationDate": _millis(until)}


def _add_tokens(app: Flask, state: State) -> None:
    """auth.atlassian.com: an access token is valid for one hour; a refresh token is replaced at every use."""

    @app.post("/oauth/token")
    def token() -> Any:
        asked = request.get_json(silent=True) or {}
        if asked.get("refresh_token") not in state.tokens or asked.get("client_secret") != OAUTH_SECRET:
            return {"error": "invalid_grant"}, 400
        state.tokens.remove(asked["refresh_token"])
        access, refresh = f"access-{state.ids.new()}", f"refresh-{state.ids.new()}"
        state.tokens.update({access, refresh})
        return {"access_token": access, "refresh_token": refresh, "expires_in": 3600, "token_type": "Bearer"}


def _millis(when: Any) -> int:
    return int(when.timestamp() * 1000)
