"""The `jira` package under the hub's limits: the only file that imports it, itself imported at the first call.

The hub uses its session (authentication, JSON error texts, base URL and API version). It switches off what the package
does by itself: retries (it repeats POSTs and sleeps in the worker), the call in the constructor, redirects, requests
without a time-out, and the logging of responses at DEBUG. Its resource objects are not used: they read again after a
write, cannot send entity properties or label verbs, and turn ADF into attribute bags.
"""

from __future__ import annotations

import logging
from typing import Any

import requests
from jira import JIRA
from jira.exceptions import JIRAError
from jira.resilientsession import ResilientSession

from adapters.http import Wire, carried, sendable

logging.getLogger("jira").setLevel(logging.ERROR)  # below that it prints headers and bodies of failed calls


class _Session(ResilientSession):  # type: ignore[misc]
    """The library's session under the limits of `Wire`: one attempt, no redirects, watched."""

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


class Site:
    """One Jira site with one credential. The constructor makes no request.

    credential: ("basic", mail, token) or ("bearer", token).
    """

    def __init__(self, url: str, cloud: bool, wire: Wire, credential: tuple[str, ...]) -> None:
        kind, *words = credential
        login = {"basic_auth": tuple(words)} if kind == "basic" else {"token_auth": words[0]}
        self._jira = JIRA(
            url,
            options={"rest_api_version": "3" if cloud else "2", "check_update": False},
            max_retries=0,
            timeout=(wire.connect, wire.read),
            get_server_info=False,
            logging=False,
            **login,
        )
        self._jira.deploymentType = "Cloud" if cloud else "Server"
        tame = wire.equip(_Session(wire))
        tame.auth = self._jira._session.auth
        tame.headers.update(self._jira._session.headers)
        self._jira._session = tame

    def url(self, path: str) -> str:
        """The URL of a path below the API version."""
        return str(self._jira._get_url(path))

    def ask(self, method: str, url: str, params: Any, data: str | None) -> tuple[requests.Response | None, bool]:
        """(the response, whether the library treats it as a failure). None where the library could not read the
        response.

        Raises `requests.RequestException`, and whatever the library raises for a malformed response.
        """
        try:
            return self._jira._session.request(method, url, params=params or None, data=data), False
        except JIRAError as exc:
            return exc.response, True
