"""Each trap of the design as a scripted run of the whole hub over the model vendors, and a few other promises as scripts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from hub import services
from hub.domain.values import COMMENT, INCIDENT
from hub.sync.inbound.poll import PACE
from tests.simulation.rest import rows
from tests.simulation.script import Play
from tests.simulation.styles import posts_only, teams


def begun(name: str, **more: Any) -> Play:
    """A world with one incident that all four systems show."""
    play = Play(name, **more)
    play.open()
    play.settle()
    play.approve()
    play.settle()
    return play


def test_trap_01_an_edit_of_the_same_field_in_the_gap_goes_through_authority() -> None:
    """A title set in Jira between our read and our write is found in the history and not lost silently."""
    play = begun("trap 1")
    play.during("jira update", lambda: play.at("jira", title="theirs"))
    play.edit(title="ours")
    play.end()
    assert play.journal("gap")[0]["values"] == {"title": "theirs"}
    assert len(set(play.shown("title").values())) == 1


def test_trap_01_where_the_vendor_has_conditional_writes_ours_is_refused_and_done_again() -> None:
    """An edit of the card between our read and our write fails the conditional write; the person's edit is kept."""
    play = begun("trap 1, conditional")
    play.during("chat update", lambda: play.at("chat", title="theirs"))
    play.edit(title="ours")
    play.end()
    assert "theirs" in [c.value for c in play.world.ledger.canon[play.link("chat")["incident_id"], "title"]] or any(
        line["value"] == "theirs" for line in play.journal("overruled")
    )


def test_trap_02_an_edit_of_another_field_in_the_gap_survives_our_write() -> None:
    """We write the severity while a person changes the tags: both reach all systems, and nothing is written twice."""
    play = begun("trap 2")
    play.during("jira update", lambda: play.at("jira", tags=["db"]))
    play.edit(severity="SEV1")
    play.end()
    assert (play.fields()["tags"], play.fields()["severity"]) == (["db"], "SEV1")


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "lands_late"])
@pytest.mark.parametrize("connection", ["pd", "jira", "chat", "page"])
def test_trap_03_a_create_of_unknown_outcome_is_looked_for_before_it_is_done_again(connection: str, fault: str) -> None:
    """Whether the vendor did not act, acted before the time-out, or acts later: one object exists."""
    play = Play(f"trap 3 {connection} {fault}")
    play.fate(f"{connection} create incident", fault)
    play.open()
    for _ in range(2):
        play.world.tick(1)
        while play.world.work():
            pass
    if connection == "page":
        play.approve()
    play.end()
    assert len(play.objects(connection)) == 1


def test_trap_03_without_find_duplicates_never_exceed_the_unknown_outcomes() -> None:
    """A route that only posts: one time-out, at most two posts, and a line in the journal."""
    play = Play("trap 3, posts only", styles={"chat": posts_only(teams())})
    play.fate("chat create incident", "lost_after")
    play.open()
    play.end()
    assert len(play.objects("chat")) == 2
    assert play.journal("possible_duplicate")


def test_trap_04_the_middle_of_our_own_walk_is_no_news_and_a_person_who_acts_in_it_is() -> None:
    """A resolve takes Jira through its workflow; a person's move during it is taken as an edit."""
    play = begun("trap 4")
    play.edit(status="resolved")
    play.settle()
    assert play.thing("jira").fields["status"] == "Done"
    assert play.fields()["status"] == "resolved"
    play.edit(status="acknowledged")
    play.during('jira update jira-1 {"status": "In Progress"}', lambda: play.at("jira", severity="Low"), "after")
    play.end()
    assert play.fields()["severity"] == "SEV4"
    assert play.fields()["status"] == "acknowledged"


def test_trap_05_a_read_that_began_before_our_write_is_no_revert() -> None:
    """A read that shows the old title and returns after our write is discarded."""
    play = begun("trap 5")
    link = play.link("jira")["id"]
    play.during("jira observe", lambda: _write_meanwhile(play), "after")
    play.ask(lambda hub: services.refresh_link(hub, link))
    play.end()
    assert play.fields()["title"] == "ours"


