"""msgraph-sdk under the hub's limits: the only file that imports it, itself imported at the first call.

The SDK is asynchronous, so it runs on one event-loop thread per process, started when first needed and again after a
fork. Its request builders make the URLs; its retries (429, 503, 504, POSTs too, and the second attempt after a claims
challenge) and its redirects are off: the library must never send a message twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any

import httpx
import requests
from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from kiota_abstractions.method import Method
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_http.middleware.options import RedirectHandlerOption, ResponseHandlerOption, RetryHandlerOption
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph_core import GraphClientFactory
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from adapters.http import Wire
from hub.domain.values import Json

SLACK = 2.0
"""Seconds that the loop thread may need on top of the network's own limits."""


class _LoopThread:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="msgraph", daemon=True)
        self.thread.start()


_lock = threading.Lock()
_threads: dict[int, _LoopThread] = {}


def _forked() -> None:
    """Resets the module after a fork: the loop thread does not survive it, and a lock may have been held during it."""
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


class _InProcess(httpx.AsyncBaseTransport):
    """Passes a request to the adapter mounted for `requests`: a stand-in in this process."""

    def __init__(self, adapter: BaseAdapter, wire: Wire) -> None:
        self._adapter, self._wire = adapter, wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = request.method, str(request.url)
        prepared.headers = CaseInsensitiveDict(request.headers)
        prepared.body = await request.aread()
        response = self._adapter.send(prepared, timeout=(self._wire.connect, self._wire.read))
        return httpx.Response(response.status_code, headers=list(response.headers.items()), content=response.content)


class _OnceOnly(GraphRequestAdapter):  # type: ignore[misc]
    async def retry_cae_response_if_required(self, resp: Any, request_info: Any, claims: str) -> Any:
        return resp


def _mounted(wire: Wire, url: str) -> Callable[[], BaseAdapter] | None:
    """The mount with the longest prefix of `url`, which `requests` would choose too."""
    fitting = [p for p in wire.mounts if url.lower().startswith(p.lower())]
    return wire.mounts[max(fitting, key=len)] if fitting else None


def _client(wire: Wire, base_url: str) -> Any:
    """The SDK's client over the hub's transport: no retries, no redirects, the hub's time-outs."""
    mounted = _mounted(wire, base_url)
    if mounted:
        transport: httpx.AsyncBaseTransport = _InProcess(mounted(), wire)
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
    adapter = _OnceOnly(AnonymousAuthenticationProvider(), client=client)
    adapter.base_url = base_url
    return GraphServiceClient(request_adapter=adapter)


class Sdk:
    """The SDK's client for one Graph address. Safe to use from several threads of the process that created it."""

    def __init__(self, wire: Wire, base_url: str) -> None:
        self._wire = wire
        self._client = _client(wire, base_url)

    def request(
        self, method: str, build: Callable[[Any], Any], body: Json, query: Mapping[str, Json] | None, token: str
    ) -> Any:
        """The request for `send`; it has its address in `url`. build: the SDK's client → a request builder."""
        place = build(self._client)
        info = RequestInformation(Method(method), place.url_template, dict(place.path_parameters))
        info.query_parameters = {f"%24{name}": value for name, value in (query or {}).items()}
        info.headers.try_add("Accept", "application/json")
        info.headers.try_add("Authorization", f"Bearer {token}")
        if body is not None:
            info.set_stream_content(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), "application/json")
        info.add_request_options([ResponseHandlerOption(NativeResponseHandler())])
        self._client.request_adapter.set_base_url_for_request_information(info)
        return info

    def send(self, info: Any) -> tuple[int, Mapping[str, str], bytes]:
        """(status, headers, body) of the response. Raises TimeoutError, and httpx's exceptions."""
        coroutine: Coroutine[Any, Any, Any] = self._client.request_adapter.send_no_response_content_async(info, {})
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, _loop())
        try:
            response = future.result(self._wire.connect + self._wire.read + SLACK)
        except TimeoutError:
            future.cancel()
            raise
        return response.status_code, CaseInsensitiveDict(response.headers), response.content
