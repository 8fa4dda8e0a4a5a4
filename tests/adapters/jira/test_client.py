"""The `jira` package under the hub's rules: one attempt, no sleeping, no needless request, every failure one of the four errors."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import requests
import responses

from adapters.http import Wire
from adapters.jira.client import Client
from hub.clock import ManualClock
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised

SITE = "https://acme.atlassian.net"
URL = f"{SITE}/rest/api/3/issue/1"


def client(**more: Any) -> Client:
    return Client(
        more.pop("url", SITE),
        more.pop("cloud", True),
        Wire(**more),
        ManualClock(),
        lambda: ("basic", "me@example.com", "s3cret-token"),
        {"priority": "severity"},
    )


@responses.activate
def test_making_a_client_calls_nobody() -> None:
    client()
    client(cloud=False)
    assert len(responses.calls) == 0


@responses.activate
def test_a_call_is_authenticated_and_goes_to_the_right_version() -> None:
    responses.get(URL, json={"id": "1"})
    assert client().get("issue/1", fields="status") == {"id": "1"}
    (call,) = responses.calls
    assert call.request.headers["Authorization"].startswith("Basic ")
    assert call.request.url == f"{URL}?fields=status"


@responses.activate
def test_data_center_takes_a_bearer_token_and_keeps_its_context_path() -> None:
    responses.get("https://host/jira/rest/api/2/myself", json={})
    made = Client("https://host/jira/", False, Wire(), ManualClock(), lambda: ("bearer", "pat"), {})
    made.get("myself")
    assert responses.calls[0].request.headers["Authorization"] == "Bearer pat"


@pytest.mark.parametrize(
    ("status", "headers", "error", "delay"),
    [
        (429, {"Retry-After": "7"}, RetryLater, 7.0),
        (429, {"Retry-After": "Mon, 05 Jan 2026 09:00:30 GMT"}, RetryLater, 30.0),
        (429, {"X-RateLimit-Reset": "2026-01-05T09:01Z"}, RetryLater, 60.0),
        (429, {}, RetryLater, None),
        (409, {}, RetryLater, None),
        (503, {"Retry-After": "5"}, OutcomeUnknown, None),
        (500, {}, OutcomeUnknown, None),
        (502, {}, OutcomeUnknown, None),
        (400, {}, Refused, None),
        (404, {}, Refused, None),
        (410, {}, Refused, None),
        (302, {"Location": "https://elsewhere"}, Refused, None),
        (401, {}, Unauthorised, None),
        (403, {"x-authentication-denied-reason": "CAPTCHA_CHALLENGE"}, Unauthorised, None),
    ],
)
@responses.activate
def test_a_failed_write_is_tried_once_and_has_one_meaning(status: int, headers: Any, error: Any, delay: Any) -> None:
    responses.post(URL, status=status, headers=headers, json={"errorMessages": ["no"], "errors": {}})
    with pytest.raises(error) as caught:
        client().post("issue/1", {})
    assert len(responses.calls) == 1
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__
    if isinstance(caught.value, RetryLater):
        assert caught.value.delay == delay
        assert caught.value.throttled == (status == 429)


@pytest.mark.parametrize("status", [500, 503])
@responses.activate
def test_a_failed_read_has_done_nothing(status: int) -> None:
    responses.get(URL, status=status, headers={"Retry-After": "3"})
    with pytest.raises(RetryLater) as caught:
        client().get("issue/1")
    assert caught.value.delay == 3.0


@pytest.mark.parametrize(
    ("exception", "write", "read"),
    [
        (requests.ReadTimeout("s3cret"), OutcomeUnknown, RetryLater),
        (requests.ConnectTimeout("s3cret"), RetryLater, RetryLater),
        (requests.ConnectionError("reset"), OutcomeUnknown, RetryLater),
        (requests.exceptions.SSLError("s3cret"), RetryLater, RetryLater),
        (requests.exceptions.ChunkedEncodingError("s3cret"), OutcomeUnknown, RetryLater),
    ],
)
@responses.activate
def test_a_broken_connection_is_unknown_only_when_something_was_sent(exception: Any, write: Any, read: Any) -> None:
    responses.post(URL, body=exception)
    responses.get(URL, body=exception)
    with pytest.raises(write) as caught:
        client().post("issue/1", {})
    assert "s3cret" not in str(caught.value)
    with pytest.raises(read):
        client().get("issue/1")
    assert len(responses.calls) == 2


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"\xff", b"[" * 100_000])
@responses.activate
def test_a_page_instead_of_json_is_no_answer(body: bytes) -> None:
    responses.post(URL, body=body)
    responses.get(URL, body=body)
    with pytest.raises(OutcomeUnknown):
        client().post("issue/1", {})
    with pytest.raises(RetryLater):
        client().get("issue/1")


@pytest.mark.parametrize(
    "body", ["7", '"text"', "null", "[1]", '{"errors": []}', '{"errorMessages": "x"}', "<html/>", ""]
)
@responses.activate
def test_an_error_body_of_any_shape_is_read(body: str) -> None:
    responses.put(URL, status=400, body=body)
    with pytest.raises((Refused, OutcomeUnknown)):
        client().put("issue/1", {})


@responses.activate
def test_the_field_at_fault_is_named_in_our_words() -> None:
    responses.put(
        URL, status=400, json={"errorMessages": [], "errors": {"priority": "Field 'priority' cannot be set."}}
    )
    with pytest.raises(Refused) as caught:
        client().put("issue/1", {})
    assert caught.value.field == "severity"
    assert "cannot be set" in caught.value.words


@responses.activate
def test_404_is_absent_where_that_is_asked_for() -> None:
    responses.get(
        URL, status=404, json={"errorMessages": ["Issue does not exist or you do not have permission to see it."]}
    )
    assert client().get("issue/1", absent_ok=True) is None


@responses.activate
def test_every_exchange_is_watched_and_has_a_limit() -> None:
    """The simulation's crash points are before and after each call."""
    seen: list[tuple[str, str]] = []
    responses.get(URL, json={})
    made = client(watch=lambda moment, method, url: seen.append((moment, method)), connect=1.5, read=2.5)
    made.get("issue/1")
    assert seen == [("send", "GET"), ("answered", "GET")]
    assert responses.calls[0].request.req_kwargs["timeout"] == (1.5, 2.5)


@responses.activate
def test_a_rotated_token_is_used_at_once() -> None:
    tokens = ["old"]
    responses.get(URL, json={})
    made = Client(SITE, True, Wire(), ManualClock(), lambda: ("bearer", tokens[-1]), {})
    made.get("issue/1")
    tokens.append("new")
    made.get("issue/1")
    assert [c.request.headers["Authorization"] for c in responses.calls] == ["Bearer old", "Bearer new"]


@responses.activate
def test_nothing_of_an_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("jira").setLevel(logging.ERROR)
    responses.get(URL, status=429, body="private text")
    with pytest.raises(RetryLater):
        client().get("issue/1")
    assert "private text" not in caplog.text
    assert "s3cret" not in caplog.text
