"""The Teams stand-in's identity platform: the token endpoint (two grants) and the public keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, Response, jsonify, request

from adapters.teams.sandbox.state import State
from adapters.teams.sandbox.webhooks import Push

LIVES = timedelta(minutes=60)


def _no(code: str, words: str, status: int = 400) -> tuple[Response, int]:
    return jsonify({"error": code, "error_description": words, "error_codes": [70000]}), status


def login_routes(app: Flask, state: State, push: Push) -> None:
    @app.post("/login/<tenant>/oauth2/v2.0/token")
    def token(tenant: str) -> Any:
        form = request.form
        if tenant != state.tenant:
            return _no("invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        if form.get("client_id") != state.client_id:
            return _no("unauthorized_client", "AADSTS700016: Application was not found in the directory.")
        if form.get("client_secret") != state.client_secret or state.forbidden:
            return _no("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
        if not form.get("scope", "").startswith(state.base_url + "/.default"):
            return _no("invalid_scope", "AADSTS70011: The provided value for scope is not valid.")
        answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": int(LIVES.total_seconds())}
        if form.get("grant_type") == "client_credentials":
            return jsonify({**answer, "access_token": state.issue("app", LIVES)})
        if form.get("grant_type") != "refresh_token":
            return _no("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
        if form.get("refresh_token") not in state.refresh_tokens:
            return _no("invalid_grant", "AADSTS70008: The provided refresh token has expired due to inactivity.")
        state.refresh_tokens.append(f"stand-in-refresh-{len(state.refresh_tokens)}")
        renewed = {"refresh_token": state.refresh_tokens[-1]}
        return jsonify({**answer, **renewed, "access_token": state.issue("user", LIVES)})

    @app.get("/login/common/discovery/v2.0/keys")
    def keys() -> Any:
        return jsonify({"keys": [push.jwk()]})
