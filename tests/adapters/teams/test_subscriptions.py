"""The hub's subscription: made, adopted, renewed, made again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hub.domain.errors import Refused
from hub.domain.values import Ref
from tests.contract.worlds.teams import HOOK, TeamsWorld


def live(world: TeamsWorld) -> list[str]:
    return [s.id for s in world.sandbox.push.subscriptions.values() if s.ends > world.clock.now()]


def test_a_subscription_is_made_with_a_handshake_and_lives_for_days(world: TeamsWorld) -> None:
    """Both URLs are ours, the client state is a secret, and the end is the one that Graph granted."""
    kept = world.subscription
    (one,) = world.sandbox.push.subscriptions.values()
    assert (one.id, one.url, one.lifecycle_url) == (kept["id"], HOOK, HOOK)
    assert one.state == world.secrets.get("client_state")
    assert len(one.state) >= 32
    assert one.changes == {"created", "updated", "deleted"}
    ends, half = (datetime.fromisoformat(kept[k]) for k in ("expires_at", "renew_at"))
    assert ends - world.clock.now() == timedelta(minutes=4310)
    assert half - world.clock.now() == timedelta(minutes=2155)


def test_subscribing_twice_makes_one(world: TeamsWorld) -> None:
    """An existing subscription of ours is adopted and renewed."""
    world.clock.advance(3600)
    again = world.adapter.subscribe(HOOK, world.secrets)  # type: ignore[attr-defined]
    assert live(world) == [world.subscription["id"]] == [again["id"]]
    assert again["expires_at"] > world.subscription["expires_at"]


def test_one_whose_client_state_we_lost_is_made_again(world: TeamsWorld) -> None:
    """Its notifications could not be authenticated."""
    del world.secrets.values["client_state"]
    again = world.adapter.subscribe(HOOK, world.secrets)  # type: ignore[attr-defined]
    assert live(world) == [again["id"]]
    assert again["id"] != world.subscription["id"]
    world.sandbox.people_post("x")
    assert world.adapter.authenticate(world.webhooks()[-1], world.secrets)


def test_one_is_renewed_and_made_again_when_it_is_over(world: TeamsWorld) -> None:
    """Renewing is idempotent, also after Graph has forgotten it."""
    world.clock.advance(2 * 24 * 3600)
    kept = world.adapter.renew(world.subscription, world.secrets)  # type: ignore[attr-defined]
    assert kept["id"] == world.subscription["id"]
    world.clock.advance(3 * 24 * 3600)
    assert live(world) == []
    again = world.adapter.renew(kept, world.secrets)  # type: ignore[attr-defined]
    assert live(world) == [again["id"]]
    assert again["id"] != kept["id"]


def test_lifecycle_events_reach_us_and_say_what_to_do(world: TeamsWorld, card: Ref) -> None:
    """From the stand-in's sender to the hint, and a removed one sends nothing more."""
    for event, subscription, resync in (
        ("missed", None, True),
        ("reauthorizationRequired", "renew", False),
        ("subscriptionRemoved", "recreate", True),
    ):
        world.sandbox.push.lifecycle(event)
        (request,) = world.webhooks()
        world.adapter.authenticate(request, world.secrets)
        (hint,) = world.adapter.hints(request)
        assert (hint.subscription, hint.resync) == (subscription, resync)
    world.sandbox.people_reply(card.id, "x")
    assert world.webhooks() == []
    world.adapter.renew(world.subscription, world.secrets)  # type: ignore[attr-defined]
    world.sandbox.people_reply(card.id, "y")
    assert len(world.webhooks()) == 1


def test_a_url_that_does_not_shake_hands_is_refused(world: TeamsWorld) -> None:
    """In the vendor's words; nothing is left behind."""
    world.sandbox.push.subscriptions.clear()
    world.sandbox.push.shake = lambda url, token: (200, "text/html", token)
    with pytest.raises(Refused, match="validation"):
        world.adapter.subscribe(HOOK, world.secrets)  # type: ignore[attr-defined]
    assert live(world) == []


def test_a_life_that_graph_does_not_grant_is_refused() -> None:
    """A setting that is too large is reported at the first attempt."""
    with pytest.raises(Refused, match="4320"):
        TeamsWorld(subscription_minutes=5000.0)
