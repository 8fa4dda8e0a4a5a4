"""Access tokens of the Microsoft identity platform, by plain form POSTs over the hub's transport.

Two grants are used: a service account's refresh token (delegated: the only way in which Graph lets a daemon post into a
channel), and the application's own credential (for activity notifications). A refresh token is replaced on every use;
the new one goes to the vault at once. (Microsoft identity platform, OAuth 2.0 authorization code and client credentials
flows.)
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import requests

from adapters.http import Wire, clean, error_from, retry_after
from adapters.times import ending
from hub.domain.errors import RetryLater, Unauthorised
from hub.ports import Clock, Secrets

EARLY = timedelta(minutes=5)
"""A token is renewed this long before it expires."""

DELEGATED, APPLICATION = "refresh_token", "client_credentials"

_SIGN_IN = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})


@dataclass
class Tokens:
    """The bearer token of one connection, with one renewal at a time. scope: the OAuth scope of the cloud in use."""

    wire: Wire = field(repr=False)
    clock: Clock = field(repr=False)
    secrets: Secrets = field(repr=False)
    url: str
    client_id: str
    scope: str
    grant: str = DELEGATED
    _token: str | None = field(default=None, init=False, repr=False)
    _until: datetime | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def bearer(self) -> str:
        """A token that is valid for at least five minutes. Raises Unauthorised or RetryLater (nothing was written at
        the vendor)."""
        with self._lock:
            if self._token is None or self._until is None or self.clock.now() >= self._until:
                self._token, self._until = self._fetch()
            return self._token

    def drop(self) -> None:
        """Drops the stored token, after the vendor did not accept it."""
        with self._lock:
            self._token = None

    def _form(self) -> Mapping[str, str]:
        form = {
            "grant_type": self.grant,
            "client_id": self.client_id,
            "client_secret": self.secrets.get("client_secret"),
            "scope": self.scope if self.grant == APPLICATION else f"{self.scope} offline_access",
        }
        if self.grant == DELEGATED:
            form["refresh_token"] = self.secrets.get("refresh_token")
        return form

    def _fetch(self) -> tuple[str, datetime]:
        form, asked_at = self._form(), self.clock.now()
        try:
            response = self.wire.session().post(self.url, data=form)
        except requests.RequestException as exc:
            raise error_from(exc, write=False) from None
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = {}
        if not isinstance(answer, dict):
            answer = {}
        if response.status_code != 200:
            self._refuse(response, str(answer.get("error") or ""), str(answer.get("error_description") or ""))
        token, lives = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(lives, int | float | str):
            raise RetryLater("the token endpoint's response has no token")
        renewed = answer.get("refresh_token")
        if self.grant == DELEGATED and isinstance(renewed, str) and renewed != form["refresh_token"]:
            self.secrets.put("refresh_token", renewed)
        return token, (ending(asked_at, lives) or asked_at) - EARLY

    def _refuse(self, response: requests.Response, code: str, words: str) -> None:
        status, text = response.status_code, clean(f"{code}: {words}" if code else f"HTTP {response.status_code}")
        if status == 429 or status >= 500:
            delay = retry_after(response.headers, self.clock.now())
            raise RetryLater(f"token endpoint: {text}", delay=delay, throttled=status == 429)
        if code in _SIGN_IN and self.grant == DELEGATED:
            raise Unauthorised(f"the service account must sign in again; then set the secret refresh_token ({text})")
        raise Unauthorised(f"the token endpoint refused the credential; check client_id and client_secret ({text})")
