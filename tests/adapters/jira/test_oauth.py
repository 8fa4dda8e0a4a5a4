"""An OAuth app on Cloud: its token is renewed; its webhook is made, adopted, and extended before its 30 days are over."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.jira.adapter import OAuthJira
from adapters.jira.sandbox.routes_apps import OAUTH_SECRET
from adapters.sandboxing import Fault
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised
from hub.domain.values import Request
from tests.contract.worlds.jira import JiraWorld

HOOK = "https://hub.example.com/webhooks/jira-app"
DAY = 86_400


@pytest.fixture
def world() -> JiraWorld:
    made = JiraWorld(cloud=True, oauth_client_id="app", cloud_id="cloud-1")
    made.sandbox.hooks.hooks.clear()
    made.sandbox.tokens = {"refresh-0"}
    made.secrets.put("client_secret", OAUTH_SECRET)
    made.secrets.put("refresh_token", "refresh-0")
    return made


def app(world: JiraWorld) -> OAuthJira:
    assert isinstance(world.adapter, OAuthJira)
    return world.adapter


def refreshes(world: JiraWorld) -> int:
    return sum(path == "/oauth/token" for _, path in world.sandbox.calls)


def test_a_token_serves_until_it_is_about_to_end_and_the_new_refresh_token_is_kept(world: JiraWorld) -> None:
    app(world).probe()
    world.clock.advance(3000)
    app(world).probe()
    assert refreshes(world) == 1
    world.clock.advance(600)
    app(world).probe()
    assert refreshes(world) == 2
    assert world.secrets.get("refresh_token") in world.sandbox.tokens


def test_a_refresh_token_that_is_not_taken_needs_a_person(world: JiraWorld) -> None:
    world.sandbox.tokens.clear()
    with pytest.raises(Unauthorised, match="authorise the app again"):
        app(world).probe()


def test_a_token_service_that_is_away_is_tried_later_and_nothing_was_written(world: JiraWorld) -> None:
    world.sandbox.faults.append(Fault("lost", match=lambda method, path: path == "/oauth/token"))
    with pytest.raises(RetryLater):
        app(world).subscribe(HOOK, world.secrets)
    assert not world.sandbox.hooks.hooks


def test_the_webhook_is_made_once_and_adopted_afterwards(world: JiraWorld) -> None:
    first = app(world).subscribe(HOOK, world.secrets)
    again = app(world).subscribe(HOOK, world.secrets)
    assert len(world.sandbox.hooks.hooks) == 1
    assert first["id"] == again["id"]
    assert first["expires_at"] == "2026-02-04T09:00:00+00:00"


def test_a_webhook_is_extended_before_it_ends_and_made_again_after(world: JiraWorld) -> None:
    made = app(world).subscribe(HOOK, world.secrets)
    world.clock.advance(20 * DAY)
    renewed = app(world).renew(made, world.secrets)
    assert renewed["id"] == made["id"]
    assert renewed["expires_at"] > made["expires_at"]
    world.clock.advance(31 * DAY)
    fresh = app(world).renew(renewed, world.secrets)
    assert fresh["id"] != made["id"]


def test_its_webhooks_are_genuine_by_their_token(world: JiraWorld) -> None:
    app(world).subscribe(HOOK, world.secrets)
    id = world.sandbox.people_create("x")
    (sent,) = world.sandbox.outgoing
    request = Request("POST", "/x", {}, sent.headers, sent.body, world.clock.now())
    app(world).authenticate(request, world.secrets)
    assert app(world).hints(request)[0].ref.id == id  # type: ignore[union-attr]


def test_an_unknown_outcome_of_the_registration_makes_no_second_webhook(world: JiraWorld) -> None:
    def posts(method: str, path: str) -> bool:
        return method == "POST" and path.endswith("/webhook")

    world.sandbox.faults.append(Fault("late", match=posts))
    with pytest.raises(OutcomeUnknown):
        app(world).subscribe(HOOK, world.secrets)
    app(world).subscribe(HOOK, world.secrets)
    assert len(world.sandbox.hooks.hooks) == 1


def test_a_registration_that_jira_declines_is_refused_in_its_words(world: JiraWorld, monkeypatch: Any) -> None:
    declined = {"webhookRegistrationResult": [{"errors": ["The clause watchCount is unsupported"]}]}
    monkeypatch.setattr(app(world)._client, "post", lambda path, body: declined)
    with pytest.raises(Refused, match="watchCount"):
        app(world).subscribe(HOOK, world.secrets)
