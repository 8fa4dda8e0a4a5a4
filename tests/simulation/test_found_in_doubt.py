"""Defects that seeds of the simulation found about updates of unknown outcome, as in `test_found`."""

from __future__ import annotations

from datetime import timedelta

from hub import services
from hub.domain.values import COMMENT
from tests.simulation.rest import rows
from tests.simulation.script import Play
from tests.simulation.server import Thing
from tests.simulation.test_found import until
from tests.simulation.test_scenarios import begun


def passes(play: Play) -> None:
    """Lets 150 seconds pass: no vendor carries out a write after that."""
    over = play.world.clock.now() + timedelta(seconds=150)
    until(play, lambda: play.world.clock.now() >= over)


def rephrased_in_doubt(play: Play) -> Thing:
    """Makes a comment whose edit is lost before Jira gets it, with unknown outcome; returns the copy in Jira."""
    play.ask(lambda hub: services.add_comment(hub, "1", "said", actor="ada"))
    play.settle()
    (comment,) = rows(play.world, "SELECT id FROM comments")
    (copy,) = play.server("jira").of_kind(COMMENT)
    play.fate("jira update", "lost_before")
    play.ask(lambda hub: services.edit_comment(hub, comment["id"], "rephrased", actor="bob"))
    until(play, lambda: play.journal("outcome_unknown"))
    return copy


def test_what_the_history_has_shown_is_not_taken_for_the_next_write_of_unknown_outcome() -> None:
    """A person reopens in PagerDuty between our read and our write; the history shows it, and it is written everywhere, even if
    our own write of it is lost once."""
    play = begun("history, judged once")
    play.edit(status="acknowledged")
    play.settle()
    play.during('pd update pd-1 {"status": "resolved"}', lambda: play.at("pd", status="triggered"))
    play.during('pd update pd-1 {"status": "resolved"}', lambda: play.fate("pd history", "lost_before"), moment="after")
    play.fate('pd update pd-1 {"status": "triggered"}', "lost_before")
    play.at("chat", status="resolved")
    play.end()
    assert play.fields()["status"] == "triggered"
    assert play.thing("pd").fields["status"] == "triggered"


def test_a_conditional_write_that_came_too_late_is_no_failed_write() -> None:
    """The card changed between our read and our write: it is read again, merged and written, without a person."""
    play = begun("too late")
    play.during("chat update", lambda: play.at("chat", severity="SEV4"))
    play.edit(title="ours")
    play.end()
    assert (play.fields()["title"], play.fields()["severity"]) == ("ours", "SEV4")
    assert play.thing("chat").fields["title"] == "ours"
    assert not rows(play.world, "SELECT id FROM outbox WHERE state = 'failed'")


def test_our_own_write_of_unknown_outcome_is_no_edit_although_the_object_was_not_shown_meanwhile() -> None:
    """PagerDuty applies our title without an answer, then hides the incident for a while: the newer title is kept."""
    play = begun("in doubt and hidden")
    play.fate("pd update", "lost_after")
    play.edit(title="ours")
    until(play, lambda: play.journal("outcome_unknown"), webhooks=False)
    thing, clock = play.thing("pd"), play.world.clock
    play.world.hidden[thing.ref] = clock.now() + timedelta(seconds=200)
    play.edit(title="newer")
    until(play, lambda: play.link("pd")["state"] == "unreachable", webhooks=False)
    play.world.hidden.clear()
    play.ask(lambda hub: services.refresh_link(hub, play.link("pd")["id"]))
    play.settle()
    assert set(play.shown("title").values()) == {"newer"}
    assert not play.journal("overruled")


def test_a_comment_whose_deletion_nobody_said_is_gone_although_a_write_to_it_is_in_doubt() -> None:
    """A comment with our edit in doubt is deleted in Jira and the webhook is lost: neither a read by id nor its ticket shows it,
    so it is gone."""
    play = begun("deleted in doubt")
    copy = rephrased_in_doubt(play)
    play.server("jira").delete(copy, "cy")
    play.world.network.flights.clear()
    until(play, lambda: play.journal("unreachable"))
    play.at("jira", title="newer")
    play.settle()
    assert play.journal("gone")
    assert not [c for s in ("pd", "chat") for c in play.server(s).of_kind(COMMENT) if not c.fields["deleted"]]


