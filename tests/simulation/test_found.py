"""Defects that seeds of the simulation found, each as the shortest script that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hub import services
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Json
from tests.simulation.company import BLIND
from tests.simulation.rest import rows
from tests.simulation.script import Play
from tests.simulation.server import Thing
from tests.simulation.styles import posts_only, statuspage, teams
from tests.simulation.test_scenarios import begun


def until(play: Play, happened: Callable[[], object], *, webhooks: bool = True) -> None:
    """Advances second by second until `happened()` is true. webhooks: whether they are delivered."""
    for _ in range(200):
        if happened():
            return
        play.world.tick(1)
        while (webhooks and play.world.network.deliver_one()) or play.world.work():
            pass
    raise AssertionError("it never happened")


def another(play: Play, severity: str = "SEV2") -> None:
    """Opens a second incident."""
    fields = {"title": "another", "severity": severity, "services": ["mail"]}
    play.people.intend(fields)
    play.ask(lambda hub: services.open_incident(hub, fields, actor="bob"))


def while_it_is_made(play: Play, connection: str, status: str, words: tuple[str, ...]) -> None:
    """Opens a second incident. During the create of its object the incident's status changes, and a person sets the object's
    status to each of `words`, all before the hub's first read."""

    def meanwhile() -> None:
        play.edit("2", status=status)
        for word in words:
            play.server(connection).change(play.objects(connection)[-1], "status", word, "cy")

    play.during(f"{connection} create incident", meanwhile, moment="after")
    another(play)
    play.end()


def by_hand(play: Play, **more: Json) -> Thing:
    """A ticket made by a person, of a type that the hub does not adopt."""
    fields = {"title": "by hand", "status": "To Do", "severity": "High", "services": ["JC-mail"], "tags": [], **more}
    return play.server("jira").make(INCIDENT, fields, "cy", type="task")


def test_a_create_in_doubt_is_looked_for_when_its_incident_is_unlinked_and_linked_again() -> None:
    """PagerDuty does not answer the create of a note; its incident is unlinked and linked again. The note is sent again only
    after a search for the first (which the simulation requires at every create), and it exists once."""
    play = begun("unlink, relink")
    play.fate("pd create comment", "lost_before")
    play.says("jira", "said once")
    until(play, lambda: play.journal("outcome_unknown"))
    link = play.link("pd")
    play.ask(lambda hub: services.unlink(hub, link["id"], actor="ada"))
    play.work()
    play.world.ledger.relinked.update(k["id"] for k in rows(play.world, "SELECT id FROM links WHERE connection = 'pd'"))
    play.ask(lambda hub: services.relink(hub, "1", "pd", "primary", link["remote_id"], actor="ada"))
    play.settle()
    assert [c.fields["text"] for c in play.server("pd").of_kind(COMMENT)] == ["said once"]


def test_an_object_that_is_found_after_its_incident_was_merged_says_nothing_for_the_winner() -> None:
    """The create of the loser's card is in doubt until after the merge; a person edits that card: the winner keeps its severity."""
    play = begun("merged while in doubt")
    play.fate("chat create incident", "lost_after")
    another(play, severity="SEV3")
    until(play, lambda: play.journal("outcome_unknown"), webhooks=False)
    play.ask(lambda hub: services.merge_incidents(hub, "2", "1", actor="ada"))
    card = play.objects("chat")[-1]
    play.server("chat").change(card, "severity", "SEV5", "cy")
    play.settle()
    assert play.fields()["severity"] == "SEV2"
    assert rows(play.world, "SELECT slot FROM links WHERE remote_id = ?", card.ref.id)[0]["slot"] == "secondary-1"


