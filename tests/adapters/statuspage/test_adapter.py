"""The adapter against its stand-in: what it writes, finds and reads of incidents, and what it must never do."""

from __future__ import annotations

import pytest

from adapters.sandboxing import Fault
from adapters.statuspage import wire
from adapters.statuspage.sandbox.payloads import webhook_incident
from adapters.statuspages import PAGE_IMPACTS, SERVICES, SEVERITY, STATUS, TEXT, TITLE
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater
from hub.domain.values import COMMENT, INCIDENT, Desired, Ref, Update
from tests.adapters.statuspage.playing import change, created, mark, published, writes
from tests.contract.worlds.statuspage import StatuspageWorld


@pytest.fixture
def world() -> StatuspageWorld:
    return StatuspageWorld()


def test_what_is_created_shows_as_wanted_and_is_found_by_its_mark(world: StatuspageWorld) -> None:
    """One POST makes incident, first text, components and mark; the mark is in no field."""
    world.sandbox.calls.clear()
    seen = created(world)
    assert writes(world) == ["POST incidents"]
    assert seen.fields == {**world.sample(INCIDENT).fields, SERVICES: [world.checkout]}
    assert seen.mark == "abcdef01"
    assert "abcdef01" not in str(seen.fields)
    assert (seen.type, seen.children, seen.children_complete) == ("incident", (), True)
    assert seen.created_at == world.clock.now()
    assert list(world.adapter.find(mark(world))) == [seen] == [world.adapter.observe(seen.ref)]
    assert list(world.adapter.find(mark(world, "abcdef02"))) == []


def test_a_create_that_landed_without_an_answer_is_found(world: StatuspageWorld) -> None:
    """The name is no key at this vendor: two creates make two incidents, and the mark finds both, oldest first."""
    world.sandbox.faults.append(Fault("late", match=lambda method, path: method == "POST"))
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(world.sample(INCIDENT), mark(world))
    [first] = world.adapter.find(mark(world))
    world.clock.advance(5)
    second = created(world)
    assert [o.ref for o in world.adapter.find(mark(world))] == [first.ref, second.ref]


def test_a_marked_incident_is_found_though_resolved_and_behind_many_others(world: StatuspageWorld) -> None:
    """The lists are walked page by page, the resolved ones too."""
    seen = created(world)
    world.sandbox.people_set_status(seen.ref.id, "resolved")
    for n in range(150):
        world.sandbox.people_open(f"Other {n}")
    assert [o.ref for o in world.adapter.find(mark(world))] == [seen.ref]


def test_a_new_incident_shows_in_lists_after_the_read_lag(world: StatuspageWorld) -> None:
    """The declared read lag covers the lag of the lists."""
    world.sandbox.list_lag = 1.5
    created(world)
    assert list(world.adapter.find(mark(world))) == []
    world.clock.advance(world.adapter.capabilities.read_lag)
    assert len(world.adapter.find(mark(world))) == 1


def test_no_public_title_no_incident(world: StatuspageWorld) -> None:
    """Internal text must not replace a public title that was not approved."""
    world.sandbox.calls.clear()
    with pytest.raises(Refused) as refused:
        world.adapter.create(Desired(INCIDENT, {"status": "investigating", "title": "db3 on fire"}), mark(world))
    assert refused.value.field == TITLE
    assert world.sandbox.calls == []


def test_all_changes_of_an_update_are_one_write_that_tells_nobody(world: StatuspageWorld) -> None:
    """One request a second: fields are coalesced; customers are notified of published texts, not of each change."""
    ref = created(world).ref
    world.webhooks()
    world.sandbox.calls.clear()
    seen = change(
        world, ref, status="resolved", public_title="Payments failed", severity="minor",
        impacts={world.checkout: "operational", world.search: "operational"},
    )  # fmt: skip
    assert writes(world) == [f"PATCH {ref.id}"]
    assert seen.fields[STATUS] == "resolved"
    assert seen.fields[TITLE] == "Payments failed"
    assert seen.fields[SEVERITY] == "minor"
    assert seen.fields[PAGE_IMPACTS] == {world.checkout: "operational", world.search: "operational"}
    assert seen.children == ()
    assert seen.fields[TEXT] == world.sample(INCIDENT).fields[TEXT]
    assert world.webhooks() == []


def test_only_what_changes_is_written(world: StatuspageWorld) -> None:
    """A title that a person set between our read and our change of status is kept, and so is our mark."""
    ref = created(world).ref
    stale = world.adapter.observe(ref)
    world.sandbox.people_rename(ref.id, "Payments fail in Europe")
    seen = world.adapter.update(ref, Update({STATUS: "identified"}, {**stale.fields, STATUS: "identified"})).observation
    assert seen is not None
    assert seen.fields[TITLE] == "Payments fail in Europe"
    assert seen.mark == "abcdef01"


