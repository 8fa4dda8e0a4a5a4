"""Access tokens of an OAuth 2.0 (3LO) app on Cloud.

An access token is valid for one hour and is kept in memory only. The refresh token is replaced at every use: the new
one is stored in the vault before the access token is used.
Vendor document: "OAuth 2.0 (3LO) apps", developer.atlassian.com.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import requests

from adapters.http import clean, error_for, error_from
from adapters.jira.settings import Settings
from adapters.registry import Spec
from adapters.times import ending
from hub.domain.errors import RetryLater, Unauthorised

TOKEN_URL = "https://auth.atlassian.com/oauth/token"  # noqa: S105 - an address
_EARLY = timedelta(minutes=2)


class Tokens:
    """The access token of one connection, renewed shortly before it expires. Thread-safe."""

    def __init__(self, spec: Spec, settings: Settings) -> None:
        self._spec, self._settings = spec, settings
        self._lock = threading.Lock()
        self._access: tuple[str, datetime] | None = None

    def access(self) -> str:
        """Raises VendorErrors."""
        with self._lock:
            now = self._spec.clock.now()
            if self._access is None or now >= self._access[1] - _EARLY:
                self._access = self._renewed(now)
            return self._access[0]

    def _renewed(self, now: datetime) -> tuple[str, datetime]:
        secrets = self._spec.secrets
        body = {
            "grant_type": "refresh_token",
            "client_id": self._settings.oauth_client,
            "client_secret": secrets.get("client_secret"),
            "refresh_token": secrets.get("refresh_token"),
        }
        with self._spec.wire.session() as session:
            try:
                answer = session.post(TOKEN_URL, json=body)
            except requests.RequestException as exc:
                raise error_from(exc, write=False) from None
        if answer.status_code == 400:
            raise Unauthorised(
                "Atlassian rejected the refresh token; authorise the app again and set the secret refresh_token"
            )
        if answer.status_code != 200:
            raise error_for(answer.status_code, clean(answer.reason), write=False, headers=answer.headers, now=now)
        try:
            found = answer.json()
            access, until = str(found["access_token"]), ending(now, found["expires_in"])
        except (ValueError, KeyError, TypeError, RecursionError):
            access, until = "", None
        if until is None:
            raise RetryLater("Atlassian's response has no access token")
        if isinstance(found.get("refresh_token"), str):
            secrets.put("refresh_token", found["refresh_token"])
        return access, until
