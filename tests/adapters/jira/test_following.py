"""Comments, polling, history, links back and `doctor` on the stand-in, Cloud and Data Center alike."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.sandboxing import Fault
from hub.domain.errors import OutcomeUnknown, Refused
from hub.domain.values import COMMENT, INCIDENT, Desired, Update
from tests.adapters.jira.acts import KEY, calls, edition, made, mark, said
from tests.contract.worlds.jira import JiraWorld

# ---------------------------------------------------------------- comments


def test_a_comment_carries_its_mark_and_names_its_author(world: JiraWorld) -> None:
    parent, ref = said(world)
    (written,) = world.sandbox.snapshot(parent.id)["comments"]
    assert "Ada" in written
    assert (KEY in written) == (world.name == "jira-dc")
    seen = world.adapter.observe(ref)
    assert (seen.fields["text"], seen.mark) == ("Looking at it.", KEY)
    assert [o.ref for o in world.adapter.find(mark(world, COMMENT, parent))] == [ref]


def test_a_comment_whose_answer_was_lost_is_found_at_once(world: JiraWorld) -> None:
    world.sandbox.faults.append(
        Fault("late", match=lambda method, path: path.endswith("/comment") and method == "POST")
    )
    parent = world.person_makes(INCIDENT)
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(Desired(COMMENT, {"text": "x"}, parent=parent), mark(world, COMMENT, parent))
    assert len(world.adapter.find(mark(world, COMMENT, parent))) == 1


def test_the_answer_to_a_comment_shows_it(world: JiraWorld) -> None:
    parent = world.person_makes(INCIDENT)
    written = world.adapter.create(Desired(COMMENT, {"text": "x *y*"}, parent=parent), mark(world, COMMENT, parent))
    assert written.observation == world.adapter.observe(written.ref)  # type: ignore[arg-type]
    assert written.observation is not None
    assert written.observation.fields == {"text": "x *y*", "deleted": False}


def test_an_edit_keeps_mark_and_author(world: JiraWorld) -> None:
    parent, ref = said(world)
    written = world.adapter.update(ref, Update({"text": "Found it."}, {}))
    assert written.observation is not None
    assert (written.observation.fields["text"], written.observation.mark) == ("Found it.", KEY)
    (shown,) = world.sandbox.snapshot(parent.id)["comments"]
    assert shown.startswith("Found it.")
    assert "— Ada" in shown


def test_a_persons_comment_is_edited_without_a_mark_of_ours(world: JiraWorld) -> None:
    ref = world.person_makes(COMMENT)
    world.adapter.update(ref, Update({"text": "Corrected."}, {}))
    assert world.sandbox.snapshot(str(ref.parent))["comments"] == ["Corrected."]
    assert world.adapter.observe(ref).mark is None


def test_a_comment_is_deleted_and_then_absent(world: JiraWorld) -> None:
    parent, ref = said(world)
    world.adapter.update(ref, Update({"deleted": True}, {}))
    assert world.adapter.observe(ref).state == "absent"
    assert world.adapter.observe(parent).children == ()
    with pytest.raises(Refused):
        world.adapter.update(ref, Update({"text": "again"}, {}))


def test_in_a_service_desk_our_comments_are_internal() -> None:
    world = edition(service_desk=True)
    parent, ref = said(world)
    world.adapter.update(ref, Update({"text": "still inside"}, {}))
    properties = world.sandbox.issues[parent.id]["comments"][ref.id]["properties"]
    assert properties["sd.public.comment"] == {"internal": True}


# ---------------------------------------------------------------- poll, history, links back


def ids(changes: Any) -> list[str]:
    return sorted(c.ref.id for c in changes.items)


def test_the_first_poll_lists_what_is_open_and_later_ones_only_what_changed(world: JiraWorld) -> None:
    open_, done = world.sandbox.people_create("a"), world.sandbox.people_create("b")
    world.sandbox.people_move(done, "Done")
    world.clock.advance(60)
    first = world.adapter.changed_since(None)
    assert ids(first) == [open_]
    world.clock.advance(30)
    second = world.adapter.changed_since(first.cursor)
    assert ids(second) == [done]  # inside the overlap, and not returned before
    world.clock.advance(30)
    quiet = world.adapter.changed_since(second.cursor)
    assert quiet.items == ()
    world.sandbox.people_set(done, summary="c")
    world.sandbox.people_comment(open_, "x")
    world.clock.advance(30)
    assert ids(world.adapter.changed_since(quiet.cursor)) == [open_, done]


def test_a_change_that_the_index_shows_late_is_not_lost(world: JiraWorld) -> None:
    world.sandbox.search_lag = 90
    cursor = world.adapter.changed_since(None).cursor
    id = world.sandbox.people_create("late")
    found: list[str] = []
    for _ in range(6):
        world.clock.advance(30)
        changes = world.adapter.changed_since(cursor)
        cursor = changes.cursor
        found += ids(changes)
    assert found == [id]


def test_a_poll_goes_through_all_pages(world: JiraWorld) -> None:
    made_ = sorted(world.sandbox.people_create(f"no {n}") for n in range(230))
    world.clock.advance(60)
    cursor, found = None, []
    for _ in range(3):
        changes = world.adapter.changed_since(cursor)
        cursor = changes.cursor
        found += ids(changes)
    assert not changes.more
    assert sorted(found) == made_
    world.clock.advance(30)
    assert world.adapter.changed_since(cursor).items == ()


def test_a_poll_after_a_long_outage_asks_for_all_of_it(world: JiraWorld) -> None:
    cursor = world.adapter.changed_since(None).cursor
    id = world.sandbox.people_create("early")
    world.clock.advance(3 * 86_400)
    assert ids(world.adapter.changed_since(cursor)) == [id]


def test_jiras_clock_may_be_wrong_and_nothing_is_missed(world: JiraWorld) -> None:
    world.sandbox.skew = -7200
    cursor = world.adapter.changed_since(None).cursor
    id = world.sandbox.people_create("x")
    world.clock.advance(60)
    assert ids(world.adapter.changed_since(cursor)) == [id]


def test_history_shows_a_foreign_change_before_ours(world: JiraWorld) -> None:
    ref = made(world)
    before = world.adapter.history(ref, None)[1]
    world.sandbox.people_set(
        ref.id, by="ben", summary="Theirs", components=["Search"], assignee=world.sandbox.account("ben")
    )
    world.adapter.update(ref, Update({"title": "Ours"}, {}))
    changes, after = world.adapter.history(ref, before)
    told = {(c.field, repr(c.before), repr(c.after), c.actor.name) for c in changes if c.actor}
    people = world.sandbox.account
    assert told == {
        ("title", "'Payments fail'", "'Theirs'", "Ben"),
        ("services", "['Checkout']", "['Search']", "Ben"),
        ("assignees", repr(people("ada")), repr(people("ben")), "Ben"),
        ("title", "'Theirs'", "'Ours'", "Lockstep"),
    }
    titles = [c.after for c in changes if c.field == "title"]
    assert titles == ["Theirs", "Ours"]
    assert world.adapter.history(ref, after) == ([], after)


def test_a_long_history_is_read_to_the_end(world: JiraWorld) -> None:
    """Cloud shows a hundred entries with the issue, and the rest by pages."""
    ref = made(world)
    position = world.adapter.history(ref, None)[1]
    for number in range(130):
        world.sandbox.people_set(ref.id, summary=f"no {number}")
    changes, _ = world.adapter.history(ref, position)
    assert [c.after for c in changes] == [f"no {n}" for n in range(130)]


def test_links_back_are_made_once_replaced_when_they_change_and_left_alone_otherwise(world: JiraWorld) -> None:
    ref = made(world)
    context = {
        "number": "INC-7",
        "url": "https://hub.example.com/i/7",
        "links": [
            {"title": "PD #1", "url": "https://pd.example/" + "x" * 300, "system": "pagerduty"},
            {"url": ""},
            None,
        ],
    }
    for _ in range(2):
        world.adapter.link_back(ref, context)
    assert len(calls(world, "POST")) == 1 + 2
    world.adapter.link_back(ref, {**context, "url": "https://hub.example.com/incidents/7"})
    links = world.sandbox.issues[ref.id]["links"]
    assert len(links) == 2
    assert all(len(k) <= 255 for k in links)
    assert {v["object"]["url"] for v in links.values()} >= {"https://hub.example.com/incidents/7"}
    assert all(v["object"].get("title") and v.get("relationship") for v in links.values())
    world.adapter.link_back(ref, {})


# ---------------------------------------------------------------- doctor


def levels(world: JiraWorld) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"ok": [], "warn": [], "error": []}
    for finding in world.adapter.examine():
        found[finding.level].append(finding.what)
    return found


def test_a_webhook_secret_that_is_not_set_is_named(world: JiraWorld) -> None:
    for name in ("webhook_secret", "webhook_path_token", "client_secret"):
        world.secrets.values.pop(name, None)
    assert any("is not set: webhooks cannot be verified" in what for what in levels(world)["error"])


def test_a_good_connection_has_nothing_to_mend(world: JiraWorld) -> None:
    found = levels(world)
    assert found["warn"] == found["error"] == []
    assert len(found["ok"]) == 5


def test_doctor_sees_what_is_wrong(world: JiraWorld) -> None:
    box = world.sandbox
    box.skew = 300.0
    box.hooks.hooks.clear()
    box.custom_fields.append("PagerDuty Incident")
    box.names = (*box.names, "PagerDuty bot")
    id = box.people_create("x")
    box.people_comment(id, "synced", by="PagerDuty bot")
    world.clock.advance(60)
    found = levels(world)
    assert any("clock differs by 300 s" in w for w in found["warn"])
    assert any("PagerDuty's own Jira app" in w and "Pagerduty bot" in w for w in found["warn"])
    assert any("no webhook" in w for w in found["error"])


def test_doctor_says_when_webhooks_cannot_be_seen_and_when_the_credential_is_refused(world: JiraWorld) -> None:
    world.sandbox.administrator = False
    assert any("only an administrator" in w for w in levels(world)["warn"])
    world.forbid()
    found = levels(world)
    assert found["ok"] == found["warn"] == []
    assert len(found["error"]) == 1


def test_doctor_sees_the_wrong_edition() -> None:
    world = JiraWorld(cloud=False)
    world.sandbox.cloud = True
    assert any("not Data Center" in w for w in levels(world)["error"])


def test_doctor_sees_a_wrong_issue_type() -> None:
    world = edition(issue_type="Outage")
    assert any("'Outage'" in w for w in levels(world)["error"])
