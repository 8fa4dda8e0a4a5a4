"""pypd under the hub's rules: the connection's credential, limits, and the four errors for any fault of network or PagerDuty."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses

from adapters.http import Wire
from adapters.pagerduty.client import API_URL, EVENTS_URL, Client, Events
from hub.clock import ManualClock
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised, VendorError
from tests.contract.world import MemorySecrets

TOKEN = "u+very-secret-token"
INCIDENT = {"incident": {"id": "Q1", "type": "incident", "title": "x"}}


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def client(**secrets: str) -> Client:
    return Client(Wire(), ManualClock(), MemorySecrets(**(secrets or {"api_token": TOKEN})))


def read(c: Client) -> Any:
    return c.incident("Q1")


def write(c: Client) -> Any:
    return c.update_incident("a@example.com", "Q1", {"title": "y"})


def create(c: Client) -> Any:
    return c.create_incident("a@example.com", {"title": "y"})


def note(c: Client) -> Any:
    return c.create_note("a@example.com", "Q1", "text")


CALLS = {read: (responses.GET, "/incidents/Q1"), write: (responses.PUT, "/incidents/Q1"),
         create: (responses.POST, "/incidents"), note: (responses.POST, "/incidents/Q1/notes")}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "read_error", "write_error"),
    [
        (400, Refused, Refused), (401, Unauthorised, Unauthorised), (402, Refused, Refused), (403, Unauthorised, Unauthorised),
        (404, Refused, Refused), (408, RetryLater, OutcomeUnknown), (409, Refused, Refused), (429, RetryLater, RetryLater),
        (500, RetryLater, OutcomeUnknown), (503, RetryLater, OutcomeUnknown),
    ],
)  # fmt: skip
@pytest.mark.parametrize("call", CALLS)
def test_every_status_is_one_of_the_four_errors(
    net: responses.RequestsMock, call: Any, status: int, read_error: type[Exception], write_error: type[Exception]
) -> None:
    method, path = CALLS[call]
    body = {"error": {"code": 2001, "message": "Invalid Input Provided", "errors": ["Title cannot be blank"]}}
    net.add(method, API_URL + path, json=body, status=status, headers={"Location": "https://elsewhere.example"})
    with pytest.raises(VendorError) as error:
        call(client())
    assert isinstance(error.value, read_error if call is read else write_error)
    assert "Title cannot be blank" in error.value.words
    assert len(net.calls) == 1


def test_a_redirect_is_not_followed_with_our_key(net: responses.RequestsMock) -> None:
    net.add(responses.PUT, f"{API_URL}/incidents/Q1", status=302, headers={"Location": "https://elsewhere.example"})
    with pytest.raises(Refused, match="api_url"):
        write(client())
    assert len(net.calls) == 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("cause", "sent"),
    [
        (requests.ReadTimeout("slow"), True),
        (requests.ConnectionError("reset by peer"), True),
        (requests.exceptions.ChunkedEncodingError("cut"), True),
        (requests.ConnectTimeout("no answer"), False),
        (requests.exceptions.SSLError("bad certificate"), False),
    ],
)
def test_a_broken_exchange_is_unknown_only_if_something_was_sent(
    net: responses.RequestsMock, call: Any, cause: Exception, sent: bool
) -> None:
    method, path = CALLS[call]
    net.add(method, API_URL + path, body=cause)
    with pytest.raises(OutcomeUnknown if sent and call is not read else RetryLater):
        call(client())
    assert len(net.calls) == 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"not json", b"null", b'{"incident": null}', b'{"incident": [1]}',
                                  b'{"incident": {}}', b'{"incident": {"id": 7}}', b'{"note": "x"}', b"[" * 100_000])  # fmt: skip
def test_an_answer_that_makes_no_sense_is_one_of_the_four_errors(
    net: responses.RequestsMock, call: Any, body: bytes
) -> None:
    method, path = CALLS[call]
    net.add(method, API_URL + path, body=body, status=200, content_type="application/json")
    with pytest.raises(RetryLater if call is read else OutcomeUnknown):
        call(client())


def test_how_long_to_wait_is_what_pagerduty_says_and_none_where_it_says_nothing(net: responses.RequestsMock) -> None:
    net.add(responses.GET, f"{API_URL}/incidents/Q1", status=429, headers={"ratelimit-reset": "17"})
    net.add(responses.GET, f"{API_URL}/incidents/Q1", status=429)
    for wanted in (17.0, None):
        with pytest.raises(RetryLater) as error:
            read(client())
        assert (error.value.delay, error.value.throttled) == (wanted, True)


def test_a_call_carries_the_key_the_version_and_the_sender(net: responses.RequestsMock) -> None:
    net.add(responses.PUT, f"{API_URL}/incidents/Q1", json=INCIDENT)
    write(client())
    headers = net.calls[0].request.headers
    assert headers["Authorization"] == f"Token token={TOKEN}"
    assert headers["Accept"] == "application/vnd.pagerduty+json;version=2"
    assert (headers["From"], headers["Content-Type"]) == ("a@example.com", "application/json")


def test_two_accounts_are_never_mixed_and_a_new_key_is_used_at_once(net: responses.RequestsMock) -> None:
    net.add(responses.GET, f"{API_URL}/incidents/Q1", json=INCIDENT)
    secrets = MemorySecrets(api_token="second")
    one, two = client(), Client(Wire(), ManualClock(), secrets)
    read(one)
    read(two)
    secrets.put("api_token", "third")
    read(two)
    read(one)
    used = [c.request.headers["Authorization"].removeprefix("Token token=") for c in net.calls]
    assert used == [TOKEN, "second", "third", TOKEN]


def test_a_missing_key_is_said_before_anything_is_sent(net: responses.RequestsMock) -> None:
    with pytest.raises(Unauthorised, match="api_token"):
        read(client(other="x"))
    assert len(net.calls) == 0


def test_the_key_is_in_no_log_and_no_error(net: responses.RequestsMock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    net.add(responses.PUT, f"{API_URL}/incidents/Q1", status=500)
    with pytest.raises(OutcomeUnknown) as error:
        write(client())
    shown = caplog.text + str(error.value) + repr(error.value)
    assert TOKEN not in shown
    assert error.value.__cause__ is None


def test_an_id_never_becomes_another_path(net: responses.RequestsMock) -> None:
    net.add(responses.GET, f"{API_URL}/incidents/..%2Fusers%3Fx", json=INCIDENT)
    assert client().incident("../users?x")["id"] == "Q1"


def test_nothing_is_asked_beyond_the_last_page_that_pagerduty_gives(net: responses.RequestsMock) -> None:
    """`offset + limit` may be at most 10,000, even if there is more."""
    net.add(responses.GET, f"{API_URL}/users", json={"users": [{"id": "P1"}], "more": True})
    assert len(list(client().pages("users", "users"))) == 100
    asked = [c.request.params for c in net.calls]  # type: ignore[union-attr]
    assert {a["limit"] for a in asked} == {"100"}
    assert max(int(a["offset"]) for a in asked) == 9_900


def test_events_go_to_their_own_host_without_the_rest_key(net: responses.RequestsMock) -> None:
    net.add(responses.POST, f"{EVENTS_URL}/v2/enqueue", json={"status": "success"}, status=202)
    c = client()
    Events(c.transport, MemorySecrets(routing_key="r" * 32)).follow_up("resolve", "lockstep:abcdef01")
    assert "Authorization" not in net.calls[0].request.headers


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (429, RetryLater), (500, OutcomeUnknown)])
def test_the_events_apis_errors_are_the_same_four(
    net: responses.RequestsMock, status: int, error: type[Exception]
) -> None:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": ["'dedup_key' is missing"]}
    net.add(responses.POST, f"{EVENTS_URL}/v2/enqueue", json=body, status=status)
    with pytest.raises(error, match="dedup_key"):
        Events(client().transport, MemorySecrets(routing_key="r" * 32)).follow_up("resolve", "k")