def test_resolving_alone_leaves_the_components_as_they_are(world: StatuspageWorld) -> None:
    """Neither the vendor nor the adapter resets them: the hub decides the components' states."""
    ref = created(world).ref
    assert change(world, ref, status="resolved").fields[PAGE_IMPACTS] == {world.checkout: "partial_outage"}


def test_components_that_leave_are_operational_again(world: StatuspageWorld) -> None:
    """A component removed from an incident would keep its last status for ever."""
    ref = created(world).ref
    seen = world.adapter.update(ref, Update({PAGE_IMPACTS: {}}, {PAGE_IMPACTS: {}})).observation
    assert seen is not None
    assert seen.fields[PAGE_IMPACTS] == {}
    assert world.sandbox.components[world.checkout]["status"] == "operational"


def test_impact_that_the_vendor_computes_is_no_edit(world: StatuspageWorld) -> None:
    """Computed from components: a consequence. Overridden by a person: an edit."""
    ref = world.person_makes(INCIDENT)
    seen = world.adapter.observe(ref)
    assert (seen.fields[SEVERITY], SEVERITY in seen.consequences) == ("minor", True)
    world.sandbox.people_override_impact(ref.id, "critical")
    seen = world.adapter.observe(ref)
    assert (seen.fields[SEVERITY], SEVERITY in seen.consequences) == ("critical", False)


def test_history_tells_of_a_status_set_between_our_read_and_our_write(world: StatuspageWorld) -> None:
    """A person resolves; we, who read before, write "identified": both changes show, in order."""
    ref = created(world).ref
    nothing, position = world.adapter.history(ref, None)
    assert list(nothing) == []
    stale = world.adapter.observe(ref)
    world.sandbox.people_set_status(ref.id, "resolved", "All well")
    world.adapter.update(ref, Update({STATUS: "identified"}, {**stale.fields, STATUS: "identified"}))
    changes, further = world.adapter.history(ref, position)
    assert [(c.field, c.before, c.after) for c in changes] == [
        (STATUS, "investigating", "resolved"),
        (STATUS, "resolved", "identified"),
    ]
    assert world.adapter.history(ref, further)[0] == []


def test_history_goes_on_where_the_last_update_was_deleted(world: StatuspageWorld) -> None:
    """The position has a time too: earlier entries are not returned again."""
    ref = created(world).ref
    world.clock.advance(10)
    last = world.sandbox.people_post_update(ref.id, "A word")
    _, position = world.adapter.history(ref, None)
    world.sandbox.people_delete_update(ref.id, last)
    world.clock.advance(10)
    world.sandbox.people_set_status(ref.id, "monitoring")
    changes, _ = world.adapter.history(ref, position)
    assert [(c.before, c.after) for c in changes] == [("investigating", "monitoring")]


def test_the_poll_shows_what_is_open_then_what_changed(world: StatuspageWorld) -> None:
    """First only what is unresolved; later resolved ones too, each whole, so that an unchanged one costs no read."""
    old = world.sandbox.people_open("Long ago")
    world.sandbox.people_set_status(old, "resolved")
    world.clock.advance(600)
    seen = created(world)
    first = world.adapter.changed_since(None)
    assert [c.observation for c in first.items] == [world.adapter.observe(seen.ref)]
    world.clock.advance(600)
    world.sandbox.people_set_status(seen.ref.id, "resolved", "Done")
    world.sandbox.people_set_component(world.checkout, "operational")
    second = world.adapter.changed_since(first.cursor)
    assert [(c.ref, c.observation) for c in second.items] == [(seen.ref, None)], "a new text: to be read"
    world.clock.advance(600)
    third = world.adapter.changed_since(second.cursor)
    assert {c.ref.id for c in third.items} <= {seen.ref.id}
    assert not second.more


def test_a_component_that_changes_alone_is_seen_by_the_poll(world: StatuspageWorld) -> None:
    """It does not change its incident: every open incident is shown, with a version that shows the difference."""
    seen = created(world)
    cursor = world.adapter.changed_since(None).cursor
    world.clock.advance(300)
    world.sandbox.people_set_component(world.checkout, "major_outage")
    [item] = world.adapter.changed_since(cursor).items
    assert item.observation is not None
    assert item.observation.fields[PAGE_IMPACTS] == {world.checkout: "major_outage"}
    assert item.observation.version != seen.version


def test_maintenance_is_told_from_incidents(world: StatuspageWorld) -> None:
    """Scheduled work, and what is marked as maintenance, is never adopted; backfilled history neither."""
    box = world.sandbox
    planned = box.people_open("Upgrade", scheduled_for="2026-01-06T00:00:00Z", status="scheduled")
    marked = box.people_open("Work", impact_override="maintenance")
    past = box.people_open("Last week", backfilled=True)
    types = [world.adapter.observe(Ref(INCIDENT, id)).type for id in (planned, marked)]
    assert types == ["maintenance", "maintenance"]
    assert wire.observation(webhook_incident(box, box.incidents[past])).type == "other"
    assert planned not in {c.ref.id for c in world.adapter.changed_since(None).items}


