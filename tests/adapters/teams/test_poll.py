"""Polling by the channel's delta query."""

from __future__ import annotations

from hub.domain.values import COMMENT, INCIDENT, Changes, Desired, Json, Mark, Ref, Update
from tests.contract.worlds.teams import CARD, TeamsWorld


def drain(world: TeamsWorld, cursor: Json | None) -> tuple[list[tuple[Ref, bool]], Json]:
    found: list[tuple[Ref, bool]] = []
    while True:
        changes: Changes = world.adapter.changed_since(cursor)
        found += [(i.ref, i.observation is not None) for i in changes.items]
        cursor = changes.cursor
        if not changes.more:
            return found, cursor


def test_the_first_poll_names_only_what_is_open(world: TeamsWorld, card: Ref) -> None:
    """Closed cards and other conversations are left alone."""
    closed = world.adapter.create(
        Desired(INCIDENT, {**CARD, "status": "resolved"}), Mark(INCIDENT, "closed1", world.clock.now())
    )
    world.sandbox.people_post("lunch?")
    found, _ = drain(world, None)
    assert found == [(card, True)]
    assert closed.ref


def test_a_quiet_channel_costs_one_call_and_names_nothing(world: TeamsWorld, card: Ref) -> None:
    """The delta link remembers where we were."""
    _, cursor = drain(world, None)
    before = len(world.sandbox.calls)
    assert drain(world, cursor)[0] == []
    assert len(world.sandbox.calls) == before + 1


def test_every_kind_of_change_is_found_without_any_webhook(world: TeamsWorld, card: Ref) -> None:
    """A new reply, an edited one, a deleted one, a reaction, a deleted card: each names what to look at."""
    box = world.sandbox
    _, cursor = drain(world, None)
    one = box.people_reply(card.id, "first")
    reply = Ref(COMMENT, one, card.id)
    found, cursor = drain(world, cursor)
    assert found == [(card, True), (reply, False)]
    world.clock.advance(300)
    box.people_edit(one, "second")
    found, cursor = drain(world, cursor)
    assert found == [(card, True), (reply, False)]
    world.clock.advance(300)
    box.people_delete(one)
    found, cursor = drain(world, cursor)
    assert found == [(card, True), (reply, False)]
    world.clock.advance(300)
    box.people_react(card.id, "like")
    found, cursor = drain(world, cursor)
    assert found[0] == (card, False)
    world.clock.advance(300)
    box.people_delete(card.id)
    found, cursor = drain(world, cursor)
    assert found[0] == (card, True)
    assert drain(world, cursor)[0] == []


def test_our_own_writes_are_named_with_what_they_show(world: TeamsWorld, card: Ref) -> None:
    """So an object that shows what we wrote costs no read; our own reply is no new comment."""
    _, cursor = drain(world, None)
    world.clock.advance(300)
    world.adapter.update(card, Update({"status": "monitoring"}, {}))
    world.adapter.create(Desired(COMMENT, {"text": "x"}, card), Mark(COMMENT, "comment1", world.clock.now(), card))
    changes = world.adapter.changed_since(cursor)
    assert [i.ref for i in changes.items] == [card]
    seen = changes.items[0].observation
    assert seen
    assert seen.fields == world.adapter.observe(card).fields
    assert seen.version == world.adapter.observe(card).version
    assert [c.mark for c in seen.children] == ["comment1"]
    assert seen.children_complete


def test_nothing_is_lost_between_the_pages(world: TeamsWorld) -> None:
    """A thread that changes while the pages are read is listed again."""
    now = world.clock.now()
    cards = [world.adapter.create(world.sample(INCIDENT), Mark(INCIDENT, f"cardmark{n}", now)).ref for n in range(70)]
    page = world.adapter.changed_since(None)
    assert page.more
    first = cards[0]
    assert first
    world.sandbox.people_reply(first.id, "meanwhile")
    found, cursor = drain(world, page.cursor)
    assert {i.ref for i in page.items} | {r for r, _ in found} >= set(cards)
    later, _ = drain(world, cursor)
    assert first in [r for r, _ in [*found, *later]]


def test_a_link_that_is_no_good_any_more_starts_again(world: TeamsWorld, card: Ref) -> None:
    """Expired at the vendor, of another channel, or not a cursor at all."""
    _, cursor = drain(world, None)
    world.sandbox.forget_delta()
    for spoilt in (
        cursor,
        {**cursor, "channel": "19:other@thread.tacv2"},
        {**cursor, "link": "https://evil.example.com/x"},
        5,
        [],
    ):
        assert drain(world, spoilt)[0] == [(card, True)]


def test_a_listing_that_lags_shows_it_later(world: TeamsWorld, card: Ref) -> None:
    """What the delta does not show yet comes with the next one."""
    _, cursor = drain(world, None)
    world.sandbox.lag = 5
    world.sandbox.people_reply(card.id, "slow")
    found, cursor = drain(world, cursor)
    assert found == []
    world.clock.advance(6)
    assert [r.kind for r, _ in drain(world, cursor)[0]] == [INCIDENT, COMMENT]
