"""The connection: events instead of REST, the webhook subscription, doctor."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.domain.errors import OutcomeUnknown, Unauthorised
from hub.domain.values import INCIDENT, Mark, Update
from tests.contract.world import MemorySecrets
from tests.contract.worlds.pagerduty import HOOK, PagerDutyWorld

OTHER = "https://hub.example.com/in/another"


def test_an_incident_made_by_an_event_appears_later_and_is_found_by_its_alerts_key() -> None:
    world = PagerDutyWorld(create_by="events")
    mark = Mark(INCIDENT, "abcdef01", world.clock.now())
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(world.sample(INCIDENT), mark)
    assert list(world.adapter.find(mark)) == []
    world.clock.advance(world.adapter.capabilities.find_lag)
    [seen] = world.adapter.find(mark)
    assert (seen.mark, seen.dedup_key, seen.fields["title"]) == ("abcdef01", "lockstep:abcdef01", "Checkout is slow")
    assert "incident_key" not in world.adapter._client.incident(seen.ref.id)
    again = world.adapter.create(world.sample(INCIDENT), mark)
    world.sandbox.settle()
    assert again.ref == seen.ref
    assert len(world.sandbox.incidents) == 1
    assert world.adapter.observe(seen.ref).mark == "abcdef01"
    [polled] = world.adapter.changed_since(None).items
    assert polled.observation is not None
    assert polled.observation.mark == "abcdef01"


def test_status_may_go_by_event_for_what_came_by_event_and_by_rest_for_the_rest() -> None:
    world = PagerDutyWorld(create_by="events", status_by="events")
    mark = Mark(INCIDENT, "abcdef01", world.clock.now())
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(world.sample(INCIDENT), mark)
    world.sandbox.settle()
    ref = world.adapter.find(mark)[0].ref
    by_hand = world.person_makes(INCIDENT)
    world.sandbox.calls.clear()
    world.adapter.update(ref, Update({"status": "acknowledged"}, {"status": "acknowledged"}))
    world.adapter.update(by_hand, Update({"status": "acknowledged"}, {"status": "acknowledged"}))
    assert [c for c in world.sandbox.calls if c[0] != "GET"] == [
        ("POST", "/v2/enqueue"),
        ("PUT", f"/incidents/{by_hand.id}"),
    ]
    world.sandbox.settle()
    assert {i.status for i in world.sandbox.incidents.values()} == {"acknowledged"}


def test_a_new_subscription_brings_its_secret_into_the_vault() -> None:
    world = PagerDutyWorld()
    secrets = MemorySecrets(api_token=world.sandbox.token)
    kept = world.adapter.subscribe(OTHER, secrets)
    made = world.sandbox.subscriptions[kept["id"]]
    assert secrets.all("webhook_secret") == (made.secrets[0],)
    assert kept["expires_at"] is None
    world.person_makes(INCIDENT)
    [request] = [r for r in world.webhooks() if r.headers["x-webhook-subscription"] == kept["id"]]
    assert world.adapter.authenticate(request, secrets)
    assert world.adapter.subscribe(OTHER, secrets) == kept
    assert len(world.sandbox.subscriptions) == 2


def test_a_subscription_set_up_by_hand_is_adopted_and_enabled() -> None:
    world = PagerDutyWorld()
    world.hook.active = False
    kept = world.adapter.subscribe(HOOK, world.secrets)
    assert (kept["id"], world.hook.active) == (world.hook.id, True)
    assert list(world.sandbox.subscriptions) == [world.hook.id]


def test_a_subscription_that_we_cannot_verify_is_replaced() -> None:
    """As after a crash between the answer with the secret and storing it in the vault."""
    world = PagerDutyWorld()
    lost = world.adapter.subscribe(OTHER, MemorySecrets(api_token=world.sandbox.token))
    world.parts.notebook.pages["webhook_subscription"] = {"id": None}
    kept = world.adapter.subscribe(OTHER, world.secrets)
    assert kept["id"] != lost["id"]
    assert [s.url for s in world.sandbox.subscriptions.values()] == [HOOK, OTHER]
    assert world.secrets.get("webhook_secret") == world.sandbox.subscriptions[kept["id"]].secrets[0]


def test_renewal_enables_what_was_disabled_and_makes_anew_what_is_gone() -> None:
    world = PagerDutyWorld()
    kept = world.adapter.subscribe(OTHER, world.secrets)
    world.sandbox.subscriptions[kept["id"]].disabled_until = world.clock.now()
    world.sandbox.subscriptions[kept["id"]].active = False
    assert world.adapter.renew(kept, world.secrets) == kept
    assert world.sandbox.subscriptions[kept["id"]].active
    del world.sandbox.subscriptions[kept["id"]]
    again = world.adapter.renew(kept, world.secrets)
    assert again["id"] in world.sandbox.subscriptions
    assert world.sandbox.subscriptions[again["id"]].url == OTHER


def test_one_service_narrows_the_subscription() -> None:
    world = PagerDutyWorld(service_ids=["PSEARCH"])
    kept = world.adapter.subscribe(OTHER, world.secrets)
    assert world.sandbox.subscriptions[kept["id"]].filter == {"type": "service_reference", "id": "PSEARCH"}


def test_a_healthy_connection_has_nothing_to_complain_of() -> None:
    world = PagerDutyWorld(custom_field="lockstep")
    world.sandbox.custom_fields.add("lockstep")
    world.adapter.probe()
    findings = world.adapter.examine()
    assert {f.level for f in findings} == {"ok"}
    assert len(findings) == 6


def _jira(world: PagerDutyWorld) -> None:
    world.sandbox.extensions.append(
        {
            "id": "PEXT001", "type": "extension", "name": "Jira Cloud", "summary": "Jira Cloud",
            "extension_objects": [{"id": "PCHECKO", "type": "service_reference"}],
            "extension_schema": {"id": "PSCHEMA", "type": "extension_schema_reference", "summary": "JIRA"},
        }
    )  # fmt: skip


def _disable(world: PagerDutyWorld) -> None:
    world.hook.disabled_until = world.clock.now().replace(year=2030)


ILLS: dict[str, tuple[Callable[[PagerDutyWorld], object], str, str]] = {
    "requester": (lambda w: w.sandbox.users.pop("PLOCK00"), "error", "lockstep@example.com is not a user"),
    "missing priority": (lambda w: w.sandbox.priorities.pop("P5"), "error", "no priority called P5"),
    "unmapped priority": (lambda w: w.sandbox.priorities.update(P0="PPRIO00"), "warn", "P0 have no severity"),
    "priorities off": (lambda w: w.sandbox.priorities.clear(), "error", "does not offer priorities"),
    "no subscription": (lambda w: w.sandbox.subscriptions.clear(), "warn", "polling only"),
    "disabled": (_disable, "error", "has disabled"),
    "no secret": (lambda w: w.secrets.values.pop("webhook_secret"), "error", "`webhook_secret` is not set"),
    "another connection": (
        lambda w: w.sandbox.people_subscribe("https://hub.example.com/in/payments"),
        "warn",
        "this hub's connection 'payments'",
    ),
    "another integration": (_jira, "warn", "own Jira integration"),
    "custom field": (lambda w: w.sandbox.custom_fields.clear(), "warn", "is not defined"),
}


@pytest.mark.parametrize("ill", ILLS)
def test_each_ill_is_named_with_its_remedy_and_nothing_else_is(ill: str) -> None:
    world = PagerDutyWorld(custom_field="lockstep")
    world.sandbox.custom_fields.add("lockstep")
    fall_ill, level, words = ILLS[ill]
    fall_ill(world)
    [found] = [f for f in world.adapter.examine() if f.level != "ok"]
    assert found.level == level
    assert words in found.what
    assert found.remedy


def test_a_clock_that_is_off_is_named() -> None:
    world = PagerDutyWorld()
    world.adapter.probe()
    world.adapter._client.transport._clock = type(world.clock)(world.clock.now().replace(hour=8))
    [found] = [f for f in world.adapter.examine() if f.level != "ok"]
    assert "clock differs from the hub's by +3600 seconds" in found.what


def test_without_a_valid_key_only_that_is_said() -> None:
    world = PagerDutyWorld()
    world.forbid()
    [found] = world.adapter.examine()
    assert found.level == "error"
    with pytest.raises(Unauthorised):
        world.adapter.probe()
