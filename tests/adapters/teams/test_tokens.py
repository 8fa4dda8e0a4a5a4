"""Tokens: a refresh token that changes with every use, and the application's own credential."""

from __future__ import annotations

import pytest

from adapters.sandboxing import Fault
from hub.domain.errors import RetryLater, Unauthorised
from hub.domain.values import Ref
from tests.contract.worlds.teams import TeamsWorld


def asked(world: TeamsWorld) -> int:
    return len([p for _, p in world.sandbox.calls if p.endswith("/token")])


def test_a_token_is_used_until_five_minutes_before_its_end(world: TeamsWorld, card: Ref) -> None:
    """One request to the identity platform per hour, not per call."""
    assert asked(world) == 1
    world.clock.advance(54 * 60 - 61)
    world.adapter.observe(card)
    assert asked(world) == 1
    world.clock.advance(2 * 60)
    world.adapter.observe(card)
    assert asked(world) == 2


def test_the_new_refresh_token_is_put_away_at_once(world: TeamsWorld, card: Ref) -> None:
    """The vault holds the newest one first."""
    assert world.secrets.all("refresh_token")[0] == "stand-in-refresh-1"
    world.clock.advance(3600)
    world.adapter.observe(card)
    assert world.secrets.all("refresh_token")[0] == "stand-in-refresh-2"


def test_a_service_account_that_must_sign_in_again_is_said_so(world: TeamsWorld, card: Ref) -> None:
    """Unauthorised, in words for a person, without the token."""
    world.clock.advance(3600)
    world.sandbox.refresh_tokens.clear()
    with pytest.raises(Unauthorised, match="must sign in again") as caught:
        world.adapter.observe(card)
    assert "stand-in-refresh" not in caught.value.words


def test_a_missing_secret_is_named(world: TeamsWorld, card: Ref) -> None:
    """By its name, so that a person knows what to set."""
    world.clock.advance(3600)
    del world.secrets.values["client_secret"]
    with pytest.raises(Unauthorised, match="client_secret"):
        world.adapter.observe(card)


@pytest.mark.parametrize(("status", "throttled"), [(429, True), (503, False)])
def test_trouble_at_the_identity_platform_is_never_an_unknown_outcome(
    world: TeamsWorld, card: Ref, status: int, throttled: bool
) -> None:
    """Nothing has been written anywhere yet, even if the call was going to be a write."""
    world.clock.advance(3600)
    world.sandbox.faults.append(Fault("status", status=status, headers={"Retry-After": "9"}))
    with pytest.raises(RetryLater) as caught:
        world.adapter.observe(card)
    assert (caught.value.delay, caught.value.throttled) == (9.0, throttled)
    world.sandbox.faults.append(Fault("lost"))
    with pytest.raises(RetryLater):
        world.adapter.observe(card)


def test_a_token_that_graph_does_not_accept_is_not_used_again(world: TeamsWorld, card: Ref) -> None:
    """Revoked before its time: the next call asks for a new one."""
    world.sandbox.tokens.clear()
    with pytest.raises(Unauthorised):
        world.adapter.observe(card)
    assert world.adapter.observe(card).mark == "cardmark1"
    assert asked(world) == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"access_token": 5}', b'{"access_token":"a"}'])
def test_an_answer_without_a_token_is_no_token(world: TeamsWorld, card: Ref, body: bytes) -> None:
    """For anything that a proxy may answer instead."""
    world.clock.advance(3600)
    world.sandbox.faults.append(Fault("status", status=200, body=body))
    with pytest.raises(RetryLater):
        world.adapter.observe(card)
