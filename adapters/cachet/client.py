"""Calls to Cachet v3's API, and the VendorError that each failure means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import requests

from adapters.cachet.wire import FIELD_OF
from adapters.http import Wire, clean, error_for, error_from, understood
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, VendorError
from hub.ports import Clock, Secrets

PAGE_SIZE = 100
"""Rows per list request: the most that the API returns."""
MOST_PAGES = 20


class Client:
    """One installation, one token. `secret` name: `api_token`."""

    def __init__(self, wire: Wire, secrets: Secrets, clock: Clock, api: str) -> None:
        self._session = wire.session()
        self._secrets = secrets
        self._clock = clock
        self._root = api.rstrip("/")

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The document; None for a 404."""
        document = self._call("GET", path, params=params)
        return None if document is None else understood(document, dict, "data")

    def write(
        self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The document in the response to a write. Raises Refused if the object does not exist."""
        return self._call(method, path, params=params, body=body) or {}

    def walk(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """A list, as one document per page. Raises Refused if the list does not exist."""
        for page in range(1, MOST_PAGES + 1):
            document = self.get(path, {**params, "per_page": PAGE_SIZE, "page": page})
            if document is None:
                raise Refused("HTTP 404: there is no Cachet v3 API at this address; check url and api_url")
            understood(document["data"], list)
            yield document
            if len(document["data"]) < PAGE_SIZE:
                return

    def _call(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> dict[str, Any] | None:
        write = method != "GET"
        headers = {"Authorization": f"Bearer {self._secrets.get('api_token')}", "Accept": "application/json"}
        try:
            response = self._session.request(method, self._root + path, params=params, json=body, headers=headers)
        except (requests.RequestException, OSError) as exc:
            raise error_from(exc, write=write) from None
        if response.status_code == 404 and not write:
            return None
        if response.status_code >= 300:
            raise self._error(response, write)
        if write and not response.content:
            return {}
        try:
            document = response.json()
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            words = "Cachet's response is not JSON"
            raise OutcomeUnknown(words) if write else RetryLater(words)
        return document

    def _error(self, response: requests.Response, write: bool) -> VendorError:
        """The VendorError for an error response. Cachet names the wrong fields: {"message", "errors": {"name":
        ["…"]}}."""
        words, field = "", None
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            words = str(body.get("message") or "")
            wrong = body.get("errors")
            if isinstance(wrong, dict) and wrong:
                field = FIELD_OF.get(str(next(iter(wrong))).split(".")[0])
        return error_for(
            response.status_code,
            clean(words),
            write=write,
            headers=response.headers,
            now=self._clock.now(),
            field=field,
        )
