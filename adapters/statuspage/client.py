"""Calls to Statuspage's v1 API, and the VendorError that each failure means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import requests

from adapters.http import Wire, clean, error_for, error_from, understood
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, VendorError
from hub.ports import Clock, Secrets

API = "https://api.statuspage.io/v1"
PAGE_SIZE = 100
"""Rows per list request: the most that the API returns."""
MOST_PAGES = 20
"""Most pages that `walk` reads: no open incident is further back in a list."""


class Client:
    """One page, one key. `secret` name: `api_key`."""

    def __init__(self, wire: Wire, secrets: Secrets, clock: Clock, page: str, api: str = API) -> None:
        self._session = wire.session()
        self._secrets = secrets
        self._clock = clock
        self._root = f"{api.rstrip('/')}/pages/{quote(page, safe='')}"

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed response; None for a 404."""
        return self._call("GET", path, params=params)

    def write(self, method: str, path: str, body: Any) -> Any:
        """The parsed response to a write. Raises Refused if the object does not exist."""
        return self._call(method, path, body=body)

    def walk(self, path: str, size: str = "per_page", **params: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list, read page by page until the caller stops. size: the parameter for the rows per page.
        Raises Refused if the status page itself does not exist."""
        for number in range(1, MOST_PAGES + 1):
            rows = self.get(path, {**params, "page": number, size: PAGE_SIZE})
            if rows is None:
                raise Refused("HTTP 404: the page does not exist, or the key may not see it; check page_id and api_key")
            yield from understood(rows, list, "id")
            if len(rows) < PAGE_SIZE:
                return

    def _call(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        write = method != "GET"
        headers = {"Authorization": f"OAuth {self._secrets.get('api_key')}", "Accept": "application/json"}
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
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        if answer is None:
            words = "Statuspage's response is not JSON"
            raise OutcomeUnknown(words) if write else RetryLater(words)
        return answer

    def _error(self, response: requests.Response, write: bool) -> VendorError:
        words = ""
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            said = body.get("error") or body.get("message") or body.get("errors") or ""
            words = "; ".join(map(str, said)) if isinstance(said, list) else str(said)
        return error_for(
            response.status_code, clean(words), write=write, headers=response.headers, now=self._clock.now()
        )
