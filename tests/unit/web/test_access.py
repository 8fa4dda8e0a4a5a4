"""A token is allowed what its scope says; wrong tokens are rate limited without blocking other clients."""

from __future__ import annotations

import pytest
from flask import Flask, Request

from hub.clock import ManualClock
from hub.store import tokens
from hub.web import access
from hub.web.access import LIMIT, WINDOW, Access, network
from hub.web.problems import Problem
from tests.unit.web.hub import bearer, make_hub

HUB_APP = Flask("requests")


def asking(header: str | None, address: str = "198.51.100.7") -> Request:
    headers = {} if header is None else {"Authorization": header}
    with HUB_APP.test_request_context(headers=headers, environ_base={"REMOTE_ADDR": address}) as context:
        return context.request


def refused(access: Access, request: Request, scope: str = "read") -> Problem:
    with pytest.raises(Problem) as e:
        access.require(request, scope)
    return e.value


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic bHM6eA==", "ls_abc", "Bearer ls_wrong", "Bearer \x00é"]
)
def test_without_a_valid_token_nobody_comes_in(header: str | None) -> None:
    hub = make_hub()
    problem = refused(Access(hub.store, hub.clock), asking(header))
    assert problem.status == 401
    assert problem.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_without_the_scope_is_told_which_one() -> None:
    hub = make_hub()
    door, header = Access(hub.store, hub.clock), bearer(hub, "read")["Authorization"]
    assert door.require(asking(header), "read").name == "tester-read"
    problem = refused(door, asking(header), "write")
    assert problem.status == 403
    assert "'write'" in problem.detail


def test_wrong_tokens_are_answered_429_until_the_window_is_over() -> None:
    hub = make_hub()
    clock = hub.clock
    assert isinstance(clock, ManualClock)
    door = Access(hub.store, clock)
    for _ in range(LIMIT):
        assert refused(door, asking("Bearer ls_wrong")).status == 401
        clock.advance(1)
    problem = refused(door, asking("Bearer ls_wrong"))
    assert problem.status == 429
    assert 0 < int(problem.headers["Retry-After"]) <= WINDOW
    clock.advance(WINDOW)
    assert refused(door, asking("Bearer ls_wrong")).status == 401


def test_a_blocked_address_costs_no_look_into_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = make_hub()
    door = Access(hub.store, hub.clock)
    for _ in range(LIMIT):
        refused(door, asking("Bearer ls_wrong"))
    monkeypatch.setattr(tokens, "check", lambda *a: pytest.fail("looked"))
    assert refused(door, asking("Bearer ls_other")).status == 429


def test_others_behind_the_same_address_and_elsewhere_go_on() -> None:
    hub = make_hub()
    door, header = Access(hub.store, hub.clock), bearer(hub)["Authorization"]
    door.require(asking(header), "read")
    for _ in range(LIMIT + 5):
        refused(door, asking("Bearer ls_wrong"))
    door.require(asking(header), "read")
    assert refused(door, asking("Bearer ls_wrong", "198.51.100.8")).status == 401


def test_a_revoked_token_is_not_let_past_the_block_for_long() -> None:
    hub = make_hub()
    door, header = Access(hub.store, hub.clock), bearer(hub)["Authorization"]
    door.require(asking(header), "read")
    for _ in range(LIMIT):
        refused(door, asking("Bearer ls_wrong"))
    tokens.revoke(hub.store, hub.clock, "tester-admin")
    assert refused(door, asking(header)).status == 401
    assert refused(door, asking(header)).status == 429


def test_memory_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "ADDRESSES", 100)
    failures = access.Failures(ManualClock())
    for n in range(1_000):
        failures.failed(f"address {n}", "x")
        failures.succeeded(f"token {n}")
    assert len(failures._counts) == 100
    assert len(failures._good) == 1_000


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        (None, "unknown"),
        ("garbage", "unknown"),
    ],
)
def test_an_ipv6_subscriber_is_one_address(address: str | None, counted_as: str) -> None:
    assert network(address) == counted_as
