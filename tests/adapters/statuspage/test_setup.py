"""Setting up: the webhook subscription, and what `doctor` sees."""

from __future__ import annotations

import pytest

from hub.domain.errors import Unauthorised
from hub.domain.values import INCIDENT, Ref
from tests.contract.worlds.statuspage import HOOK, StatuspageWorld


@pytest.fixture
def world() -> StatuspageWorld:
    return StatuspageWorld()


def test_a_key_that_is_no_longer_valid_is_unauthorised_and_not_shown(world: StatuspageWorld) -> None:
    """Every call says so; `doctor` says what to do."""
    world.forbid()
    with pytest.raises(Unauthorised) as refused:
        world.adapter.observe(Ref(INCIDENT, "abc"))
    assert "sandbox-key" not in str(refused.value)
    [finding] = world.adapter.examine()
    assert (finding.level, "api_key" in finding.remedy) == ("error", True)


def test_subscribing_twice_keeps_one_and_a_quarantined_one_is_made_anew(world: StatuspageWorld) -> None:
    """The vendor stops delivering to endpoints that fail; what is kept of the subscription holds no secret."""
    [first] = world.sandbox.subscribers
    again = world.adapter.subscribe(HOOK, world.secrets)
    assert (again["id"], again["expires_at"]) == (first, None)
    assert "path-token" not in str(again)
    endpoint = world.sandbox.subscribers[first]["endpoint"]
    assert endpoint == f"{HOOK}/path-token-1"
    for _ in range(10):
        world.sandbox.delivery_failed(endpoint)
    assert any("quarantined" in f.what for f in world.adapter.examine())
    renewed = world.adapter.renew(again, world.secrets)
    assert list(world.sandbox.subscribers) == [renewed["id"]] != [first]


def test_the_path_token_is_made_if_there_is_none(world: StatuspageWorld) -> None:
    """It goes into the vault; the hub need not ask a person for it."""
    world.sandbox.subscribers.clear()
    world.secrets.values.pop("webhook_path_token")
    world.adapter.subscribe(HOOK, world.secrets)
    [subscriber] = world.sandbox.subscribers.values()
    [token] = world.secrets.all("webhook_path_token")
    assert subscriber["endpoint"] == f"{HOOK}/{token}"
    assert len(token) >= 32


def test_doctor_sees_wrong_components_and_other_integrations(world: StatuspageWorld) -> None:
    """A mapped group or a component that is not there, and somebody else's metadata, are named with what to do."""
    assert {f.level for f in world.adapter.examine()} == {"ok"}
    group = world.sandbox.add_component("Shop", group=True)
    id = world.sandbox.people_open("Theirs")
    world.sandbox.incidents[id]["metadata"] = {"opsgenie": {"id": "1"}}
    world.adapter._components += [group, "nowhere"]
    said = " ".join(f.what for f in world.adapter.examine() if f.level != "ok")
    assert all(word in said for word in (group, "nowhere", "opsgenie"))
