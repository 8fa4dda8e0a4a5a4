"""The gate before the application: a slow or endless request delays no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from hub.sync.hub import Hub
from hub.web.app import create_app
from hub.web.gate import HALF_SENT, Gate
from hub.web.operations import MAX_BODY
from tests.engine.patience import until
from tests.unit.web.hub import bearer, make_hub, signature
from tests.unit.web.test_webhooks import BODY, Endless, client, rows
from workers.serving import THREADS


class Stalled:
    """A body of which nothing arrives until its sender closes the connection."""

    def __init__(self) -> None:
        self.asked, self.hung_up = threading.Event(), threading.Event()

    def read(self, size: int = -1) -> bytes:
        self.asked.set()
        assert self.hung_up.wait(20)
        return b""


def ask(app: Any, path: str, body: Any = None, **environ: Any) -> tuple[str, dict[str, str]]:
    """(status line, headers) of a POST with this stream, or of a GET without one."""
    request = create_environ(path, method="GET" if body is None else "POST")
    sent = {} if body is None else {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": "500"}
    _, status, headers = run_wsgi_app(app, {**request, **sent, **environ})
    return status, dict(headers)


@pytest.fixture
def stalled() -> Iterable[Callable[[Any], Stalled]]:
    """Starts a request whose body never ends."""
    started: list[tuple[Stalled, threading.Thread]] = []

    def start(app: Any) -> Stalled:
        body = Stalled()
        thread = threading.Thread(target=ask, args=(app, "/in/signed", body))
        thread.start()
        started.append((body, thread))
        assert body.asked.wait(5)
        return body

    yield start
    for body, thread in started:
        body.hung_up.set()
        thread.join(5)


def gate(hub: Hub, **sizes: int) -> Gate:
    client(hub)
    return Gate(hub, create_app(hub), **{"at_once": 1, **sizes})


def test_a_body_that_never_ends_takes_no_place_from_those_that_are_whole(stalled: Callable[[Any], Stalled]) -> None:
    hub = make_hub()
    app = gate(hub)
    stalled(app)
    stalled(app)
    assert ask(app, "/health/live")[0].startswith("200")
    whole = Given(BODY)
    answer = ask(app, "/in/signed", whole, CONTENT_LENGTH=str(len(BODY)), HTTP_X_SIGNATURE=signature(BODY))
    assert answer[0].startswith("202")
    assert len(rows(hub)) == 1


def test_more_half_sent_bodies_than_a_process_holds_are_503_and_the_rest_answers(
    stalled: Callable[[Any], Stalled],
) -> None:
    app = gate(make_hub(), half_sent=2)
    first = stalled(app)
    stalled(app)
    refused, headers = ask(app, "/in/signed", Endless())
    assert refused.startswith("503")
    assert headers["Retry-After"]
    assert headers["X-Request-Id"]
    assert ask(app, "/health/live")[0].startswith("200")
    assert ask(app, "/in/greeting?validationToken=x")[0].startswith("200"), "what has no body is not held up"
    first.hung_up.set()
    until(lambda: ask(app, "/in/signed", Given(b""))[0].startswith("400"))
    assert HALF_SENT < THREADS, "some are left for everybody else"


class Given:
    """A body that is available at once. read: how much was read."""

    def __init__(self, body: bytes) -> None:
        self.body, self.asked = body, 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "all of it was asked for"
        self.asked += size
        return self.body[:size]


def test_a_sender_who_hangs_up_early_is_not_taken_for_one_who_sent_all() -> None:
    hub = make_hub()
    assert ask(gate(hub), "/in/signed", Given(b""), HTTP_X_SIGNATURE=signature(b""))[0].startswith("400")
    assert rows(hub) == []


def test_no_more_is_read_than_may_be_sent_there() -> None:
    hub = make_hub(max_body_bytes=20)
    app = gate(hub)
    for path, limit in (("/in/signed", 20), ("/api/v1/incidents", MAX_BODY)):
        token = bearer(hub)["Authorization"]
        sent = {"CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": token}
        announced, chunked = Given(b""), Given(b"1" * 2 * MAX_BODY)
        assert ask(app, path, announced, **{**sent, "CONTENT_LENGTH": str(limit + 1)})[0].startswith("413")
        assert announced.asked == 0
        request = {k: v for k, v in create_environ(path, method="POST").items() if k != "CONTENT_LENGTH"}
        more = {"wsgi.input": chunked, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        assert run_wsgi_app(app, {**request, **sent, **more})[1].startswith("413")
        assert chunked.asked == limit + 1