def test_a_walk_begins_anew_where_a_person_has_put_the_object_meanwhile() -> None:
    """A person moves a merged ticket back before our last step through Jira's workflow: the path is computed anew, and no step is
    sent that the workflow lacks."""
    play = begun("moved in the middle of a walk")
    another(play)
    play.settle()
    ticket = play.thing("jira", 2)
    play.ask(lambda hub: services.merge_incidents(hub, "2", "1", actor="ada"))
    last_step = f'jira update {ticket.ref.id} {{"status": "Done"}}'
    play.during(last_step, lambda: play.server("jira").change(ticket, "status", "In Progress", "cy"))
    play.fate(last_step, "throttled")
    play.edit(status="resolved")
    play.end()
    assert ticket.fields["status"] == "Done"


def test_a_second_create_whose_worker_died_may_be_a_duplicate_and_the_journal_says_so() -> None:
    """A comment is created without an answer, deleted by a person, and created again by a worker that dies: two objects were
    made, and the journal has a line about it."""
    play = begun("two creates and a crash")
    play.fate("jira create comment", "lost_after")
    play.ask(lambda hub: services.add_comment(hub, "1", "said once", actor="bob"))
    until(play, lambda: play.journal("outcome_unknown"), webhooks=False)
    (copy,) = play.server("jira").of_kind(COMMENT)
    play.server("jira").delete(copy, "cy")
    play.world.network.flights.clear()

    def die() -> None:
        play.world.stack[-1].dead = True

    play.during("jira create comment", die, "after")
    play.end()
    assert len(play.server("jira").of_kind(COMMENT)) == 2
    assert play.journal("possible_duplicate")


def test_a_duplicate_stays_a_duplicate_when_its_incident_is_merged_into_another() -> None:
    """The hub made two tickets for one incident, which is then merged: the second ticket is closed although the winner stays open."""
    play = begun("a duplicate, merged")
    another(play)
    play.settle()
    mine = play.thing("jira", 2)
    second = play.server("jira").make(INCIDENT, dict(mine.fields), "hub:by a request that came late", mark=mine.mark)
    play.fate(f"jira read_fields {second.ref.id}", "unavailable")
    until(play, lambda: play.journal("duplicate"))
    play.ask(lambda hub: services.merge_incidents(hub, "2", "1", actor="ada"))
    play.settle()
    assert second.fields["status"] == "Done"
    assert play.fields()["status"] == "triggered"


def test_a_comment_that_waited_for_the_losers_thread_goes_into_the_winners() -> None:
    """A channel where the hub can only post: a comment that could not be posted for the loser before the merge is posted for the winner."""
    play = Play("a comment, merged", styles={"chat": posts_only(teams())})
    play.open()
    another(play)
    play.settle()
    play.world.dead = {"chat"}
    play.ask(lambda hub: services.add_comment(hub, "2", "said meanwhile", actor="bob"))
    play.world.tick(1)
    while play.world.work():
        pass
    play.ask(lambda hub: services.merge_incidents(hub, "2", "1", actor="ada"))
    play.world.dead = set()
    play.settle()
    assert [c.fields["text"] for c in play.server("chat").of_kind(COMMENT)] == ["said meanwhile"]


def test_a_ticket_that_a_person_ties_to_an_incident_is_the_one_that_was_to_be_made() -> None:
    """Jira is down when the incident opens; a person links a ticket made by hand: no other ticket is created."""
    play = Play("tied before it was made")
    play.world.dead = {"jira"}
    play.open()
    play.world.tick(1)
    while play.world.work():
        pass
    play.world.dead = set()
    ticket = by_hand(play)
    play.ask(lambda hub: services.set_pause(hub, True, actor="ada"))
    until(play, lambda: rows(play.world, "SELECT id FROM unmatched_objects WHERE state = 'ignored'"))
    (unmatched,) = rows(play.world, "SELECT id FROM unmatched_objects WHERE remote_id = ?", ticket.ref.id)
    play.ask(lambda hub: services.link_unmatched(hub, unmatched["id"], "1", actor="ada"))
    play.ask(lambda hub: services.set_pause(hub, False, actor="ada"))
    play.settle()
    assert play.objects("jira") == [ticket]
    assert ticket.fields["title"] == play.fields()["title"]


