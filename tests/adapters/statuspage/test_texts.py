"""Published texts: each once, found by its mark, edited in place, and distinguished from people's texts."""

from __future__ import annotations

import pytest

from adapters.sandboxing import Fault
from adapters.statuspages import STATUS
from hub.domain.errors import OutcomeUnknown
from hub.domain.values import UPDATE, Desired, Update
from tests.adapters.statuspage.playing import change, created, mark, published, writes
from tests.contract.worlds.statuspage import StatuspageWorld


@pytest.fixture
def world() -> StatuspageWorld:
    return StatuspageWorld()


def test_a_published_text_is_one_write_and_comes_back_with_its_mark(world: StatuspageWorld) -> None:
    """Text and mark are one PATCH without a status, so that a status which a person set after our read is kept."""
    ref = created(world).ref
    world.sandbox.people_set_status(ref.id, "monitoring")
    world.sandbox.calls.clear()
    made = published(world, ref, "It was a certificate.", "aaaaaa01")
    assert writes(world) == [f"PATCH {ref.id}"]
    seen = world.adapter.observe(ref)
    assert seen.fields[STATUS] == "monitoring"
    assert seen.mark == "abcdef01"
    assert [(c.ref, c.mark, c.fields) for c in seen.children] == [(made, "aaaaaa01", {"text": "It was a certificate."})]
    assert list(world.adapter.find(mark(world, "aaaaaa01", UPDATE, ref))) == list(seen.children)
    assert world.adapter.observe(made) == seen.children[0]


def test_equal_texts_keep_their_own_marks(world: StatuspageWorld) -> None:
    """Two of our texts and a person's, all equal, are distinguished."""
    ref = created(world).ref
    first = published(world, ref, "Still working on it.", "aaaaaa01")
    world.clock.advance(600)
    theirs = world.sandbox.people_post_update(ref.id, "Still working on it.")
    world.clock.advance(600)
    second = published(world, ref, "Still working on it.", "aaaaaa02")
    marks = {c.ref.id: c.mark for c in world.adapter.observe(ref).children}
    assert marks == {first.id: "aaaaaa01", theirs: None, second.id: "aaaaaa02"}


def test_a_text_whose_outcome_was_unknown_is_found_though_a_person_edited_it(world: StatuspageWorld) -> None:
    """The mark in the metadata proves that the text was published; posting it again would be a duplicate."""
    ref = created(world).ref
    world.sandbox.faults.append(Fault("late", match=lambda method, path: method == "PATCH"))
    with pytest.raises(OutcomeUnknown):
        published(world, ref, "It was a certifcate.", "aaaaaa01")
    id = world.sandbox.incidents[ref.id]["incident_updates"][0]["id"]
    world.sandbox.people_edit_update(ref.id, id, "It was a certificate.")
    [found] = world.adapter.find(mark(world, "aaaaaa01", UPDATE, ref))
    assert (found.ref.id, found.fields["text"]) == (id, "It was a certificate.")


def test_a_text_that_lands_late_is_a_duplicate_and_not_a_persons(world: StatuspageWorld) -> None:
    """Sent, not found and sent again, then the first takes effect after all: both carry the mark."""
    ref = created(world).ref
    world.sandbox.faults.append(Fault("later", match=lambda method, path: method == "PATCH"))
    with pytest.raises(OutcomeUnknown):
        published(world, ref, "It was a certificate.", "aaaaaa01")
    world.clock.advance(40)
    assert list(world.adapter.find(mark(world, "aaaaaa01", UPDATE, ref))) == []
    made = published(world, ref, "It was a certificate.", "aaaaaa01")
    world.sandbox.settle()
    duplicates = world.adapter.find(mark(world, "aaaaaa01", UPDATE, ref))
    assert len(duplicates) == 2
    assert duplicates[0].ref == made


def test_a_text_that_is_published_already_is_not_published_again(world: StatuspageWorld) -> None:
    """The read before the write shows the mark: the existing text is returned."""
    ref = created(world).ref
    made = published(world, ref, "It was a certificate.", "aaaaaa01")
    desired = Desired(UPDATE, {"text": "It was a certificate."}, parent=ref)
    again = world.adapter.create(desired, mark(world, "aaaaaa01", UPDATE, ref))
    assert (again.ref, again.existed) == (made, True)
    assert len(world.adapter.observe(ref).children) == 1


def test_a_text_that_never_arrived_is_not_found(world: StatuspageWorld) -> None:
    """Nor is one of a person taken for it."""
    ref = created(world).ref
    world.sandbox.faults.append(Fault("lost", match=lambda method, path: method == "PATCH"))
    with pytest.raises(OutcomeUnknown):
        published(world, ref, "It was a certificate.", "aaaaaa01")
    world.sandbox.people_post_update(ref.id, "It was a certificate.")
    assert list(world.adapter.find(mark(world, "aaaaaa01", UPDATE, ref))) == []


def test_a_deleted_text_of_ours_does_not_lend_its_mark_to_a_person(world: StatuspageWorld) -> None:
    """An observed text carries a mark only if its content proves it."""
    ref = created(world).ref
    made = published(world, ref, "It was a certificate.", "aaaaaa01")
    world.sandbox.people_delete_update(ref.id, made.id)
    world.sandbox.people_post_update(ref.id, "Something else.")
    assert [c.mark for c in world.adapter.observe(ref).children] == [None]


def test_other_metadata_survives_our_texts(world: StatuspageWorld) -> None:
    """The vendor replaces metadata whole: another integration's entries are sent along."""
    ref = created(world).ref
    world.sandbox.incidents[ref.id]["metadata"]["jira"] = {"issue_id": "OPS-1"}
    for n in range(30):
        published(world, ref, f"Text {n}", f"aaaaaa{n:02}")
        world.clock.advance(10)
    metadata = world.sandbox.incidents[ref.id]["metadata"]
    assert metadata["jira"] == {"issue_id": "OPS-1"}
    assert metadata["lockstep"]["mark"] == "abcdef01"
    assert sorted(metadata["lockstep"]["updates"]) == [f"aaaaaa{n:02}" for n in range(10, 30)]


def test_a_published_text_is_edited_in_place(world: StatuspageWorld) -> None:
    """An edit makes no further update, sends no notification, and leaves the status alone."""
    ref = created(world).ref
    made = published(world, ref, "It was a certifcate.", "aaaaaa01")
    world.webhooks()
    seen = world.adapter.update(made, Update({"text": "It was a certificate."}, {"text": "It was a certificate."}))
    assert seen.observation is not None
    assert seen.observation.fields == {"text": "It was a certificate."}
    assert [c.fields["text"] for c in world.adapter.observe(ref).children] == ["It was a certificate."]
    assert world.webhooks() == []


def test_a_change_of_status_without_a_text_is_no_published_text(world: StatuspageWorld) -> None:
    """The vendor makes an update of each: an empty one is history, not something to copy."""
    ref = created(world).ref
    change(world, ref, status="identified")
    assert world.adapter.observe(ref).children == ()
    assert len(world.sandbox.incidents[ref.id]["incident_updates"]) == 2
