"""The `jira` package, tamed: the only file that knows it.

What we keep of it is its session (authentication, JSON error texts, base URL and API version). What we switch off is all
that would act on its own: retries (it repeats POSTs and sleeps in the worker), the call in the constructor, redirects,
waiting without a limit, and the printing of answers at DEBUG. Its resource objects are not used: they read again after a
write, cannot send entity properties or label verbs, and turn ADF into attribute bags.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import requests
from jira import JIRA
from jira.exceptions import JIRAError
from jira.resilientsession import ResilientSession

from adapters.http import NO_ADDRESS, Wire, carried, clean, error_for, error_from, sendable, understood
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, VendorError
from hub.domain.values import Json
from hub.ports import Clock
from hub.settings.addresses import is_address

logging.getLogger("jira").setLevel(logging.ERROR)  # below that it prints headers and bodies of failed calls

MISSING = 404
"""Jira answers it for "not there" and for "not allowed" alike."""

_ABSENT = object()


class _Session(ResilientSession):  # type: ignore[misc]
    """The library's session under the limits of `Wire`: one try, no redirects, watched."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(timeout=(wire.connect, wire.read), max_retries=0)
        self._wire = wire

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("allow_redirects", False)
        with sendable(url):
            return super().request(method, url, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        carried(request.headers)
        self._wire.watch("send", request.method or "", request.url or "")
        response = super().send(request, **kwargs)
        self._wire.watch("answered", request.method or "", request.url or "")
        return response


class Client:
    """Calls of one Jira. Raises only VendorErrors; `absent_ok` turns a 404 into None.

    credential: returns what to authenticate with, ("basic", mail, token) or ("bearer", token); asked before every call, so
    that a rotated secret is used at once. names: Jira's field id → ours, for the `field` of a refusal.
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
        self._made: tuple[tuple[str, ...], JIRA] | None = None

    def _jira(self) -> JIRA:
        credential = self._credential()
        with self._lock:
            if self._made is None or self._made[0] != credential:
                self._made = (credential, self._make(credential))
            return self._made[1]

    def _make(self, credential: tuple[str, ...]) -> JIRA:
        kind, *words = credential
        if not is_address(self._url):
            raise RetryLater(NO_ADDRESS)
        login = {"basic_auth": tuple(words)} if kind == "basic" else {"token_auth": words[0]}
        made = JIRA(
            self._url,
            options={"rest_api_version": "3" if self._cloud else "2", "check_update": False},
            max_retries=0,
            timeout=(self._wire.connect, self._wire.read),
            get_server_info=False,
            logging=False,
            **login,
        )
        made.deploymentType = "Cloud" if self._cloud else "Server"
        tame = self._wire.equip(_Session(self._wire))
        tame.auth = made._session.auth
        tame.headers.update(made._session.headers)
        made._session = tame
        return made

    def get(self, path: str, *needs: str, absent_ok: bool = False, form: type = dict, **params: str | int) -> Json:
        """needs: what must be in the answer; form: an object (dict) or a list of objects."""
        found = self._call("GET", path, params=params, write=False, absent_ok=absent_ok)
        return None if found is _ABSENT else understood(found, form, *needs)

    def search(self, path: str, body: Json) -> Json:
        """A POST that only reads."""
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
        """path: below the API version ("issue/10001"), or from the root of the site when it begins with "/"."""
        jira = self._jira()
        url = self._url + path if path.startswith("/") else jira._get_url(path)
        data = None if body is None else json.dumps(body)
        try:
            answer = jira._session.request(method, url, params=params or None, data=data)
        except JIRAError as exc:
            response = exc.response
            if response is None:
                raise _unknown("the client library could not read the answer", write) from None
            if absent_ok and response.status_code == MISSING:
                return _ABSENT
            raise self._refusal(response, write) from None
        except requests.TooManyRedirects:
            raise Refused("Jira redirects to another address; check `url`") from None
        except requests.RequestException as exc:
            raise error_from(exc, write=write) from None
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as exc:
            raise _unknown(f"{type(exc).__name__} while reading the vendor's answer", write) from None
        if not answer.content:
            return None
        try:
            return answer.json()
        except (ValueError, RecursionError):
            raise _unknown("Jira answered with something that is not JSON (a log-in page?)", write) from None

    def _refusal(self, response: requests.Response, write: bool) -> VendorError:
        words, field = self._words(response)
        if response.status_code == 409:
            return RetryLater(f"HTTP 409: {words}")
        return error_for(
            response.status_code, words, write=write, headers=response.headers, now=self._clock.now(), field=field
        )

    def _words(self, response: requests.Response) -> tuple[str, str | None]:
        """(Jira's own words, our name of the field that it blames)."""
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