def _write_meanwhile(play: Play) -> None:
    play.edit(title="ours")
    play.world.tick(1)
    while play.world.work():
        pass


def test_trap_06_a_person_who_acts_through_our_own_account_is_heard() -> None:
    """A change made through the hub's account counts like any other: nothing is dropped by its author."""
    play = begun("trap 6")
    server, thing = play.server("jira"), play.thing("jira")
    server.change(thing, "title", "by our account", "lockstep-bot")
    play.end()
    assert set(play.shown("title").values()) == {"by our account"}


def test_trap_07_an_acknowledgement_that_times_out_pulls_no_later_state_back_and_a_reopen_does() -> None:
    """PagerDuty's time-out does not change "monitoring" or the public page; a person's reopen is taken."""
    play = begun("trap 7")
    play.edit(status="monitoring")
    play.settle()
    play.server("pd").expire(play.thing("pd"))
    play.settle()
    assert play.fields()["status"] == "monitoring"
    assert play.thing("page").fields["status"] == "monitoring"
    play.edit(status="resolved")
    play.settle()
    play.at("pd", status="triggered")
    play.end()
    assert play.fields()["status"] == "triggered"


def test_trap_08_a_vendors_consequences_are_not_edits() -> None:
    """PagerDuty clears the assignees of a resolved incident, and escalates: assignees in other systems stay."""
    play = begun("trap 8")
    play.edit(assignees=["ada"])
    play.settle()
    play.server("pd").escalate(play.thing("pd"), ["PU-bob"])
    play.settle()
    assert play.fields()["assignees"] == ["ada"]
    play.at("pd", status="resolved")
    play.end()
    assert play.thing("pd").fields["assignees"] == []
    assert play.thing("jira").fields["assignees"] == "JU-ada"


def test_trap_09_a_recurrence_is_a_new_incident_linked_to_the_last() -> None:
    """While an incident with the key is open no second is opened; after its end a second is, and names the first."""
    play = begun("trap 9")
    play.open()
    play.settle()
    assert len(rows(play.world, "SELECT id FROM incidents")) == 1
    play.edit(status="resolved")
    play.settle()
    play.open()
    play.end()
    first, second = rows(play.world, "SELECT id, previous_id FROM incidents ORDER BY number")
    assert second["previous_id"] == first["id"]


def test_trap_10_of_merged_incidents_the_winners_links_stay_primary() -> None:
    """A merge in PagerDuty is a merge in the hub: the loser's objects become secondary and end with the winner; none is made twice."""
    play = begun("trap 10")
    other = play.server("pd").make(
        INCIDENT,
        {"title": "another", "status": "triggered", "severity": ["P2", "high"], "services": "PS-mail", "assignees": []},
        "cy",
    )
    play.settle()
    objects = len(play.objects("jira"))
    play.server("pd").merge(other, play.thing("pd"), "cy")
    play.settle()
    slots = {
        r["slot"] for r in rows(play.world, "SELECT slot FROM links WHERE kind = 'incident' AND connection = 'jira'")
    }
    assert slots == {"primary", "secondary-1"}
    play.edit(status="resolved")
    play.end()
    assert len(play.objects("jira")) == objects
    assert {t.fields["status"] for t in play.objects("jira")} == {"Done"}


def test_trap_11_comments_are_matched_by_id_and_mark_never_by_text() -> None:
    """Two comments with the same text are both kept. An edit or deletion reaches only the copies of its own comment."""
    play = begun("trap 11")
    first, second = play.says("pd", "same words"), play.says("jira", "same words")
    play.world.ledger.said.clear()
    play.settle()
    assert len(play.server("chat").comments(play.thing("chat"))) == 2
    play.server("pd").change(first, "text", "other words", "cy")
    play.server("jira").delete(second, "cy")
    play.end()
    assert [c.fields["text"] for c in play.server("chat").comments(play.thing("chat"))] == ["other words"]


def test_trap_11_a_restricted_comment_is_copied_nowhere() -> None:
    """A comment for a restricted audience stays where it was written."""
    play = begun("trap 11, restricted")
    play.server("jira").make(COMMENT, {"text": "secret"}, "cy", play.thing("jira").ref, restricted=True)
    play.end()
    assert not [t for s in ("pd", "chat") for t in play.server(s).of_kind(COMMENT)]


