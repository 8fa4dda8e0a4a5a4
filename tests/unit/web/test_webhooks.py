"""The webhook route: an authentic webhook is kept and answered 2xx, an invalid signature 401, a failure of the hub 503."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, select
from werkzeug.test import Client, TestResponse, create_environ, run_wsgi_app

from hub.domain.errors import InvalidSignature
from hub.domain.values import Reply, Request
from hub.store.tables import connections, inbox
from hub.store.unit import StoreUnavailable
from hub.sync.hub import Hub
from hub.sync.inbound import intake
from hub.web.app import create_app
from hub.web.metrics import WEBHOOKS
from tests.contract.world import MemorySecrets
from tests.unit.web.hub import SECRET, Signed, make_hub, signature

BODY = b'{"event": "x"}'


def client(hub: Hub) -> Client:
    with hub.store.unit() as tx:
        for name in hub.config.connections:
            row = {"name": name, "vendor": name, "state": "enabled", "created_at": hub.clock.now()}
            tx.execute(insert(connections).values(row))
    return create_app(hub).test_client()


def send(client: Client, body: bytes = BODY, path: str = "/in/signed", **headers: str) -> TestResponse:
    sent = {"X-Signature": signature(body), **{k.replace("_", "-"): v for k, v in headers.items()}}
    return client.post(path, data=body, headers=sent)


def rows(hub: Hub) -> list[Any]:
    with hub.store.reading() as tx:
        return list(tx.execute(select(inbox)))


def test_an_authentic_webhook_is_one_row_and_one_wake_up_however_often_it_comes() -> None:
    hub = make_hub()
    c = client(hub)
    assert [send(c).status_code for _ in range(3)] == [202, 202, 202]
    (row,) = rows(hub)
    assert (row.connection, row.body, row.delivery_id) == ("signed", BODY, "one")
    assert ("inbox", "signed") in hub.wake.calls  # type: ignore[attr-defined]
    assert send(c, X_Delivery="two").status_code == 202
    assert len(rows(hub)) == 2


@pytest.mark.parametrize("given", ["", "0" * 64, "é", signature(b"another body")])
def test_a_wrong_signature_is_401_kept_nowhere_and_counted(given: str) -> None:
    hub = make_hub()
    c = client(hub)
    before = WEBHOOKS.labels("signed", "401")._value.get()
    answer = c.post("/in/signed", data=BODY, headers={"X-Signature": given.encode().decode("latin-1")})
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert rows(hub) == []
    assert WEBHOOKS.labels("signed", "401")._value.get() == before + 1
    with hub.store.reading() as tx:
        assert tx.scalar(select(connections.c.invalid_signatures).where(connections.c.name == "signed")) == 1
    assert signature(BODY) not in answer.text


@pytest.mark.parametrize(("values", "status"), [((), 503), (("",), 503), ((SECRET,), 202), (("another",), 401)])
def test_a_webhook_whose_secret_is_not_set_is_503_and_no_invalid_signature(
    values: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The vendor sends it again once the secret is set. The answer does not name the secret, the log does."""

    class Asking(Signed):
        def authenticate(self, request: Request, secrets: Any) -> str:
            if SECRET not in secrets.all("webhook_secret"):
                raise InvalidSignature("it matches no secret")
            return super().authenticate(request, secrets)

    hub = make_hub()
    hub.adapters = {"signed": Asking()}
    hub.secrets = lambda name: MemorySecrets(webhook_secret=list(values))
    answer = send(client(hub))
    assert answer.status_code == status
    assert "webhook_secret" not in answer.text
    with hub.store.reading() as tx:
        counted = tx.scalar(select(connections.c.invalid_signatures).where(connections.c.name == "signed"))
    assert (counted or 0) == (status == 401)
    assert len(rows(hub)) == (status == 202)
    if status == 503:
        assert answer.headers["Retry-After"]
        assert "webhook_secret" in capsys.readouterr().out + caplog.text


