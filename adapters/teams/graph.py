"""Microsoft Graph through msgraph-sdk, under the hub's own rules.

The SDK is asynchronous and imports slowly, so it lives on one loop thread a process, made when first needed and again
after a fork; it is imported nowhere else. Its request builders make the URLs; its retries (429, 503, 504, POSTs too, and
the second try after a claims challenge) and its redirects are off: a message must never be sent twice behind the hub's back.
Every exchange is one request on the wire, watched as all the others are.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from adapters.http import Wire, clean, error_for, error_from, understood
from adapters.teams.tokens import Tokens
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater
from hub.domain.values import Json
from hub.ports import Clock

SLACK = 2.0
"""Seconds that the loop thread may need on top of the network's own limits."""

Builder = Callable[[Any], Any]
"""From the SDK's client to the request builder of a place (`lambda c: c.teams.by_team_id(t)`)."""


class _LoopThread:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="msgraph", daemon=True)
        self.thread.start()


_lock = threading.Lock()
_threads: dict[int, _LoopThread] = {}


def _forked() -> None:
    """A loop thread does not survive a fork, and a lock may have been held during it."""
    global _lock
    _lock = threading.Lock()
    _threads.clear()


os.register_at_fork(after_in_child=_forked)


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        pid = os.getpid()
        if pid not in _threads:
            _threads[pid] = _LoopThread()
        return _threads[pid].loop


@dataclass(frozen=True)
class Answer:
    """What came back with 2xx or 3xx."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Json]:
        """The JSON object of the body, {} when there is none (204, or something else than an object)."""
        try:
            value = json.loads(self.body) if self.body else {}
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def read(self, name: str) -> dict[str, Json]:
        """The JSON object of what was read, which must have `name` in it. Raises RetryLater: nonsense is not "nothing"."""
        return understood(self.json(), dict, name)


def _mounted(wire: Wire, url: str) -> Callable[[], BaseAdapter] | None:
    """The mount with the longest prefix of `url`, as requests would choose it."""
    fitting = [p for p in wire.mounts if url.lower().startswith(p.lower())]
    return wire.mounts[max(fitting, key=len)] if fitting else None


def _client(wire: Wire, base_url: str) -> Any:
    """The SDK's client on our transport: no retry, no redirect, our limits."""
    import httpx
    from kiota_abstractions.authentication import AnonymousAuthenticationProvider
    from kiota_http.middleware.options import RedirectHandlerOption, RetryHandlerOption
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph_core import GraphClientFactory

    class InProcess(httpx.AsyncBaseTransport):
        """Hands a request to what is mounted for `requests`: a stand-in in this process."""

        def __init__(self, adapter: BaseAdapter) -> None:
            self.adapter = adapter

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            prepared = requests.PreparedRequest()
            prepared.method, prepared.url = request.method, str(request.url)
            prepared.headers = CaseInsensitiveDict(request.headers)
            prepared.body = await request.aread()
            response = self.adapter.send(prepared, timeout=(wire.connect, wire.read))
            return httpx.Response(
                response.status_code, headers=list(response.headers.items()), content=response.content
            )

    class OnceOnly(GraphRequestAdapter):  # type: ignore[misc]
        async def retry_cae_response_if_required(self, resp: Any, request_info: Any, claims: str) -> Any:
            return resp

    mounted = _mounted(wire, base_url)
    if mounted:
        transport: httpx.AsyncBaseTransport = InProcess(mounted())
    else:
        verify: bool | ssl.SSLContext = (
            ssl.create_default_context(cafile=wire.verify) if isinstance(wire.verify, str) else wire.verify
        )
        transport = httpx.AsyncHTTPTransport(verify=verify, retries=0, limits=httpx.Limits(max_connections=16))
    client = httpx.AsyncClient(
        transport=transport, timeout=httpx.Timeout(wire.read, connect=wire.connect), follow_redirects=False
    )
    options = {
        RetryHandlerOption.get_key(): RetryHandlerOption(max_retries=0, should_retry=False),
        RedirectHandlerOption.get_key(): RedirectHandlerOption(max_redirect=0, should_redirect=False),
    }
    client = GraphClientFactory.create_with_default_middleware(client=client, options=options)
    adapter = OnceOnly(AnonymousAuthenticationProvider(), client=client)
    adapter.base_url = base_url
    return GraphServiceClient(request_adapter=adapter)


class Graph:
    """One connection's calls to Graph. Safe to use from several threads."""

    def __init__(self, wire: Wire, base_url: str, clock: Clock, tokens: Tokens) -> None:
        self.wire, self.base_url, self.clock, self.tokens = wire, base_url.rstrip("/"), clock, tokens
        self._clients: dict[int, Any] = {}

    def get(self, build: Builder, query: Mapping[str, Json] | None = None) -> Answer:
        return self.call("GET", build, query=query)

    def follow(self, build: Builder, url: str) -> Answer:
        """A next or delta link. It must lead back to the same Graph: our token goes nowhere else."""
        if not url.startswith(self.base_url + "/"):
            raise Refused("Graph gave a link that leads elsewhere")
        return self.call("GET", lambda client: build(client).with_url(url))

    def call(
        self,
        method: str,
        build: Builder,
        body: Json = None,
        query: Mapping[str, Json] | None = None,
        write: bool = False,
    ) -> Answer:
        """One request. write: whether it may change something at Graph. Raises VendorErrors."""
        from kiota_abstractions.method import Method
        from kiota_abstractions.native_response_handler import NativeResponseHandler
        from kiota_abstractions.request_information import RequestInformation
        from kiota_http.middleware.options import ResponseHandlerOption

        token = self.tokens.bearer()
        client = self._own_client()
        place = build(client)
        info = RequestInformation(Method(method), place.url_template, dict(place.path_parameters))
        info.query_parameters = {f"%24{name}": value for name, value in (query or {}).items()}
        info.headers.try_add("Accept", "application/json")
        info.headers.try_add("Authorization", f"Bearer {token}")
        if body is not None:
            info.set_stream_content(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), "application/json")
        info.add_request_options([ResponseHandlerOption(NativeResponseHandler())])
        client.request_adapter.set_base_url_for_request_information(info)
        url = info.url
        self.wire.watch("send", method, url)
        response = self._run(client.request_adapter.send_no_response_content_async(info, {}), write)
        self.wire.watch("answered", method, url)
        answer = Answer(response.status_code, CaseInsensitiveDict(response.headers), response.content)
        if answer.status >= 300:
            self._raise(answer, token, write)
        return answer

    def _own_client(self) -> Any:
        pid = os.getpid()
        if pid not in self._clients:
            self._clients = {pid: _client(self.wire, self.base_url)}
        return self._clients[pid]

    def _run(self, coroutine: Coroutine[Any, Any, Any], write: bool) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, _loop())
        try:
            return future.result(self.wire.connect + self.wire.read + SLACK)
        except WaitedTooLong:
            future.cancel()
            words = "Graph did not answer in time"
            raise (OutcomeUnknown(words) if write else RetryLater(words)) from None
        except Exception as exc:
            raise error_from(exc, write=write) from None

    def _raise(self, answer: Answer, token: str, write: bool) -> None:
        error = answer.json().get("error")
        found = error if isinstance(error, dict) else {}
        said = f"{found.get('code') or ''} {found.get('message') or ''}".replace(token, "…").strip()
        words = clean(said or "no words")
        if answer.status == 401:
            self.tokens.drop()
        raise error_for(answer.status, words, write=write, headers=answer.headers, now=self.clock.now())