def test_trap_12_not_found_is_not_deleted() -> None:
    """An issue that is not shown any more is unreachable, no other is made in its place, and it recovers."""
    play = begun("trap 12")
    thing = play.thing("jira")
    thing.state = "deleted"
    play.server("jira")._view(thing)
    link = play.link("jira")["id"]
    play.ask(lambda hub: services.refresh_link(hub, link))
    play.settle()
    assert play.link("jira")["state"] == "unreachable"
    thing.state = "present"
    play.server("jira")._view(thing)
    play.world.tick(400)
    play.end()
    assert play.link("jira")["state"] == "live"
    assert len(play.objects("jira")) == 1


def test_trap_13_a_marked_object_belongs_to_its_link_and_an_unmarked_one_waits_or_is_proposed() -> None:
    """Our own late create is not adopted as unmatched; a person's object is linked to the one incident that it fits."""
    play = Play("trap 13")
    play.fate("jira create incident", "lands_late")
    play.open()
    play.settle()
    assert len(rows(play.world, "SELECT id FROM incidents")) == 1
    other = Play("trap 13, adopted")
    other.open(severity="SEV5", services=["mail"])  # below the severity for which policy wants a Jira issue
    other.settle()
    other.server("jira").make(
        INCIDENT,
        {"title": "by hand", "status": "To Do", "severity": "Lowest", "services": ["JC-mail"], "tags": []},
        "cy",
    )
    other.end()
    assert other.link("jira")["slot"] == "primary"
    assert len(rows(other.world, "SELECT id FROM incidents")) == 1


def test_trap_14_an_object_of_another_integration_is_adopted_and_not_doubled() -> None:
    """PagerDuty's own app makes a Jira issue for the same service where policy wants none of ours: that issue is linked."""
    play = Play("trap 14")
    play.open(severity="SEV4", services=["mail"])
    play.settle()
    play.server("jira").make(
        INCIDENT,
        {"title": "by the app", "status": "To Do", "severity": "Low", "services": ["JC-mail"]},
        "pagerduty-app",
    )
    play.settle()
    play.edit(severity="SEV1")
    play.end()
    assert len(play.objects("jira")) == 1


def test_trap_15_a_draft_that_the_end_has_overtaken_is_withdrawn_and_an_approval_is_of_one_content() -> None:
    """Resolved while the draft is held: nothing is published. Changed since it was read: the approval is refused."""
    play = Play("trap 15")
    play.open()
    play.settle()
    link = play.link("page")["id"]
    digest = play.ask(lambda hub: services.show_link(hub, link))["content_hash"]
    play.edit(public_title="Changed meanwhile")
    with pytest.raises(services.Conflict):
        play.ask(lambda hub: services.approve_link(hub, link, digest, actor="ada"))
    play.edit(status="resolved")
    play.end()
    assert play.objects("page") == []
    assert play.link("page")["state"] == "unlinked"


def test_an_unavailable_vendor_delays_no_other() -> None:
    """One vendor accepts calls and never answers: the others still show a change within ten seconds."""
    play = begun("an unavailable vendor")
    world = play.world
    world.dead, world.faults = {"page"}, replace(world.faults, hangs=True)
    for number in range(6):
        play.edit(title=f"title {number}", public_title=f"public {number}", severity=("SEV1", "SEV2")[number % 2])
        play.approve()
        for _ in range(10):
            world.tick(1)
            while world.work():
                pass
        late = {c: t for c, t in play.shown("title").items() if t != f"title {number}"}
        assert not late, f"change {number}: {late}"
    world.dead = set()
    play.end()


def test_a_webhook_about_fields_alone_is_followed_by_a_refresh_at_them_alone_and_one_about_a_comment_by_a_whole_one() -> (
    None
):
    """Of two webhooks at once one concerns fields, one a comment: the comment is read."""
    play = begun("looks")
    before = len(play.world.trace)
    play.at("jira", title="theirs")
    play.work()
    looks = [line for line in play.world.trace[before:] if "→ jira " in line]
    assert any("jira read_fields" in line for line in looks)
    assert not any("jira observe" in line for line in looks)
    play.at("jira", title="theirs again")
    play.says("jira", "and a word about it")
    play.work()
    assert any("jira observe" in line for line in play.world.trace[before:])
    assert "and a word about it" in [c.fields["text"] for c in play.server("pd").comments(play.thing("pd"))]