def test_a_slot_that_shows_an_object_takes_no_other() -> None:
    """Linking a second ticket to an incident that has one is refused, with the remedy."""
    play = begun("tied to what is taken")
    ticket = by_hand(play)
    until(play, lambda: rows(play.world, "SELECT id FROM unmatched_objects WHERE state = 'ignored'"))
    (unmatched,) = rows(play.world, "SELECT id FROM unmatched_objects WHERE remote_id = ?", ticket.ref.id)
    with pytest.raises(services.Conflict, match="unlink that first"):
        play.ask(lambda hub: services.link_unmatched(hub, unmatched["id"], "1", actor="ada"))
    play.settle()
    assert play.link("jira")["remote_id"] != ticket.ref.id


def test_a_relinked_ticket_gets_the_incidents_comments() -> None:
    """A ticket is unlinked and a person links another one, an unmatched object made by hand: earlier comments are copied to it too."""
    play = begun("tied to what was let go of")
    play.ask(lambda hub: services.add_comment(hub, "1", "said before", actor="ada"))
    play.settle()
    first = play.link("jira")
    play.ask(lambda hub: services.unlink(hub, first["id"], actor="ada"))
    ticket = by_hand(play)
    until(play, lambda: rows(play.world, "SELECT id FROM unmatched_objects WHERE state = 'ignored'"))
    (unmatched,) = rows(play.world, "SELECT id FROM unmatched_objects WHERE remote_id = ?", ticket.ref.id)
    play.world.ledger.relinked.update(k["id"] for k in rows(play.world, "SELECT id FROM links"))
    play.ask(lambda hub: services.link_unmatched(hub, unmatched["id"], "1", actor="ada"))
    play.settle()
    link = play.link("jira")
    assert (link["remote_id"], link["state"], link["reason"]) == (ticket.ref.id, "live", None)
    assert ticket.fields["title"] == play.fields()["title"]
    copies = [c for c in play.server("jira").of_kind(COMMENT) if c.ref.parent == ticket.ref.id]
    assert [c.fields["text"] for c in copies] == ["said before"]


def test_what_was_published_without_an_id_is_not_published_again_when_the_page_is_linked_again() -> None:
    """A page that gives updates no id is unlinked and linked again: each update is published once."""
    blind = statuspage().with_kind(UPDATE, **BLIND)
    play = begun("published without an id", styles={"page": blind})
    draft = play.ask(lambda hub: services.draft_update(hub, "1", "We are on it.", actor="cleo"))
    play.world.ledger.published.add("We are on it.")
    play.ask(lambda hub: services.approve_update(hub, draft["id"], draft["content_hash"], actor="cleo"))
    play.settle()
    link = play.link("page")
    play.ask(lambda hub: services.unlink(hub, link["id"], actor="ada"))
    play.settle()
    play.world.ledger.relinked.update(k["id"] for k in rows(play.world, "SELECT id FROM links"))
    play.ask(lambda hub: services.relink(hub, "1", "page", "primary", link["remote_id"], actor="ada"))
    play.settle()
    assert [u.fields["text"] for u in play.server("page").of_kind(UPDATE)] == ["We are on it."]


def test_a_ticket_that_is_linked_again_is_known_from_before() -> None:
    """A ticket is unlinked between two of our steps to "Done" and linked again: the intermediate status is not taken for a person's edit."""
    play = begun("linked again in a walk")
    link = play.link("jira")
    play.fate('jira update jira-1 {"status": "In Review"}', "lost_before")
    play.edit(status="resolved")
    until(play, lambda: play.journal("outcome_unknown"), webhooks=False)
    play.ask(lambda hub: services.unlink(hub, link["id"], actor="ada"))
    play.world.ledger.relinked.update(k["id"] for k in rows(play.world, "SELECT id FROM links"))
    play.ask(lambda hub: services.relink(hub, "1", "jira", "primary", link["remote_id"], actor="ada"))
    play.settle()
    assert play.fields()["status"] == "resolved"
    assert play.thing("jira").fields["status"] == "Done"


