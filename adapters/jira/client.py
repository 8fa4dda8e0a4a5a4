"""The calls to one Jira site, and the VendorError that each failure means. The `jira` package makes them
(`session.py`); it is imported with the first call, so that settings can be checked and webhooks verified without it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import requests

from adapters.http import NO_ADDRESS, Wire, clean, error_for, error_from, understood
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, VendorError
from hub.domain.values import Json
from hub.ports import Clock
from hub.settings.addresses import is_address

if TYPE_CHECKING:
    from adapters.jira.session import Site

MISSING = 404
"""Jira returns 404 both for "does not exist" and for "not allowed to see"."""

_ABSENT = object()
_OF_ISSUE = re.compile(r"issue/([0-9]+)")
_ON_MISSING = "grant it, or end the link with `lockstep link unlink`"


class Client:
    """Calls to one Jira site. Raises only VendorErrors; `absent_ok` turns a 404 into None.

    credential: returns ("basic", mail, token) or ("bearer", token); called before every request, so that a rotated
    secret is used at once. names: Jira's field id → ours, for the `field` of a Refused.
    """

    def __init__(
        self,
        url: str,
        cloud: bool,
        wire: Wire,
        clock: Clock,
        credential: Callable[[], tuple[str, ...]],
        names: Mapping[str, str],
    ) -> None:
        self._url, self._cloud, self._wire, self._clock = url.rstrip("/"), cloud, wire, clock
        self._credential, self._names = credential, names
        self._lock = threading.Lock()
        self._made: tuple[tuple[str, ...], Site] | None = None

    def _site(self) -> Site:
        credential = self._credential()
        with self._lock:
            if self._made is None or self._made[0] != credential:
                self._made = (credential, self._make(credential))
            return self._made[1]

    def _make(self, credential: tuple[str, ...]) -> Site:
        from adapters.jira.session import Site

        if not is_address(self._url):
            raise RetryLater(NO_ADDRESS)
        return Site(self._url, self._cloud, self._wire, credential)

    def get(self, path: str, *needs: str, absent_ok: bool = False, form: type = dict, **params: str | int) -> Json:
        """needs: keys that must be in the response; form: an object (dict) or a list of objects."""
        found = self._call("GET", path, params=params, write=False, absent_ok=absent_ok)
        return None if found is _ABSENT else understood(found, form, *needs)

    def search(self, path: str, body: Json) -> Json:
        """A POST that only reads: a failure never leaves its outcome unknown."""
        return understood(self._call("POST", path, body=body, write=False), dict, "issues")

    def post(self, path: str, body: Json, **params: str) -> Json:
        return self._call("POST", path, body=body, params=params)

    def put(self, path: str, body: Json, **params: str) -> Json:
        return self._call("PUT", path, body=body, params=params)

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        params: Mapping[str, str | int] | None = None,
        write: bool = True,
        absent_ok: bool = False,
    ) -> Json:
        """path: below the API version ("issue/10001"), or from the root of the site if it begins with "/"."""
        site = self._site()
        url = self._url + path if path.startswith("/") else site.url(path)
        data = None if body is None else json.dumps(body)
        try:
            answer, failed = site.ask(method, url, params, data)
        except requests.TooManyRedirects:
            raise Refused("Jira redirects to another address; correct the setting `url`") from None
        except requests.RequestException as exc:
            raise error_from(exc, write=write) from None
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as exc:
            raise _unknown(f"{type(exc).__name__} while reading Jira's response", write) from None
        if answer is None:
            raise _unknown("the `jira` package could not read Jira's response", write) from None
        if failed:
            if absent_ok and answer.status_code == MISSING:
                return _ABSENT
            raise self._refusal(answer, write, path) from None
        if not answer.content:
            return None
        try:
            return answer.json()
        except (ValueError, RecursionError):
            raise _unknown("Jira's response is not JSON (a log-in page?); check the setting `url`", write) from None

    def _refusal(self, response: requests.Response, write: bool, path: str) -> VendorError:
        words, field = self._words(response)
        if response.status_code == 409:
            return RetryLater(f"HTTP 409: {words}")
        if response.status_code == MISSING and (of_issue := _OF_ISSUE.match(path)):
            words = f"{words} (issue {of_issue[1]}: the hub's account may lack Browse permission; {_ON_MISSING})"
        return error_for(
            response.status_code, words, write=write, headers=response.headers, now=self._clock.now(), field=field
        )

    def _words(self, response: requests.Response) -> tuple[str, str | None]:
        """(Jira's own error message, the hub's name of the field that it refuses)."""
        try:
            body = response.json()
        except (ValueError, RecursionError):
            return clean(response.reason or "no JSON"), None
        if not isinstance(body, dict):
            return clean(body), None
        errors = body.get("errors")
        errors = errors if isinstance(errors, dict) else {}
        messages = body.get("errorMessages")
        texts = list(messages) if isinstance(messages, list) else []
        texts += [body[k] for k in ("message", "errorMessage") if isinstance(body.get(k), str)]
        texts += [f"{name}: {text}" for name, text in errors.items()]
        field = next((self._names[name] for name in errors if name in self._names), None)
        return clean("; ".join(str(t) for t in texts) or response.reason), field


def _unknown(words: str, write: bool) -> VendorError:
    return OutcomeUnknown(words) if write else RetryLater(words)
