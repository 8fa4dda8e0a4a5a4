"""Incidents: created once, written in one request, read back unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.sandboxing import Fault
from hub.domain.errors import OutcomeUnknown, Refused, Unauthorised
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Actor, Desired, Mark, Ref, Update
from hub.ports import LinksBack
from tests.contract.worlds.pagerduty import PagerDutyWorld


def marked(world: PagerDutyWorld, key: str = "abcdef01", kind: str = INCIDENT, parent: Ref | None = None) -> Mark:
    return Mark(kind, key, world.clock.now(), parent)


def made(world: PagerDutyWorld, key: str = "abcdef01") -> Ref:
    ref = world.adapter.create(world.sample(INCIDENT), marked(world, key)).ref
    assert ref is not None
    return ref


def writes(world: PagerDutyWorld) -> list[tuple[str, str]]:
    return [c for c in world.sandbox.calls if c[0] != "GET"]


def change(world: PagerDutyWorld, ref: Ref, actor: Actor | None = None, **changes: Any) -> Any:
    now = dict(world.adapter.observe(ref).fields)
    return world.adapter.update(ref, Update(changes, {**now, **changes}, actor=actor))


def test_a_create_carries_its_mark_and_shows_what_was_made() -> None:
    world = PagerDutyWorld()
    written = world.adapter.create(world.sample(INCIDENT), marked(world))
    seen = written.observation
    assert seen is not None
    assert (seen.mark, seen.dedup_key, written.existed) == ("abcdef01", "lockstep:abcdef01", False)
    assert seen.fields == {
        "status": "triggered", "severity": ["P2", "high"], "title": "Checkout is slow", "services": "PCHECKO",
        "assignees": ["PBOB002"],
    }  # fmt: skip
    assert world.sandbox.incidents[seen.ref.id].details == "p99 above 4 s since 09:00"
    assert [c[1] for c in writes(world)] == ["/incidents"]


def test_a_used_key_finds_the_incident_that_has_it() -> None:
    world = PagerDutyWorld()
    first = made(world)
    again = world.adapter.create(world.sample(INCIDENT), marked(world))
    assert (again.ref, again.existed) == (first, True)
    assert len(world.sandbox.incidents) == 1


def test_another_400_is_refused_in_pagerdutys_words() -> None:
    world = PagerDutyWorld()
    desired = world.sample(INCIDENT)
    bad = Desired(INCIDENT, {**desired.fields, "services": "PNOWHERE"})
    with pytest.raises(Refused, match="Service not found"):
        world.adapter.create(bad, marked(world))
    assert not world.sandbox.incidents


def test_a_create_whose_answer_was_lost_is_found_by_its_mark() -> None:
    world = PagerDutyWorld()
    world.sandbox.faults.append(Fault("late", match=lambda method, path: method == "POST"))
    with pytest.raises(OutcomeUnknown):
        made(world)
    [found] = world.adapter.find(marked(world))
    assert found.mark == "abcdef01"
    assert list(world.adapter.find(marked(world, "abcdef02"))) == []


def test_find_shows_resolved_incidents_too() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    world.sandbox.people_set_status(ref.id, "resolved")
    world.clock.advance(90 * 86_400)
    assert [o.ref for o in world.adapter.find(marked(world))] == [ref]


def test_an_incident_key_of_a_monitor_is_no_mark_of_ours() -> None:
    world = PagerDutyWorld()
    id = world.sandbox.people_create("Disk full", key="dfead9d88e0649e8b7dee514b1875756")
    seen = world.adapter.observe(Ref(INCIDENT, id))
    assert (seen.mark, seen.dedup_key) == (None, "dfead9d88e0649e8b7dee514b1875756")


def test_an_incident_that_is_acknowledged_already_is_born_so() -> None:
    world = PagerDutyWorld()
    desired = world.sample(INCIDENT)
    written = world.adapter.create(Desired(INCIDENT, {**desired.fields, "status": "acknowledged"}), marked(world))
    assert written.observation is not None
    assert written.observation.fields["status"] == "acknowledged"


def test_without_a_service_a_create_is_refused_or_goes_to_the_default_one() -> None:
    fields = {k: v for k, v in PagerDutyWorld().sample(INCIDENT).fields.items() if k != "services"}
    world = PagerDutyWorld()
    with pytest.raises(Refused) as refused:
        world.adapter.create(Desired(INCIDENT, fields), marked(world))
    assert refused.value.field == "services"
    world = PagerDutyWorld(default_service="PSEARCH")
    written = world.adapter.create(Desired(INCIDENT, fields), marked(world))
    assert written.observation is not None
    assert written.observation.fields["services"] == "PSEARCH"


def test_all_changed_fields_go_in_one_write() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    world.sandbox.calls.clear()
    written = world.adapter.update(
        ref,
        Update(
            {"status": "acknowledged", "severity": ["P1", "low"], "title": "Down", "assignees": {"add": ["PCYD003"], "remove": []}},
            {"status": "acknowledged", "assignees": ["PBOB002", "PCYD003"]},
        ),
    )  # fmt: skip
    assert writes(world) == [("PUT", f"/incidents/{ref.id}")]
    assert written.observation is not None
    assert written.observation.fields == {
        "status": "acknowledged", "severity": ["P1", "low"], "title": "Down", "services": "PCHECKO",
        "assignees": ["PBOB002", "PCYD003"],
    }  # fmt: skip


def test_priorities_are_looked_up_once_and_an_unknown_one_is_refused() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    change(world, ref, severity=["P1", "high"])
    change(world, ref, severity=["P3", "high"])
    assert [c[1] for c in world.sandbox.calls].count("/priorities?limit=100&offset=0") == 1
    with pytest.raises(Refused, match="P9"):
        change(world, ref, severity=["P9", "high"])


def test_a_resolved_incident_has_no_assignees_and_that_is_no_edit() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    written = change(world, ref, status="resolved")
    seen = world.adapter.observe(ref)
    assert seen.fields["assignees"] == []
    assert seen.consequences == written.observation.consequences == {"assignees"}
    world.sandbox.calls.clear()
    world.adapter.update(
        ref, Update({"assignees": {"add": ["PCYD003"], "remove": []}}, {"status": "resolved", "assignees": []})
    )
    assert writes(world) == []


def test_an_escalations_assignees_are_no_edit_and_a_persons_are() -> None:
    world = PagerDutyWorld()
    ref = Ref(INCIDENT, world.sandbox.people_create("By hand"))
    world.clock.advance(5)
    assert world.adapter.observe(ref).consequences == frozenset()
    world.sandbox.people_escalate(ref.id, 2)
    seen = world.adapter.observe(ref)
    assert (seen.fields["assignees"], seen.consequences) == (["PBOB002"], {"assignees"})
    world.sandbox.people_assign(ref.id, ["PCYD003"])
    assert world.adapter.observe(ref).consequences == frozenset()


def test_the_log_is_read_again_only_when_others_have_the_incident() -> None:
    world = PagerDutyWorld()
    ref = Ref(INCIDENT, world.sandbox.people_create("By hand", priority="P2"))

    def look() -> tuple[int, frozenset[str]]:
        """(number of reads of the log, fields that are consequences)"""
        before, seen = len(world.sandbox.calls), world.adapter.read_fields(ref)
        return sum("/log_entries" in path for _, path in world.sandbox.calls[before:]), seen.consequences

    world.clock.advance(5)
    world.sandbox.people_escalate(ref.id, 2)
    assert look() == (1, {"assignees"})
    world.clock.advance(5)
    change(world, ref, severity=["P1", "high"])
    assert look() == (0, {"assignees"})
    world.clock.advance(5)
    world.sandbox.people_escalate(ref.id, 1)
    assert look() == (1, {"assignees"})
    world.sandbox.people_assign(ref.id, ["PCYD003"])
    assert look() == (0, frozenset())


def test_an_open_incident_is_never_left_to_nobody() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    with pytest.raises(Refused) as refused:
        world.adapter.update(
            ref, Update({"assignees": {"add": [], "remove": ["PBOB002"]}}, {"status": "triggered", "assignees": []})
        )  # fmt: skip
    assert refused.value.field == "assignees"
    assert world.sandbox.incidents[ref.id].assignees == ["PBOB002"]


def test_reopening_works_where_it_is_allowed() -> None:
    world = PagerDutyWorld(reopen=True)
    ref = made(world)
    change(world, ref, status="resolved")
    assert change(world, ref, status="triggered").observation.fields["status"] == "triggered"


def test_a_change_is_made_in_the_persons_own_name_if_they_are_a_user() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    who = world.sandbox.incidents[ref.id]
    change(world, ref, Actor("Bob", "BOB@example.com"), status="acknowledged")
    assert who.status_by["id"] == "PBOB002"
    change(world, ref, Actor("Eve", "eve@elsewhere.example"), status="resolved")
    assert who.status_by["id"] == "PLOCK00"
    change(world, ref, Actor("Eve", "eve@elsewhere.example"), title="x")
    change(world, ref, Actor("Cyd", "cyd@example.com", account="5b10ac8d82e05b22cc7d4ef5"), severity=["P1", "low"])
    assert len([c for c in world.sandbox.calls if c[1].startswith("/users")]) == 4
    assert world.adapter._requesters.sender(Actor("Cyd", account="5b10ac8d82e05b22cc7d4ef5")) == "cyd@example.com"


def test_a_person_who_creates_for_themselves_does_not_acknowledge_by_that() -> None:
    world = PagerDutyWorld()
    desired = Desired(INCIDENT, world.sample(INCIDENT).fields, actor=Actor("Bob", account="PBOB002"))
    written = world.adapter.create(desired, marked(world))
    assert written.observation is not None
    assert written.observation.fields["status"] == "triggered"


def test_a_merged_incident_is_at_its_end_and_names_the_one_that_took_it_in() -> None:
    world = PagerDutyWorld()
    source, target = made(world, "abcdef01"), made(world, "abcdef02")
    world.sandbox.people_merge(target.id, [source.id])
    seen = world.adapter.observe(source)
    assert (seen.merged_into, seen.terminal, seen.fields["status"]) == (target, True, "resolved")
    plain = world.adapter.observe(target)
    assert (plain.merged_into, plain.terminal) == (None, False)


def test_a_snooze_changes_no_field_of_an_acknowledged_incident() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    change(world, ref, status="acknowledged")
    before = world.adapter.observe(ref)
    world.sandbox.people_snooze(ref.id, 3600)
    assert world.adapter.observe(ref).fields == before.fields


def test_404_is_absent_and_never_deleted() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    world.sandbox.hidden.add(ref.id)
    assert world.adapter.observe(ref).state == "absent"
    assert world.adapter.observe(Ref(COMMENT, "PNONE", ref.id)).state == "absent"
    assert world.adapter.observe(Ref(INCIDENT, "../users")).state == "absent"
    with pytest.raises(Refused):
        world.adapter.update(ref, Update({"title": "x"}, {"title": "x"}))


def test_notes_are_comments_whose_mark_never_shows() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    mark = marked(world, "cccccc01", COMMENT, ref)
    written = world.adapter.create(Desired(COMMENT, {"text": "We look"}, parent=ref, context={"author": "Ada"}), mark)
    assert written.observation is not None
    assert (written.observation.fields, written.observation.mark) == ({"text": "We look", "deleted": False}, "cccccc01")
    assert world.sandbox.snapshot(ref.id)["comments"] == ["We look\n\n— Ada [ls:cccccc01]"]
    assert [o.ref for o in world.adapter.find(mark)] == [written.ref]
    assert written.ref is not None
    world.adapter.update(written.ref, Update({"text": "We found it"}, {"text": "We found it"}))
    seen = world.adapter.observe(written.ref)
    assert (seen.fields["text"], seen.mark) == ("We found it", "cccccc01")
    whole = world.adapter.observe(ref)
    assert (whole.children, whole.children_complete) == ((seen,), True)
    world.adapter.update(written.ref, Update({"deleted": True}, {}))
    world.adapter.update(written.ref, Update({"deleted": True}, {}))
    assert world.adapter.observe(ref).children == ()


def test_a_persons_note_is_edited_without_a_mark() -> None:
    world = PagerDutyWorld()
    ref = world.person_makes(COMMENT)
    world.adapter.update(ref, Update({"text": "Corrected"}, {"text": "Corrected"}))
    assert world.sandbox.snapshot(str(ref.parent))["comments"] == ["Corrected"]


def test_a_status_update_goes_out_and_is_never_looked_for() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    mark = marked(world, "dddddd01", UPDATE, ref)
    written = world.adapter.create(Desired(UPDATE, {"text": "A fix is on its way"}, parent=ref), mark)
    assert world.sandbox.snapshot(ref.id)["updates"] == ["A fix is on its way"]
    assert list(world.adapter.find(mark)) == []
    assert written.ref is not None
    with pytest.raises(Refused):
        world.adapter.update(written.ref, Update({"text": "x"}, {"text": "x"}))


def test_the_custom_field_gets_the_address_where_it_is_defined() -> None:
    context = {"url": "https://hub.example.com/incidents/INC-1"}
    world = PagerDutyWorld(custom_field="lockstep")
    ref = made(world)
    with pytest.raises(Refused):
        world.adapter.link_back(ref, context)
    world.sandbox.custom_fields.add("lockstep")
    world.adapter.link_back(ref, context)
    world.adapter.link_back(ref, context)
    assert world.sandbox.snapshot(ref.id)["custom_fields"] == {"lockstep": context["url"]}
    assert not isinstance(PagerDutyWorld().adapter, LinksBack)


def test_the_history_shows_each_change_of_status_once_and_who_made_it() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    nothing, position = world.adapter.history(ref, None)
    assert list(nothing) == []
    world.sandbox.people_set_status(ref.id, "acknowledged", "PBOB002")
    change(world, ref, status="resolved")
    seen, position = world.adapter.history(ref, position)
    assert [(c.before, c.after, c.actor.name) for c in seen if c.actor] == [
        ("triggered", "acknowledged", "Bob"), ("acknowledged", "resolved", "Lockstep"),
    ]  # fmt: skip
    again, _ = world.adapter.history(ref, position)
    assert list(again) == []


def test_a_wrong_key_is_unauthorised_and_never_shown() -> None:
    world = PagerDutyWorld()
    ref = made(world)
    world.forbid()
    with pytest.raises(Unauthorised) as error:
        world.adapter.observe(ref)
    assert "sandbox-token" not in str(error.value)