def test_who_was_assigned_by_a_write_in_doubt_is_no_edit_although_another_person_was_assigned_too() -> None:
    """We assign Ada in PagerDuty, a person assigns Bob there, and Ada is unassigned in the hub before the outcome is known: she
    stays unassigned."""
    play = begun("assigned in doubt")

    def meanwhile() -> None:
        play.server("pd").change(play.thing("pd"), "assignees", ["PU-bob"], "cy")
        play.fate("pd history", "lost_before")
        play.edit(assignees=[])

    play.during("pd update", meanwhile)
    play.edit(assignees=["ada"])
    play.settle()
    assert play.fields()["assignees"] == ["bob"]
    assert play.thing("pd").fields["assignees"] == ["PU-bob"]


def test_whom_a_person_assigned_is_not_taken_for_our_own_write_in_doubt_that_never_came() -> None:
    """Our assignment of Ada and Bob in PagerDuty has an unknown outcome; Ada is unassigned in the hub; then a person assigns her
    there. The history shows only that person's entry: it is an edit, and the journal records what became of it."""
    play = begun("assigned by another")
    play.fate("pd update", "lost_before")
    play.edit(assignees=["ada", "bob"])
    until(play, lambda: play.journal("outcome_unknown"))
    play.edit(assignees=["bob"])
    play.at("pd", assignees=["PU-ada"])
    play.end()
    told = [line for line in play.journal("changed") + play.journal("overruled") if line["field"] == "assignees/ada"]
    assert [line["value"] for line in told][2:] == [True]


def test_what_came_between_our_read_and_our_write_is_found_after_a_pause_too() -> None:
    """After our write the history cannot be read, and the hub is paused: a refresh during the pause does not settle the write,
    so the history is read after the pause, and the journal keeps the person's priority."""
    play = begun("paused in doubt")
    play.during("pd update pd-1", lambda: play.at("pd", severity=["", "high"]))
    play.during("pd update pd-1", lambda: play.fate("pd history", "lost_before"), moment="after")
    play.edit(severity="SEV4")
    until(play, lambda: play.journal("outcome_unknown"), webhooks=False)
    play.ask(lambda hub: services.set_pause(hub, True, actor="ada"))
    passes(play)
    play.ask(lambda hub: services.set_pause(hub, False, actor="ada"))
    play.end()
    assert [line["values"] for line in play.journal("gap")] == [{"severity": ["", "high"]}]


def test_a_write_in_doubt_whose_link_was_let_go_of_is_no_edit_when_it_is_linked_again() -> None:
    """Our write takes effect without an answer; the severity is set back in the hub, and PagerDuty's incident is unlinked and
    linked again: the value there is our own, so the hub's is written over it and is not copied anywhere as an edit."""
    play = begun("let go of in doubt")
    play.fate("pd update", "lost_after")
    play.edit(severity="SEV4")
    until(play, lambda: play.journal("outcome_unknown"))
    play.edit(severity="SEV2")
    link = play.link("pd")
    play.ask(lambda hub: services.unlink(hub, link["id"], actor="ada"))
    until(play, lambda: rows(play.world, "SELECT id FROM outbox WHERE state = 'withdrawn' AND link_id = ?", link["id"]))
    play.world.ledger.relinked.add(link["id"])
    play.ask(lambda hub: services.relink(hub, "1", "pd", "primary", link["remote_id"], actor="ada"))
    play.end()
    assert play.fields()["severity"] == "SEV2"
    assert play.thing("pd").fields["severity"][0] == "P2"


def test_what_a_person_did_and_took_back_is_not_taken_for_our_own_write_in_doubt_that_never_came() -> None:
    """Resolved and reopened in PagerDuty, both observed; then resolved in the hub, and that write is lost: it stays resolved."""
    play = begun("done before")
    play.edit(status="acknowledged")
    play.settle()
    for status in ("resolved", "acknowledged"):
        play.at("pd", status=status)
        play.settle()
    play.fate('pd update pd-1 {"status": "resolved"}', "lost_before")
    play.edit(status="resolved")
    play.end()
    assert (play.fields()["status"], play.thing("pd").fields["status"]) == ("resolved", "resolved")
    assert play.journal("outcome_unknown")