def test_what_a_vendor_says_of_an_object_that_we_have_just_made_is_no_reason_to_read_it() -> None:
    """The answer to the create showed the whole object. A later change is read as usual."""
    play = begun("made by us")
    fields = {"title": "another", "severity": "SEV2", "services": ["mail"]}
    play.people.intend(fields)
    play.ask(lambda hub: services.open_incident(hub, fields, actor="bob"))
    play.settle()
    made = play.thing("pd", 2)
    assert not [line for line in play.world.trace if line.endswith(f" {made.ref.id}") and "→" in line]
    before = len(play.world.trace)
    play.server("pd").change(made, "status", "acknowledged", "cy")
    play.end()
    assert play.fields(2)["status"] == "acknowledged"
    looks = [line for line in play.world.trace[before:] if line.endswith(f" {made.ref.id}") and "history" not in line]
    assert all("→ pd read_fields" in line for line in looks), "nothing was said under it that would have to be read"


def test_what_was_read_whole_when_it_was_adopted_is_not_read_whole_again_for_a_change_of_its_fields() -> None:
    """Its comments were read at adoption. A later comment is read although its webhook names only the object."""
    play = begun("adopted and whole")
    theirs = {
        "title": "another",
        "status": "triggered",
        "severity": ["P2", "high"],
        "services": "PS-mail",
        "assignees": [],
    }
    other = play.server("pd").make(INCIDENT, theirs, "cy")
    play.settle()
    before = len(play.world.trace)
    play.server("pd").change(other, "status", "acknowledged", "cy")
    play.work()
    looks = [line for line in play.world.trace[before:] if line.endswith(f" {other.ref.id}")]
    assert looks
    assert all("→ pd read_fields" in line for line in looks)
    play.world.ledger.said["heard"] = "pd"
    play.server("pd").make(COMMENT, {"text": "heard"}, "cy", other.ref)
    play.end()
    assert "heard" in [c.fields["text"] for c in play.server("jira").of_kind(COMMENT)]


def test_what_is_said_of_an_object_while_we_still_settle_its_create_is_no_reason_to_read_it() -> None:
    """The webhook arrives before our commit: the object is unmatched then, and linked a moment later."""
    play = begun("faster than we")

    def webhook() -> None:
        play.world.tick(1)
        while play.world.network.deliver_one() or play.world.work():
            pass

    play.during("pd create incident", webhook, moment="after")
    fields = {"title": "another", "severity": "SEV2", "services": ["mail"]}
    play.people.intend(fields)
    play.ask(lambda hub: services.open_incident(hub, fields, actor="bob"))
    play.settle()
    made = play.thing("pd", 2).ref.id
    assert [s["state"] for s in rows(play.world, "SELECT state FROM unmatched_objects WHERE remote_id = ?", made)] == [
        "linked"
    ]
    assert not [line for line in play.world.trace if line.endswith((f"observe {made}", f"read_fields {made}"))]
    play.end()


def test_what_a_poll_names_is_looked_at_one_after_another() -> None:
    """Many reads at once would delay people's changes."""
    play = begun("many at once")
    for number in (2, 3, 4):
        fields = {"title": f"number {number}", "severity": "SEV2", "services": ["mail"]}
        play.people.intend(fields)
        play.ask(lambda hub, fields=fields: services.open_incident(hub, fields, actor="bob"))
    play.settle()
    play.world.faults = replace(play.world.faults, webhook_loss=1.0)
    for number in (1, 2, 3, 4):
        play.server("jira").change(play.thing("jira", number), "tags", {"add": ["vip"], "remove": []}, "cy")
    before = len(play.world.trace)
    play.settle()
    looks = [float(line.split()[0]) for line in play.world.trace[before:] if "→ jira observe" in line][:4]
    assert len(looks) == 4
    assert all(later - sooner > 0.9 * PACE for sooner, later in itertools.pairwise(looks))
    play.end()
