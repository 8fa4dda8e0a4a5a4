"""Set-up: the webhook subscription, and what `doctor` reports."""

from __future__ import annotations

from typing import Any

import pytest

from hub.domain.errors import Refused, Unauthorised
from hub.domain.values import INCIDENT, Ref
from tests.adapters.statuspage.playing import writes
from tests.contract.worlds.statuspage import HOOK, StatuspageWorld


@pytest.fixture
def world() -> StatuspageWorld:
    return StatuspageWorld()


def test_a_key_that_is_no_longer_valid_is_unauthorised_and_not_shown(world: StatuspageWorld) -> None:
    """Every call reports it; `doctor` gives the remedy."""
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


def test_a_new_path_token_leaves_no_subscriber_with_the_old_one_and_removes_nobody_elses(
    world: StatuspageWorld,
) -> None:
    """The hub would refuse the old one's notifications for ever."""
    box = world.sandbox
    others = [
        f"{HOOK}-2/path-token-1", f"{HOOK}/deeper/path-token-1", f"{HOOK}/?to=somebody", HOOK,
        HOOK.replace("hub.", "other-hub.") + "/path-token-1", HOOK.replace("https:", "http:") + "/path-token-1",
    ]  # fmt: skip
    for n, endpoint in enumerate(others):
        box.subscribers[f"other{n}"] = {"id": f"other{n}", "mode": "webhook", "endpoint": endpoint}
    [old] = [s for s in box.subscribers.values() if s["endpoint"] == f"{HOOK}/path-token-1"]
    box.subscribers["older"] = {**old, "id": "older", "endpoint": f"{HOOK}/path-token-0", "quarantined_at": box.now()}
    subscription = world.adapter.subscribe(HOOK, world.secrets)
    assert [s["endpoint"] for s in box.subscribers.values()] == [f"{HOOK}/path-token-1", *others]
    world.secrets.values["webhook_path_token"] = ["path-token-2"]
    world.adapter.renew(subscription, world.secrets)
    assert [s["endpoint"] for s in box.subscribers.values()] == [*others, f"{HOOK}/path-token-2"]


def test_the_old_subscriber_goes_only_when_the_new_one_is_there(world: StatuspageWorld) -> None:
    [old] = world.sandbox.subscribers
    world.secrets.put("webhook_path_token", "path-token-2")
    world.adapter._email = ""
    with pytest.raises(Refused):
        world.adapter.subscribe(HOOK, world.secrets)
    assert list(world.sandbox.subscribers) == [old]
    world.adapter._email = "ops@example.com"
    world.adapter.subscribe(HOOK, world.secrets)
    assert writes(world)[-2:] == ["POST subscribers", f"DELETE {old}"]
    assert [s["endpoint"] for s in world.sandbox.subscribers.values()] == [f"{HOOK}/path-token-2"]


def test_an_old_subscriber_that_somebody_else_has_just_removed_is_no_trouble(world: StatuspageWorld) -> None:
    box = world.sandbox
    [old] = box.subscribers
    world.secrets.put("webhook_path_token", "path-token-2")
    inner = box.exchange

    def exchange(method: str, url: str, headers: Any, body: bytes) -> Any:
        if method == "DELETE":
            box.subscribers.pop(old, None)
        return inner(method, url, headers, body)

    box.exchange = exchange  # type: ignore[method-assign]
    world.adapter.subscribe(HOOK, world.secrets)
    assert [s["endpoint"] for s in box.subscribers.values()] == [f"{HOOK}/path-token-2"]


def test_our_subscriber_is_found_behind_a_hundred_others(world: StatuspageWorld) -> None:
    box = world.sandbox
    [ours] = box.subscribers
    box.subscribers["mail"] = {"id": "mail", "mode": "email", "email": "ada@example.com"}
    others = {f"o{n}": {"id": f"o{n}", "mode": "webhook", "endpoint": f"https://example.com/{n}"} for n in range(150)}
    box.subscribers = {**others, **box.subscribers}
    assert world.adapter.subscribe(HOOK, world.secrets)["id"] == ours
    assert len(box.subscribers) == 152


def test_the_path_token_is_made_if_there_is_none(world: StatuspageWorld) -> None:
    """It is stored in the vault; no person has to supply it."""
    world.sandbox.subscribers.clear()
    world.secrets.values.pop("webhook_path_token")
    world.adapter.subscribe(HOOK, world.secrets)
    [subscriber] = world.sandbox.subscribers.values()
    [token] = world.secrets.all("webhook_path_token")
    assert subscriber["endpoint"] == f"{HOOK}/{token}"
    assert len(token) >= 32


def test_doctor_names_the_secret_that_is_not_set(world: StatuspageWorld) -> None:
    world.secrets.values.pop("webhook_path_token")
    (found,) = (f for f in world.adapter.examine() if f.level != "ok")
    assert "webhook_path_token is not set" in found.what


def test_doctor_sees_wrong_components_and_other_integrations(world: StatuspageWorld) -> None:
    """A mapped group, a missing component, and another integration's metadata are reported with the remedy."""
    assert {f.level for f in world.adapter.examine()} == {"ok"}
    group = world.sandbox.add_component("Shop", group=True)
    id = world.sandbox.people_open("Theirs")
    world.sandbox.incidents[id]["metadata"] = {"opsgenie": {"id": "1"}}
    world.adapter._components += [group, "nowhere"]
    said = " ".join(f.what for f in world.adapter.examine() if f.level != "ok")
    assert all(word in said for word in (group, "nowhere", "opsgenie"))
