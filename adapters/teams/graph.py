"""The calls of one connection to Microsoft Graph, and the VendorError that each failure means. msgraph-sdk makes them
(`sdk.py`); it is imported at the first call. Every call is exactly one HTTP request, reported to `Wire.watch`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.http import Wire, clean, error_for, error_from, understood
from adapters.teams.tokens import Tokens
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater
from hub.domain.values import Json
from hub.ports import Clock

if TYPE_CHECKING:
    from adapters.teams.sdk import Sdk

Builder = Callable[[Any], Any]
"""The SDK's client → a request builder (`lambda c: c.teams.by_team_id(t)`)."""


@dataclass(frozen=True)
class Answer:
    """A response with 2xx or 3xx."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Json]:
        """The JSON object of the body; {} if there is none (a 204, or a body that is not a JSON object)."""
        try:
            value = json.loads(self.body) if self.body else {}
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def read(self, name: str) -> dict[str, Json]:
        """The JSON object of the body, which must contain `name`. Raises RetryLater if it does not: a malformed
        response must not be read as an empty one."""
        return understood(self.json(), dict, name)


class Graph:
    """One connection's calls to Graph. Safe to use from several threads."""

    def __init__(self, wire: Wire, base_url: str, clock: Clock, tokens: Tokens) -> None:
        self.wire, self.base_url, self.clock, self.tokens = wire, base_url.rstrip("/"), clock, tokens
        self._sdks: dict[int, Sdk] = {}

    def get(self, build: Builder, query: Mapping[str, Json] | None = None) -> Answer:
        return self.call("GET", build, query=query)

    def follow(self, build: Builder, url: str) -> Answer:
        """Follows a next or delta link. It must lead to the same Graph: the hub sends its token to no other host."""
        if not url.startswith(self.base_url + "/"):
            raise Refused("Graph returned a link to another host; the hub does not send its token there")
        return self.call("GET", lambda client: build(client).with_url(url))

    def call(
        self,
        method: str,
        build: Builder,
        body: Json = None,
        query: Mapping[str, Json] | None = None,
        write: bool = False,
    ) -> Answer:
        """Makes one request. write: whether it may change data at Graph. Raises VendorErrors."""
        token = self.tokens.bearer()
        sdk = self._own_sdk()
        request = sdk.request(method, build, body, query, token)
        url = request.url
        self.wire.watch("send", method, url)
        try:
            answer = Answer(*sdk.send(request))
        except TimeoutError:
            words = "Graph did not answer in time"
            raise (OutcomeUnknown(words) if write else RetryLater(words)) from None
        except Exception as exc:
            raise error_from(exc, write=write) from None
        self.wire.watch("answered", method, url)
        if answer.status >= 300:
            self._raise(answer, token, write)
        return answer

    def _own_sdk(self) -> Sdk:
        """This process's SDK client: one created before a fork is not reused."""
        from adapters.teams.sdk import Sdk

        pid = os.getpid()
        if pid not in self._sdks:
            self._sdks = {pid: Sdk(self.wire, self.base_url)}
        return self._sdks[pid]

    def _raise(self, answer: Answer, token: str, write: bool) -> None:
        error = answer.json().get("error")
        found = error if isinstance(error, dict) else {}
        said = f"{found.get('code') or ''} {found.get('message') or ''}".replace(token, "…").strip()
        words = clean(said or "no error message")
        if answer.status == 401:
            self.tokens.drop()
        raise error_for(answer.status, words, write=write, headers=answer.headers, now=self.clock.now())