def test_another_ticket_is_not_judged_by_what_the_last_one_showed() -> None:
    """An incident is linked to another ticket: that ticket's values count as in an adoption, and none of the old ticket's are
    written to it."""
    play = begun("another ticket")
    link, old = play.link("jira"), play.thing("jira")
    other = by_hand(play, tags=["vip"])
    play.ask(lambda hub: services.unlink(hub, link["id"], actor="ada"))
    play.world.ledger.relinked.update(k["id"] for k in rows(play.world, "SELECT id FROM links"))
    play.ask(lambda hub: services.relink(hub, "1", "jira", "primary", other.ref.id, actor="ada"))
    play.settle()
    assert play.fields()["tags"] == ["vip"]
    assert old.fields["tags"] in (None, [])
    assert other.fields["title"] == play.fields()["title"]


def test_what_is_let_go_of_between_our_read_and_our_write_is_not_written() -> None:
    play = begun("let go of in between")
    link, before = play.link("pd"), play.thing("pd").fields["title"]
    play.during(
        "pd read_fields", lambda: play.ask(lambda hub: services.unlink(hub, link["id"], actor="ada")), moment="after"
    )
    play.edit(title="newer")
    play.settle()
    assert play.link("pd")["state"] == "unlinked"
    assert play.thing("pd").fields["title"] == before
    assert play.thing("jira").fields["title"] == "newer"


def test_what_is_heard_of_a_card_before_we_know_that_it_is_ours_is_read_once_it_is() -> None:
    """A card is posted without an answer and a person replies; no webhook arrives, and Teams throttles both search and read.
    A poll lists the card while it is unmatched; later it is found by its mark, and the reply is read all the same."""
    play = begun("ours after all")
    play.world.faults = replace(play.world.faults, webhook_loss=1.0)
    play.fate("chat create incident", "lost_after")
    another(play)
    until(play, lambda: play.journal("outcome_unknown"))
    play.world.ledger.said["on it"] = "chat"
    play.server("chat").make(COMMENT, {"text": "on it"}, "cy", play.objects("chat")[-1].ref)
    for _ in range(90):  # so long that no later poll lists the card again
        play.world.tick(1)
    play.world.fates += [("chat find", "throttled"), ("chat observe", "throttled")] * 9
    until(play, lambda: rows(play.world, "SELECT id FROM unmatched_objects WHERE connection = 'chat'"))
    play.world.fates = [("chat observe", "throttled")] * 9
    until(play, lambda: play.link("chat", 2)["remote_id"])
    play.world.fates.clear()
    play.settle()
    assert [c.fields["text"] for c in play.server("jira").of_kind(COMMENT)] == ["on it"]


def test_what_a_person_did_to_a_new_ticket_before_we_first_read_it_is_kept_in_the_journal() -> None:
    """Before our first read the incident is acknowledged, and a person starts the new ticket and moves it back. The ticket
    shows the workflow's first status, so ours is written over it, and the journal keeps the value that it showed."""
    play = begun("before the first read")
    while_it_is_made(play, "jira", "acknowledged", ("In Progress", "To Do"))
    assert play.thing("jira", 2).fields["status"] == "In Progress"
    assert [(line["field"], line["value"]) for line in play.journal("first_shown")] == [("status", "To Do")]


def test_a_card_changed_and_changed_back_before_we_ever_read_it_shows_nothing() -> None:
    """A card is changed and changed back before the hub ever read it: it shows what we posted, so our newer status is written."""
    play = begun("back again")
    while_it_is_made(play, "chat", "monitoring", ("acknowledged", "triggered"))
    assert play.thing("chat", 2).fields["status"] == "monitoring"