def test_what_came_before_a_step_of_ours_is_found_although_a_refresh_in_a_pause_has_seen_the_step() -> None:
    """Our step through Jira's workflow overwrote a person's move; the history cannot be read, and the hub is paused: the history is
    read after the pause, and the journal keeps the person's status."""
    play = begun("a step in doubt")
    step = 'jira update jira-1 {"status": "In Progress"}'
    play.during(step, lambda: play.at("jira", status="Blocked"))
    play.during(step, lambda: play.fate("jira history", "throttled"), moment="after")
    play.edit(status="resolved")
    until(play, lambda: play.journal("outcome_unknown"), webhooks=False)
    play.ask(lambda hub: services.set_pause(hub, True, actor="ada"))
    passes(play)
    play.ask(lambda hub: services.set_pause(hub, False, actor="ada"))
    play.end()
    assert [line["values"] for line in play.journal("gap")] == [{"status": "Blocked"}]


def test_a_comment_not_shown_by_id_is_searched_in_its_parent() -> None:
    """A comment with our edit in doubt is deleted in Jira during a pause, and the webhook is lost: a read by id that finds nothing
    makes the hub read the ticket again."""
    play = begun("not shown by its id")
    copy = rephrased_in_doubt(play)
    play.ask(lambda hub: services.set_pause(hub, True, actor="ada"))
    play.server("jira").delete(copy, "cy")
    play.world.network.flights.clear()
    for _ in range(2):  # until no poll lists the ticket because of the deletion
        passes(play)
    play.ask(lambda hub: services.set_pause(hub, False, actor="ada"))
    until(play, lambda: play.journal("unreachable"))
    play.settle()
    assert play.journal("gone")
    assert not [c for s in ("pd", "chat") for c in play.server(s).of_kind(COMMENT) if not c.fields["deleted"]]


def test_what_a_refresh_has_heard_since_our_write_in_doubt_is_not_heard_again_from_the_history() -> None:
    """After our write to PagerDuty the history cannot be read, and the hub is paused; a person's priority is observed in the
    pause, then changed in the hub: the history does not bring the older one back."""
    play = begun("heard since")
    play.during("pd update pd-1", lambda: play.fate("pd history", "lost_before"), moment="after")
    play.edit(severity="SEV4")
    until(play, lambda: play.journal("outcome_unknown"), webhooks=False)
    play.ask(lambda hub: services.set_pause(hub, True, actor="ada"))
    passes(play)
    play.at("pd", severity=["P3", "high"])
    until(play, lambda: play.journal("overruled"))
    play.at("pd", severity=["P5", "low"])
    until(play, lambda: play.fields()["severity"] == "SEV5")
    play.edit(severity="SEV1")
    play.ask(lambda hub: services.set_pause(hub, False, actor="ada"))
    play.end()
    assert play.fields()["severity"] == "SEV1"
    assert play.thing("pd").fields["severity"][0] == "P1"


def test_whom_a_person_replaced_in_a_pause_is_known_although_our_own_assignment_is_in_doubt() -> None:
    """Cy is assigned in the hub and Jira's answer is lost; during the pause Ada takes the ticket over: Cy is unassigned everywhere."""
    play = begun("replaced in doubt")
    play.fate("jira update", "lost_after")
    play.edit(assignees=["cy"])
    until(play, lambda: play.journal("outcome_unknown"), webhooks=False)
    play.ask(lambda hub: services.set_pause(hub, True, actor="ada"))
    passes(play)
    play.at("jira", assignees="JU-ada")
    passes(play)
    play.ask(lambda hub: services.set_pause(hub, False, actor="ada"))
    play.end()
    assert play.fields()["assignees"] == ["ada"]


def test_what_our_write_in_doubt_added_to_a_set_is_no_edit_when_another_person_has_removed_their_own_since() -> None:
    """A person adds a label in Jira between our read and our write of two more, its outcome is unknown, the two are removed in
    the hub, and the person removes theirs: the history's last entry ends with what we had sent, and is not ours."""
    play = begun("labels in doubt")

    def meanwhile() -> None:
        play.server("jira").change(play.thing("jira"), "tags", ["vip"], "bob")
        play.fate("jira history", "lost_before")

    play.during("jira update", meanwhile)
    play.edit(tags=["db", "eu"])
    until(play, lambda: play.journal("outcome_unknown"))
    play.edit(tags=["cache"])
    play.server("jira").change(play.thing("jira"), "tags", ["db", "eu"], "bob")
    play.settle()
    assert play.fields()["tags"] == ["cache"]
    assert play.thing("jira").fields["tags"] == ["cache"]
    assert [line["value"] for line in play.journal("changed") if line["field"] == "tags/db"] == [True, None]
