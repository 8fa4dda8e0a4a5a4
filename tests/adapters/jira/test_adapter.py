"""Issues on the stand-in, on Cloud and Data Center: what is written is there, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.jira.labels import mark_label
from adapters.sandboxing import Fault
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised
from hub.domain.values import COMMENT, INCIDENT, Ref, Update
from tests.adapters.jira.acts import KEY, calls, edition, made, mark
from tests.contract.worlds.jira import JiraWorld

# ---------------------------------------------------------------- create and find


def test_a_create_is_one_request_that_carries_the_mark(world: JiraWorld) -> None:
    ref = made(world)
    assert len(world.sandbox.calls) == 1
    issue = world.sandbox.issues[ref.id]
    assert mark_label(KEY) in issue["labels"]
    assert issue["properties"] == {"lockstep": {"mark": KEY}}


def test_what_was_created_shows_as_it_was_asked_for_and_its_mark_is_no_tag(world: JiraWorld) -> None:
    ref = made(world)
    seen = world.adapter.observe(ref)
    assert dict(seen.fields) == {**world.sample(INCIDENT).fields, "tags": ["eu-west", "payments"]}
    assert seen.mark == KEY
    assert seen.type == "incident"
    assert seen.created_at == world.clock.now()
    assert ref.id.isdigit()
    assert seen.url == f"{world.contract_base}/browse/{world.sandbox.issues[ref.id]['key']}"


def test_a_create_that_landed_is_found_by_its_mark_when_the_index_has_it(world: JiraWorld) -> None:
    """The answer was lost and the id is unknown: only the search finds it, after the declared read lag."""
    world.sandbox.faults.append(Fault("late", match=lambda method, path: method == "POST"))
    with pytest.raises(OutcomeUnknown):
        made(world)
    assert world.adapter.find(mark(world)) == []
    world.clock.advance(world.adapter.capabilities.find_lag)
    assert [o.mark for o in world.adapter.find(mark(world))] == [KEY]


def test_our_own_fresh_issue_is_found_at_once_on_cloud() -> None:
    """Its id is passed to the search for reconciliation."""
    world = edition()
    ref = made(world)
    assert [o.ref for o in world.adapter.find(mark(world))] == [ref]


def test_a_clone_copies_the_label_but_is_not_ours(world: JiraWorld) -> None:
    ref = made(world)
    clone = world.sandbox.people_clone(ref.id)
    world.clock.advance(60)
    assert [o.ref for o in world.adapter.find(mark(world))] == [ref]
    assert world.adapter.observe(Ref(INCIDENT, clone)).mark is None


def test_duplicates_are_found_oldest_first(world: JiraWorld) -> None:
    first = made(world)
    world.clock.advance(5)
    second = made(world)
    world.clock.advance(60)
    assert [o.ref for o in world.adapter.find(mark(world))] == [first, second]


def test_extra_fields_of_a_project_are_sent_and_a_refusal_names_our_field() -> None:
    world = edition(create_fields={"customfield_1": {"value": "EU"}})
    with pytest.raises(Refused, match="customfield_1"):
        made(world)
    with pytest.raises(Refused) as caught:
        made(JiraWorld(cloud=True), severity="Unheard of")
    assert caught.value.field == "severity"


def test_an_empty_description_is_none_and_no_empty_text_is_sent(world: JiraWorld) -> None:
    ref = made(world, description="")
    assert world.sandbox.issues[ref.id]["description"] is None
    world.adapter.update(ref, Update({"description": "a\n\n\n\nb"}, {}))
    world.adapter.update(ref, Update({"description": ""}, {}))
    assert world.adapter.observe(ref).fields["description"] == ""


# ---------------------------------------------------------------- observe


def test_an_issue_that_is_not_shown_is_absent_never_deleted(world: JiraWorld) -> None:
    ref = made(world)
    world.sandbox.people_hide(ref.id)
    for gone in (
        ref,
        Ref(INCIDENT, "99999"),
        Ref(INCIDENT, "OPS-1"),
        Ref(COMMENT, "1", ref.id),
        Ref(COMMENT, "x/y", ".."),
    ):
        assert world.adapter.observe(gone).state == "absent"
    with pytest.raises(Refused):
        world.adapter.update(ref, Update({"title": "x"}, {}))


def test_an_issue_that_was_moved_to_another_project_keeps_its_reference(world: JiraWorld) -> None:
    ref = made(world)
    world.sandbox.people_move_project(ref.id, "PAY")
    seen = world.adapter.observe(ref)
    assert seen.ref == ref
    assert seen.url is not None
    assert "/PAY-" in seen.url


def test_only_the_configured_issue_type_is_an_incident(world: JiraWorld) -> None:
    task = world.sandbox.people_create("Tidy up", issuetype="Task")
    assert world.adapter.observe(Ref(INCIDENT, task)).type == "other"


def test_comments_come_with_their_issue_complete_and_over_pages(world: JiraWorld) -> None:
    ref = world.person_makes(INCIDENT)
    for number in range(103):
        world.sandbox.people_comment(ref.id, f"no {number}")
    seen = world.adapter.observe(ref)
    assert seen.children_complete
    assert [c.fields["text"] for c in seen.children] == [f"no {n}" for n in range(103)]


def test_a_comment_for_one_role_is_restricted(world: JiraWorld) -> None:
    ref = world.person_makes(INCIDENT)
    world.sandbox.people_comment(ref.id, "hush", role="Developers")
    world.sandbox.people_comment(ref.id, "all")
    assert [c.restricted for c in world.adapter.observe(ref).children] == [True, False]


# ---------------------------------------------------------------- update


def test_labels_and_components_are_added_and_removed_one_by_one(world: JiraWorld) -> None:
    """Elements that a person added between read and write stay."""
    ref = made(world)
    issue = world.sandbox.issues[ref.id]
    world.sandbox.people_set(ref.id, labels=[*issue["labels"], "theirs"], components=["Checkout", "Search"])
    tags = {"add": ["ours"], "remove": ["payments"]}
    world.adapter.update(ref, Update({"tags": tags, "services": {"add": ["Payments"], "remove": ["Checkout"]}}, {}))
    seen = world.adapter.observe(ref)
    assert set(seen.fields["tags"]) == {"eu-west", "theirs", "ours"}
    assert set(seen.fields["services"]) == {"Search", "Payments"}
    assert seen.mark == KEY
    assert mark_label(KEY) in issue["labels"]


def test_all_changed_fields_are_one_write_and_nothing_else_is_touched(world: JiraWorld) -> None:
    ref = made(world)
    before = world.sandbox.snapshot(ref.id)
    world.sandbox.calls.clear()
    world.adapter.update(
        ref, Update({"title": "New", "severity": "Low", "assignees": None}, {"description": "not sent"})
    )
    assert [m for m, _ in world.sandbox.calls] == ["PUT"]
    expected = before | {"summary": "New", "priority": "Low", "assignee": None}
    assert world.sandbox.snapshot(ref.id) == expected


def test_done_is_reached_by_a_walk_whose_steps_are_legal_and_a_resolution_is_set(world: JiraWorld) -> None:
    ref = made(world)
    steps = world.adapter.walk(ref, "status", "To Do", "Done")
    assert steps == ["In Progress", "Done"]
    for step in steps:
        world.adapter.update(ref, Update({"status": step}, {}))
    assert world.sandbox.issues[ref.id]["status"] == "Done"
    assert world.sandbox.issues[ref.id]["resolution"] == "Done"
    world.adapter.update(ref, Update({"status": "In Progress"}, {}))
    assert world.sandbox.issues[ref.id]["resolution"] is None


def test_the_workflow_is_learned_by_looking_at_issues(world: JiraWorld) -> None:
    one = world.sandbox.people_create("a")
    for status in ("To Do", "In Progress", "Done"):
        world.sandbox.people_move(one, status)
        world.adapter.observe(Ref(INCIDENT, one))
    assert world.notebook.pages["workflow"] == {
        "To Do": ["In Progress"],
        "In Progress": ["Done", "To Do"],
        "Done": ["In Progress"],
    }


def test_a_configured_walk_and_resolution_are_used() -> None:
    world = edition(walks={"Done": ["In Progress", "Done"]}, resolution={"Done": "Won't Do"})
    ref = made(world)
    for step in world.adapter.walk(ref, "status", "To Do", "Done"):
        world.adapter.update(ref, Update({"status": step}, {}))
    assert world.sandbox.issues[ref.id]["resolution"] == "Won't Do"


def test_a_status_that_is_there_already_is_success_without_a_write(world: JiraWorld) -> None:
    ref = made(world)
    world.sandbox.people_move(ref.id, "In Progress")
    world.sandbox.calls.clear()
    world.adapter.update(ref, Update({"status": "In Progress"}, {}))
    assert not calls(world, "POST")


def test_a_status_that_is_not_offered_is_refused_for_that_field(world: JiraWorld) -> None:
    ref = made(world)
    with pytest.raises(Refused) as caught:
        world.adapter.update(ref, Update({"status": "Done"}, {}))
    assert caught.value.field == "status"


def test_a_transition_whose_screen_cannot_be_filled_is_refused_in_words() -> None:
    world = edition(resolution={})
    ref = made(world)
    world.sandbox.people_move(ref.id, "In Progress")
    with pytest.raises(Refused, match=r"resolution.*screen_fields") as caught:
        world.adapter.update(ref, Update({"status": "Done"}, {}))
    assert caught.value.field == "status"


@pytest.mark.parametrize(("status", "error"), [(409, RetryLater), (400, Refused), (503, OutcomeUnknown)])
def test_a_transition_that_fails_means_what_jira_says(world: JiraWorld, status: int, error: Any) -> None:
    ref = made(world)
    world.sandbox.faults.append(Fault("status", status=status, body=b"{}", match=lambda m, p: m == "POST"))
    with pytest.raises(error) as caught:
        world.adapter.update(ref, Update({"status": "In Progress"}, {}))
    assert getattr(caught.value, "field", "status") == "status"


def test_fields_written_before_a_failed_transition_make_the_outcome_unknown(world: JiraWorld) -> None:
    ref = made(world)
    with pytest.raises(OutcomeUnknown, match="changed the fields, but not the status"):
        world.adapter.update(ref, Update({"title": "New", "status": "Done"}, {}))
    assert world.sandbox.issues[ref.id]["summary"] == "New"


def test_many_writes_to_one_issue_are_throttled_and_the_delay_is_told(world: JiraWorld) -> None:
    ref = made(world)
    for number in range(20):
        world.adapter.update(ref, Update({"title": f"no {number}"}, {}))
    with pytest.raises(RetryLater) as caught:
        world.adapter.update(ref, Update({"title": "one more"}, {}))
    assert caught.value.throttled
    assert caught.value.delay == 2.0
    world.clock.advance(2)
    world.adapter.update(ref, Update({"title": "later"}, {}))


def test_a_refused_credential_is_unauthorised(world: JiraWorld) -> None:
    ref = made(world)
    world.forbid()
    for act in (lambda: world.adapter.observe(ref), world.adapter.probe, lambda: made(world)):
        with pytest.raises(Unauthorised):
            act()