def test_comments_made_before_a_card_was_found_are_merged() -> None:
    """A card is posted without an answer and a person replies; no webhook arrives. A poll lists the card, which is linked by its
    mark: its replies are read too."""
    play = begun("said before it was found")
    play.world.faults = replace(play.world.faults, webhook_loss=1.0)
    play.fate("chat create incident", "lost_after")
    another(play)
    until(play, lambda: play.journal("outcome_unknown"))
    play.world.ledger.said["on it"] = "chat"
    play.server("chat").make(COMMENT, {"text": "on it"}, "cy", play.objects("chat")[-1].ref)
    for _ in range(90):  # so long that no later poll lists the card again
        play.world.tick(1)
    play.world.fates += [("chat find", "throttled")] * 9
    until(play, lambda: play.link("chat", 2)["remote_id"])
    play.world.fates.clear()
    play.end()


def test_a_comment_found_by_a_poll_is_read_although_a_fields_only_refresh_was_due() -> None:
    """PagerDuty throttles us, so a refresh of an incident's fields waits; a note is added in between and its webhook is lost.
    Only a poll lists the incident: the waiting refresh then reads the notes too."""
    play = begun("said while a look was to come")
    play.world.fates = [("pd read_fields", "throttled"), ("pd observe", "throttled")] * 99
    play.at("pd", severity=["P4", "high"])
    until(play, lambda: "throttled" in play.world.counts)
    play.says("pd", "on it")
    play.world.network.flights.clear()
    for _ in range(200):  # so long that no later poll lists the incident again
        play.world.tick(1)
        while play.world.work():
            pass
    play.world.fates.clear()
    play.end()
    assert [c.fields["text"] for c in play.server("jira").of_kind(COMMENT)] == ["on it"]


def test_what_was_let_go_of_while_its_create_was_refused_stays_so() -> None:
    """A card is deleted and unlinked during the create of a comment under it, which is refused: no failed write, nothing frozen."""
    play = begun("let go of, and refused")
    card = play.link("chat")["id"]

    def meanwhile() -> None:
        play.server("chat").delete(play.thing("chat"), "cy")
        play.ask(lambda hub: services.unlink(hub, card, actor="ada"))

    play.during("chat create comment", meanwhile)
    play.ask(lambda hub: services.add_comment(hub, "1", "said", actor="ada"))
    play.settle()
    assert [row["state"] for row in rows(play.world, "SELECT state FROM links WHERE parent_id = ?", card)] == [
        "unlinked"
    ]
    assert not rows(play.world, "SELECT id FROM outbox WHERE state = 'failed'")


def test_a_read_that_ends_while_a_write_is_claimed_says_nothing() -> None:
    """A worker writes our title to Jira and dies; a read then shows it: it is our own write, no person's edit, and the newer
    title is kept."""
    play = begun("read in a claim")

    def die() -> None:
        play.world.stack[-1].dead = True

    def written_meanwhile() -> None:
        play.edit(title="ours")
        play.world.tick(1)
        while play.thing("jira").fields["title"] != "ours" and play.world.work():
            pass
        play.edit(title="newer")

    play.during("jira update", die, "after")
    play.during("jira observe", written_meanwhile)
    play.ask(lambda hub: services.refresh_link(hub, play.link("jira")["id"]))
    play.end()
    assert set(play.shown("title").values()) == {"newer"}
    assert not play.journal("overruled")


def test_a_draft_whose_words_change_with_the_end_of_its_incident_after_the_approval_is_withdrawn_with_it() -> None:
    """Approved but not yet sent when the incident is resolved: withdrawn at once, not at the incident's next change."""
    play = Play("over before it left")
    play.open()
    play.settle()
    play.approve()
    assert play.link("page")["state"] == "pending"
    play.edit(status="resolved")
    assert play.link("page")["state"] == "unlinked"
    play.end()
    assert play.objects("page") == []
