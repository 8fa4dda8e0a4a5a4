"""The route "graph": a card edited in place, and its thread, through msgraph-sdk against the stand-in."""

from __future__ import annotations

import pytest

from adapters.teams.sandbox import JANE, ROBIN
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised
from hub.domain.values import COMMENT, INCIDENT, Desired, Mark, Ref, Update
from tests.contract.worlds.teams import CARD, TeamsWorld


def mark(world: TeamsWorld, key: str, parent: Ref | None = None) -> Mark:
    return Mark(COMMENT if parent else INCIDENT, key, world.clock.now(), parent)


def test_a_card_shows_what_it_was_made_with(world: TeamsWorld) -> None:
    """The answer to the create is a whole observation, with the mark beside the fields, not in them."""
    written = world.adapter.create(world.sample(INCIDENT), mark(world, "abcdef1"))
    assert written.observation
    assert written.observation.mark == "abcdef1"
    assert {k: written.observation.fields[k] for k in CARD} == CARD
    assert written.url
    assert written.url.startswith("https://teams.microsoft.com/l/message/19%3A")
    visible = world.sandbox.snapshot(str(written.ref and written.ref.id))["visible"]
    assert "INC-12 · Payments fail \\*sometimes\\*" in visible
    assert "abcdef1" not in visible


def test_an_edit_redraws_the_card_in_place(world: TeamsWorld, card: Ref) -> None:
    """One PATCH changes what was asked for, keeps the rest and the mark, and nothing else is posted."""
    seen = world.adapter.observe(card)
    before = len(world.sandbox.calls)
    changes = {"status": "acknowledged", "tags": {"add": ["db"], "remove": ["payments"]}, "roles": {"scribe": "grace"}}
    world.adapter.update(card, Update(changes, {}, expected=seen.version))
    assert [m for m, _ in world.sandbox.calls[before:]] == ["PATCH"]
    after = world.adapter.observe(card)
    assert after.fields == {
        **seen.fields, "status": "acknowledged", "tags": ["db"], "roles": {"commander": "ada", "scribe": "grace"},
    }  # fmt: skip
    assert after.mark == "cardmark1"
    assert after.version != seen.version
    assert list(world.sandbox.incidents) == [card.id]


def test_a_field_that_is_not_in_the_changes_is_left_alone(world: TeamsWorld, card: Ref) -> None:
    """`desired` may hold values that wait for a person's approval: they are not written."""
    world.adapter.update(card, Update({"status": "identified"}, {**CARD, "status": "identified", "title": "held back"}))
    assert world.adapter.observe(card).fields["title"] == CARD["title"]


def test_two_edits_after_one_read_do_not_undo_each_other(world: TeamsWorld, card: Ref) -> None:
    """The second edit starts from what the first one wrote."""
    expected = world.adapter.observe(card).version
    world.adapter.update(card, Update({"status": "identified"}, {}, expected))
    world.adapter.update(card, Update({"severity": "SEV1"}, {}, expected))
    fields = world.adapter.observe(card).fields
    assert (fields["status"], fields["severity"]) == ("identified", "SEV1")


def test_comments_and_replies_are_one_thread(world: TeamsWorld, card: Ref) -> None:
    """Our comment is a reply with the author's name; a person's reply is a comment with them as its author."""
    desired = Desired(COMMENT, {"text": "one <b>\n  two"}, card, context={"author": "Ada Lovelace"})
    ours = world.adapter.create(desired, mark(world, "comment1", card))
    theirs = world.sandbox.people_reply(card.id, "I see <it>", JANE)
    seen = world.adapter.observe(card)
    assert [(c.ref.id, c.fields["text"], c.mark) for c in seen.children] == [
        (ours.ref and ours.ref.id, "one <b>\n  two", "comment1"),
        (theirs, "I see <it>", None),
    ]
    assert seen.children_complete
    actor = seen.children[1].actor
    assert actor
    assert (actor.account, actor.name) == (JANE, "Jane Smith")
    assert "— Ada Lovelace [ls:comment1]" in world.sandbox.snapshot(card.id)["comments"][0]