def test_what_is_not_there_is_absent(world: StatuspageWorld) -> None:
    """404 is not "deleted": the vendor does not say which."""
    ref = created(world).ref
    made = published(world, ref, "Text", "aaaaaa01")
    world.sandbox.people_delete_update(ref.id, made.id)
    assert world.adapter.observe(made).state == "absent"
    world.person_deletes(ref)
    assert world.adapter.observe(ref).state == "absent"
    assert world.adapter.observe(made).state == "absent"
    assert world.adapter.observe(Ref(INCIDENT, "../subscribers")).state == "absent"
    with pytest.raises(Refused):
        world.adapter.update(ref, Update({STATUS: "resolved"}, {STATUS: "resolved"}))
    with pytest.raises(Refused):
        published(world, ref, "Text", "aaaaaa02")


def test_what_the_vendor_lacks_is_refused(world: StatuspageWorld) -> None:
    """Comments, deletions and internal fields are not declared; asked for all the same, nothing is sent."""
    ref = created(world).ref
    made = published(world, ref, "Text", "aaaaaa01")
    world.sandbox.calls.clear()
    with pytest.raises(Refused):
        world.adapter.create(Desired(COMMENT, {"text": "internal"}, parent=ref), mark(world, "aaaaaa02", COMMENT, ref))
    with pytest.raises(Refused):
        world.adapter.update(made, Update({"deleted": True}, {}))
    with pytest.raises(Refused):
        world.adapter.update(ref, Update({"title": "db3 on fire"}, {}))
    assert world.sandbox.calls == []


def test_validation_errors_are_refusals_in_the_vendors_words(world: StatuspageWorld) -> None:
    """422 would be repeated: the person gets the vendor's message."""
    ref = created(world).ref
    with pytest.raises(Refused, match="not included in the list"):
        change(world, ref, status="scheduled")
    with pytest.raises(Refused, match="does not exist"):
        change(world, ref, impacts={"nowhere": "major_outage"})


@pytest.mark.parametrize(("status", "error"), [(420, RetryLater), (429, RetryLater), (503, OutcomeUnknown)])
def test_a_write_that_fails_is_one_of_the_four(world: StatuspageWorld, status: int, error: type[Exception]) -> None:
    """If throttled, nothing happened. If the server failed, it may have."""
    ref = created(world).ref
    world.sandbox.faults.append(Fault("status", status=status, body=b"<html>"))
    with pytest.raises(error) as raised:
        world.adapter.update(ref, Update({STATUS: "resolved"}, {STATUS: "resolved"}))
    assert getattr(raised.value, "throttled", False) == (status != 503)


def test_the_vendors_limit_is_sixty_in_a_rolling_minute(world: StatuspageWorld) -> None:
    """The declared rate is exactly the vendor's limit: the next request is refused, without a time to wait."""
    [rate] = world.adapter.capabilities.rates
    world.clock.advance(60)
    for _ in range(rate.count):
        world.adapter.probe()
    with pytest.raises(RetryLater) as later:
        world.adapter.probe()
    assert (later.value.throttled, later.value.delay) == (True, None)
    world.clock.advance(rate.per)
    world.adapter.probe()


def test_an_answer_that_is_no_json_is_not_believed(world: StatuspageWorld) -> None:
    """A gateway's page with status 200 is no answer."""
    ref = created(world).ref
    for _ in range(2):
        world.sandbox.faults.append(Fault("status", status=200, body=b"<html>hello</html>"))
    with pytest.raises(RetryLater):
        world.adapter.observe(ref)
    with pytest.raises(OutcomeUnknown):
        world.adapter.update(ref, Update({STATUS: "resolved"}, {STATUS: "resolved"}))


def test_components_that_no_service_is_mapped_to_are_left_alone(world: StatuspageWorld) -> None:
    """They stay on the incident, as they are, when ours change."""
    ref = created(world).ref
    world.sandbox.people_set_components(ref.id, {world.checkout: "partial_outage", world.mail: "major_outage"})
    now = world.adapter.observe(ref)
    relation = world.adapter.relations[INCIDENT][PAGE_IMPACTS]
    target = relation.forward({"checkout": "operational"}, now.fields[PAGE_IMPACTS])
    seen = world.adapter.update(
        ref, Update({PAGE_IMPACTS: {world.checkout: "operational"}}, {**now.fields, PAGE_IMPACTS: target})
    ).observation
    assert seen is not None
    assert seen.fields[PAGE_IMPACTS] == {world.checkout: "operational", world.mail: "major_outage"}
