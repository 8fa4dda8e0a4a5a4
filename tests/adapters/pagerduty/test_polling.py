"""With every webhook lost, polling finds every change; without changes it makes no further request."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.domain.values import INCIDENT, Json, Observation, Ref
from tests.contract.worlds.pagerduty import PagerDutyWorld


class Poller:
    """Polls as the hub does: whole objects count as read, those that are only named are read."""

    def __init__(self, world: PagerDutyWorld) -> None:
        self.world = world
        self.cursor: Json = None
        self.poll()

    def poll(self, seconds: float = 120) -> dict[str, Observation | None]:
        self.world.clock.advance(seconds)
        changes = self.world.adapter.changed_since(self.cursor)
        self.cursor = changes.cursor
        return {c.ref.id: c.observation for c in changes.items}


@pytest.fixture
def world() -> PagerDutyWorld:
    return PagerDutyWorld()


def test_the_first_poll_shows_what_is_open_and_nothing_else(world: PagerDutyWorld) -> None:
    gone, here = world.sandbox.people_create("Old"), world.sandbox.people_create("Open")
    world.sandbox.people_set_status(gone, "resolved")
    [only] = world.adapter.changed_since(None).items
    assert only.ref == Ref(INCIDENT, here)
    assert only.observation is not None


EDITS: dict[str, Callable[[PagerDutyWorld, str], None]] = {
    "title": lambda w, id: w.sandbox.people_set_title(id, "A new title"),
    "severity": lambda w, id: w.sandbox.people_set_severity(id, "P1", "low"),
    "assignees": lambda w, id: w.sandbox.people_assign(id, ["PCYD003"]),
    "services": lambda w, id: w.sandbox.people_move(id, "PSEARCH"),
    "status": lambda w, id: w.sandbox.people_set_status(id, "acknowledged"),
}


@pytest.mark.parametrize("field", EDITS)
def test_a_changed_field_is_shown_by_the_listing_itself(world: PagerDutyWorld, field: str) -> None:
    id = world.sandbox.people_create("Open")
    poller = Poller(world)
    poller.poll()
    before = poller.poll()[id]
    EDITS[field](world, id)
    after = poller.poll()[id]
    assert before is not None
    assert after is not None
    assert {f for f in after.fields if after.fields[f] != before.fields[f]} == {field}
    assert after.fields == world.adapter.observe(Ref(INCIDENT, id)).fields


@pytest.mark.parametrize("how", ["resolved", "merged"])
def test_what_has_left_the_list_is_named_once(world: PagerDutyWorld, how: str) -> None:
    id, other = world.sandbox.people_create("One"), world.sandbox.people_create("Other")
    poller = Poller(world)
    if how == "merged":
        world.sandbox.people_merge(other, [id])
    else:
        world.sandbox.people_set_status(id, "resolved")
    assert poller.poll()[id] is None
    assert id not in poller.poll()


def test_what_came_and_went_between_two_polls_is_named(world: PagerDutyWorld) -> None:
    poller = Poller(world)
    id = world.sandbox.people_create("Brief")
    world.sandbox.people_set_status(id, "resolved")
    assert id in poller.poll()


def test_a_reopened_incident_is_back(world: PagerDutyWorld) -> None:
    id = world.sandbox.people_create("One")
    poller = Poller(world)
    world.sandbox.people_set_status(id, "resolved")
    poller.poll()
    world.sandbox.people_set_status(id, "triggered")
    assert id in poller.poll()


@pytest.mark.parametrize("act", ["written", "edited", "deleted"])
@pytest.mark.parametrize("per_poll", [0, 1, 5])
def test_a_changed_note_makes_its_incident_be_looked_at(act: str, per_poll: int) -> None:
    world = PagerDutyWorld(notes_per_poll=per_poll)
    ids = [world.sandbox.people_create(f"Incident {n}") for n in range(3)]
    id = ids[1]
    note = world.sandbox.people_note(id, "Here")
    poller = Poller(world)
    for _ in range(6):
        poller.poll()
    acts: dict[str, Callable[[], object]] = {
        "written": lambda: world.sandbox.people_note(id, "There"),
        "edited": lambda: world.sandbox.people_edit_note(id, note, "Everywhere"),
        "deleted": lambda: world.sandbox.people_delete_note(id, note),
    }
    acts[act]()
    looked = [i for _ in range(4) for i, seen in poller.poll().items() if seen is None]
    if per_poll == 0 and act != "written":
        assert looked == []
    else:
        assert set(looked) == {id}
        assert len(looked) <= 2


def test_a_note_on_a_resolved_incident_is_found(world: PagerDutyWorld) -> None:
    id = world.sandbox.people_create("One")
    world.sandbox.people_set_status(id, "resolved")
    poller = Poller(world)
    world.sandbox.people_note(id, "Afterwards")
    assert poller.poll()[id] is None
    assert id not in poller.poll()


def test_a_quiet_poll_costs_a_fixed_number_of_reads(world: PagerDutyWorld) -> None:
    for n in range(30):
        world.sandbox.people_create(f"Incident {n}")
    poller = Poller(world)
    for _ in range(8):
        poller.poll()
    world.sandbox.calls.clear()
    assert all(seen is not None for seen in poller.poll().values())
    paths = [path.split("?")[0] for _, path in world.sandbox.calls]
    assert paths.count("/incidents") == paths.count("/log_entries") == 1
    assert len(paths) == 2 + 5


def test_an_escalated_incident_is_asked_for_its_log_once(world: PagerDutyWorld) -> None:
    id = world.sandbox.people_create("One")
    poller = Poller(world)
    world.sandbox.people_escalate(id, 2)
    first, second = poller.poll()[id], poller.poll()[id]
    assert first is not None
    assert second is not None
    assert first.consequences == second.consequences == {"assignees"}
    asked = [p for _, p in world.sandbox.calls if p.startswith(f"/incidents/{id}/log_entries")]
    assert len(asked) == 1


def test_long_lists_are_paged_by_a_hundred(world: PagerDutyWorld) -> None:
    for n in range(230):
        world.sandbox.people_create(f"Incident {n}")
    assert len(world.adapter.changed_since(None).items) == 230
    asked = [p for _, p in world.sandbox.calls if p.startswith("/incidents?")]
    assert len(asked) == 3
    assert all("limit=100" in p and "date_range=all" in p for p in asked)


def test_services_narrow_what_is_polled() -> None:
    world = PagerDutyWorld(service_ids=["PSEARCH"])
    poller = Poller(world)
    world.sandbox.people_create("Elsewhere", "PCHECKO")
    mine = world.sandbox.people_create("Mine", "PSEARCH")
    assert set(poller.poll()) == {mine}