def test_an_edited_and_a_deleted_reply_are_seen(world: TeamsWorld, card: Ref) -> None:
    """Teams keeps a deleted message as an empty one and says that it is deleted."""
    one = world.sandbox.people_reply(card.id, "first")
    two = world.sandbox.people_reply(card.id, "second")
    before = world.adapter.observe(card)
    world.sandbox.people_edit(one, "first, corrected")
    world.sandbox.people_delete(two)
    seen = world.adapter.observe(card)
    assert [(c.state, c.fields) for c in seen.children] == [
        ("present", {"text": "first, corrected", "deleted": False}),
        ("deleted", {"text": "", "deleted": True}),
    ]
    assert seen.version != before.version


def test_our_own_reply_is_edited_and_deleted(world: TeamsWorld, card: Ref) -> None:
    """The mark survives the edit; a new process, which has seen nothing, can do it too."""
    made = world.adapter.create(Desired(COMMENT, {"text": "old"}, card), mark(world, "comment1", card))
    assert made.ref
    fresh = TeamsWorld.__new__(TeamsWorld)
    fresh.__dict__.update(world.__dict__)
    from adapters.teams.adapter import build

    fresh.adapter = build(world.spec)
    fresh.adapter.update(made.ref, Update({"text": "new"}, {"text": "new"}, context={"author": "Ada"}))
    seen = world.adapter.observe(made.ref)
    assert (seen.fields["text"], seen.mark) == ("new", "comment1")
    world.adapter.update(made.ref, Update({"deleted": True}, {}))
    assert world.adapter.observe(made.ref).state == "deleted"


def test_nobody_edits_what_another_has_written(world: TeamsWorld, card: Ref) -> None:
    """Refused with a message, and not reported as an invalid credential."""
    theirs = Ref(COMMENT, world.sandbox.people_reply(card.id, "mine"), card.id)
    for changes in ({"text": "yours"}, {"deleted": True}):
        with pytest.raises(Refused, match="only the author"):
            world.adapter.update(theirs, Update(changes, changes))
    root = Ref(INCIDENT, world.sandbox.people_post("a chat"))
    with pytest.raises(Refused, match="not a card that the hub"):
        world.adapter.update(root, Update({"status": "resolved"}, dict(CARD)))


def test_a_marked_message_counts_only_from_our_own_account(world: TeamsWorld, card: Ref) -> None:
    """A person who copies the last line of our reply, or our whole card, is a person."""
    world.sandbox.people_reply(card.id, "copied\n[ls:comment1]")
    badly_signed = world.sandbox.add(
        ROBIN, {"contentType": "html", "content": "x"}, attachments=world.sandbox.messages[card.id].attachments
    )
    child = world.adapter.observe(card).children[0]
    assert (child.mark, child.fields["text"]) == (None, "copied\n[ls:comment1]")
    copy = world.adapter.observe(Ref(INCIDENT, badly_signed.id))
    assert (copy.mark, copy.type, copy.fields) == (None, "other", {})
    assert world.adapter.find(mark(world, "comment1", card)) == []


def test_a_card_is_found_by_its_mark(world: TeamsWorld, card: Ref) -> None:
    """Among many other conversations, over several pages, and only the one."""
    wanted = mark(world, "wanted1")
    made = [world.adapter.create(world.sample(INCIDENT), wanted) for _ in range(2)]
    for n in range(120):
        world.sandbox.people_post(f"chat {n}")
    assert [o.ref for o in world.adapter.find(wanted)] == [w.ref for w in made]
    assert world.adapter.find(mark(world, "absent1")) == []


def test_a_reply_is_found_by_its_mark_over_several_pages(world: TeamsWorld, card: Ref) -> None:
    """All of a long thread is read."""
    world.adapter.create(Desired(COMMENT, {"text": "x"}, card), mark(world, "comment1", card))
    for n in range(130):
        world.sandbox.people_reply(card.id, f"reply {n}")
    assert [o.mark for o in world.adapter.find(mark(world, "comment1", card))] == ["comment1"]
    seen = world.adapter.observe(card)
    assert len(seen.children) == 131
    assert seen.children_complete