@pytest.mark.parametrize(
    "path", ["/in/", "/in/nobody", "/in/nobody/signed", "/in/..%2fsigned", "/in/%00", "/in/" + "x" * 5000]
)
def test_a_connection_that_is_not_configured_is_404(path: str) -> None:
    hub = make_hub()
    assert send(client(hub), path=path).status_code == 404
    assert rows(hub) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_any_other_method_is_405(method: str) -> None:
    answer = client(make_hub()).open("/in/signed", method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_a_handshake_is_answered_with_what_the_vendor_wants_and_nothing_is_kept() -> None:
    hub = make_hub()
    c = client(hub)
    for method in ("GET", "POST"):
        answer = c.open("/in/greeting?validationToken=%3Cscript%3E", method=method)
        assert (answer.status_code, answer.text, answer.mimetype) == (200, "<script>", "text/plain")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert rows(hub) == []


def test_an_answer_inside_the_response_is_the_adapters_own() -> None:
    hub = make_hub()
    answer = send(client(hub), b"command", "/in/greeting")
    assert (answer.status_code, answer.json) == (200, {"text": "noted"})
    assert len(rows(hub)) == 1


class Endless:
    """A body without end; `given`: number of bytes read from it."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "all of it was asked for"
        self.given += size
        return b"x" * size


def streamed(hub: Hub, body: Endless, **environ: Any) -> str:
    """The status line of a POST whose body is a stream."""
    request = create_environ("/in/signed", method="POST")
    app = create_app(hub)
    return run_wsgi_app(app, {**request, "wsgi.input": body, **environ})[1]


def test_a_body_that_is_announced_too_large_is_413_without_reading_it() -> None:
    hub, body = make_hub(), Endless()
    assert streamed(hub, body, CONTENT_LENGTH=str(1024 * 1024 + 1)).startswith("413")
    assert body.given == 0
    assert rows(hub) == []


def test_a_body_without_length_is_read_up_to_the_limit() -> None:
    hub, body = make_hub(), Endless()
    assert streamed(hub, body, CONTENT_LENGTH="", **{"wsgi.input_terminated": True}).startswith("413")
    assert body.given < 2 * 1024 * 1024
    assert rows(hub) == []


def test_a_connection_may_have_a_limit_of_its_own() -> None:
    hub = make_hub(max_body_bytes=20)
    c = client(hub)
    assert send(c, b"x" * 20).status_code == 202
    assert send(c, b"x" * 21, X_Delivery="two").status_code == 413
    assert len(rows(hub)) == 1


@pytest.mark.parametrize(
    "error", [StoreUnavailable("disk full"), RuntimeError("canary"), RecursionError(), MemoryError()]
)
def test_whatever_is_our_fault_is_503_and_tells_nothing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Reply:
        raise error

    monkeypatch.setattr(intake, "accept", fail)
    answer = send(client(make_hub()))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text


def test_a_fault_while_a_webhook_is_read_is_503_too() -> None:
    hub = make_hub(max_body_bytes="1MB")
    assert send(client(hub)).status_code == 503
    assert rows(hub) == []


def test_a_limit_that_is_not_set_is_the_usual_one() -> None:
    assert send(client(make_hub(max_body_bytes=None))).status_code == 202


def test_a_crash_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*args: Any) -> Reply:
        raise Killed

    monkeypatch.setattr(intake, "accept", die)
    with pytest.raises(Killed):
        send(client(make_hub()))


def taken(monkeypatch: pytest.MonkeyPatch, **request: Any) -> Request:
    seen: list[Request] = []

    def take(hub: Hub, connection: str, request: Request) -> Reply:
        seen.append(request)
        return Reply(202)

    monkeypatch.setattr(intake, "accept", take)
    path = request.pop("path", "/in/signed")
    assert client(make_hub()).post(path, **request).status_code == 202
    return seen[0]


def test_the_request_reaches_the_adapter_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(256))
    request = taken(
        monkeypatch,
        path="/in/signed/sé cret/x?a=1&b=&a=%C3%A9",
        data=body,
        headers={"X-PagerDuty-Signature": "v1=abc", "Content-Type": "text/weird; charset=latin-1"},
    )
    assert request.body == body
    assert request.path == "/in/signed/sé cret/x"
    assert request.query == {"a": "é", "b": ""}
    assert request.headers["x-pagerduty-signature"] == "v1=abc"
    assert request.headers["content-type"] == "text/weird; charset=latin-1"
    assert request.headers["content-length"] == "256"
    assert request.received_at.tzinfo is not None


def test_what_no_database_keeps_is_taken_out_of_the_texts_and_left_in_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    request = taken(monkeypatch, path="/in/signed/a%00b%ff?x%00=%00%ff&y=%ed%a0%80", data=b"\x00")
    assert request.body == b"\x00"
    texts = json.dumps([request.path, *request.query.items()], ensure_ascii=False)
    assert "\x00" not in texts
    texts.encode()  # no lone surrogates either
    assert request.path == "/in/signed/ab\ufffd"


def test_a_query_with_very_many_fields_is_refused() -> None:
    answer = send(client(make_hub()), path="/in/signed?" + "&".join(f"a{n}=1" for n in range(200)))
    assert answer.status_code == 400


def test_every_answer_names_its_request() -> None:
    c = client(make_hub())
    assert len(send(c).headers["X-Request-Id"]) == 26
    assert send(c, X_Request_Id="vendor-7.3").headers["X-Request-Id"] == "vendor-7.3"
    assert send(c, X_Request_Id="<script>").headers["X-Request-Id"] != "<script>"