def test_what_the_vendor_does_not_show_is_absent_and_what_it_calls_deleted_is_deleted(
    world: TeamsWorld, card: Ref
) -> None:
    """404 proves nothing; `deletedDateTime` does."""
    assert world.adapter.observe(Ref(INCIDENT, "1")).state == "absent"
    assert world.adapter.observe(Ref(COMMENT, "1", card.id)).state == "absent"
    world.sandbox.people_delete(card.id)
    assert world.adapter.observe(card).state == "deleted"
    with pytest.raises(Refused):
        world.adapter.update(card, Update({"status": "resolved"}, dict(CARD)))


def test_a_message_without_an_id_is_not_taken_for_created(world: TeamsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was posted, but which one it is must be found by its mark."""
    monkeypatch.setattr("adapters.teams.sandbox.routes_messages.shown", lambda *a, **k: {"etag": "1"})
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(world.sample(INCIDENT), mark(world, "abcdef1"))


@pytest.mark.parametrize("id", [{}, 7, "1767603602001"])
def test_an_answer_about_something_else_is_no_reading_and_no_refusal(
    world: TeamsWorld, card: Ref, monkeypatch: pytest.MonkeyPatch, id: object
) -> None:
    """A proxy's malformed answer with 200 must not count as "not a card of the hub": that would be a failed write."""
    monkeypatch.setattr("adapters.teams.sandbox.routes_messages.shown", lambda *a, **k: {"id": id, "etag": "1"})
    with pytest.raises(RetryLater):
        world.adapter.observe(card)
    with pytest.raises(RetryLater):
        world.adapter.update(card, Update({"status": "resolved"}, dict(CARD), "another version"))


def test_reactions_ask_for_what_the_table_says(world: TeamsWorld, card: Ref) -> None:
    """Each person's mapped reaction is one command with an id of its own; others mean nothing."""
    world.sandbox.people_react(card.id, "like", ROBIN)
    world.sandbox.people_react(card.id, "laugh", ROBIN)
    world.sandbox.people_react(card.id, "✅", JANE)
    seen = world.adapter.observe(card)
    found = world.adapter.reactions(seen)  # type: ignore[attr-defined]
    assert [(key, c.verb, c.actor.account) for key, c in found] == [
        (f"{card.id}:like:{ROBIN}", "ack", ROBIN),
        (f"{card.id}:✅:{JANE}", "resolve", JANE),
    ]
    assert found == world.adapter.reactions(world.adapter.observe(card))  # type: ignore[attr-defined]


def test_system_messages_are_nobodys_comment(world: TeamsWorld, card: Ref) -> None:
    """A renamed channel leaves a message in it, which is no conversation."""
    system = world.sandbox.people_rename_channel("War room")
    seen = world.adapter.observe(Ref(INCIDENT, system))
    assert (seen.type, seen.actor, seen.mark) == ("other", None, None)


def test_a_credential_that_is_not_accepted_is_unauthorised(world: TeamsWorld, card: Ref) -> None:
    """Reads and writes alike."""
    world.forbid()
    for call in (
        lambda: world.adapter.observe(card),
        lambda: world.adapter.create(world.sample(INCIDENT), mark(world, "abcdef1")),
        lambda: world.adapter.probe(),  # type: ignore[attr-defined]
    ):
        with pytest.raises(Unauthorised):
            call()


def test_doctor_says_what_it_sees(world: TeamsWorld) -> None:
    """All well; then what is missing, each with what to do."""
    assert {f.level for f in world.adapter.examine()} == {"ok"}  # type: ignore[attr-defined]
    world.sandbox.push.subscriptions.clear()
    world.secrets.values.pop("outgoing_webhook_secret")
    found = world.adapter.examine()  # type: ignore[attr-defined]
    assert [f.level for f in found] == ["ok", "warn", "warn"]
    assert all(f.remedy for f in found if f.level == "warn")
    assert found[1].remedy == f"create one: lockstep connections subscribe {world.adapter.spec.name}"  # type: ignore[attr-defined]
    world.forbid()
    assert world.adapter.examine()[0].level == "error"  # type: ignore[attr-defined]
