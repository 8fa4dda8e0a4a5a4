"""The adapter against its stand-in: what it writes, finds and reads, and what it must never do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.cachet import wire
from adapters.sandboxing import Fault
from adapters.statuspages import PAGE_IMPACTS, SERVICES, STATUS, TEXT, TITLE
from hub.domain.errors import InvalidSignature, OutcomeUnknown, Refused, RetryLater, Unauthorised, Unusable
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Desired, Mark, Observation, Ref, Request, Update
from tests.contract.worlds.cachet import SENTENCE, WORLDS, CachetWorld


@pytest.fixture
def world() -> CachetWorld:
    return WORLDS["cachet"]()


def mark(world: CachetWorld, key: str = "abcdef01", kind: str = INCIDENT, parent: Ref | None = None) -> Mark:
    return Mark(kind, key, world.clock.now(), parent)


def created(world: CachetWorld, key: str = "abcdef01") -> Observation:
    seen = world.adapter.create(world.sample(INCIDENT), mark(world, key)).observation
    assert seen is not None
    return seen


def published(world: CachetWorld, ref: Ref, text: str, key: str = "aaaaaa01") -> Ref:
    made = world.adapter.create(Desired(UPDATE, {"text": text}, parent=ref), mark(world, key, UPDATE, ref)).ref
    assert made is not None
    return made


def write(world: CachetWorld, ref: Ref, **changes: object) -> Observation:
    now = world.adapter.observe(ref)
    world.adapter.update(ref, Update(changes, {**now.fields, **changes}))
    return world.adapter.observe(ref)


def writes(world: CachetWorld) -> list[str]:
    return [f"{method} {path.split('?')[0]}" for method, path in world.sandbox.calls if method != "GET"]


def test_what_is_created_shows_as_wanted_and_is_found_by_its_mark(world: CachetWorld) -> None:
    """One POST makes incident, components and mark; the mark is in no field; the incident is public."""
    seen = created(world)
    assert writes(world) == ["POST /api/incidents"]
    assert seen.fields == {**world.sample(INCIDENT).fields, SERVICES: [world.checkout]}
    assert (seen.mark, seen.type, seen.children, seen.children_complete) == ("abcdef01", "incident", (), True)
    assert "abcdef01" not in str(seen.fields)
    assert seen.created_at == world.clock.now()
    assert list(world.adapter.find(mark(world))) == [seen] == [world.adapter.observe(seen.ref)]
    assert list(world.adapter.find(mark(world, "abcdef02"))) == []
    assert world.sandbox.incidents[int(seen.ref.id)]["visible"] == 1


def test_a_create_that_landed_without_an_answer_is_found_and_so_is_its_duplicate(world: CachetWorld) -> None:
    """The list is filtered by the mark; two incidents that share a component are each read whole."""
    world.sandbox.faults.append(Fault("late", match=lambda method, path: method == "POST"))
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(world.sample(INCIDENT), mark(world))
    [first] = world.adapter.find(mark(world))
    world.clock.advance(5)
    second = created(world)
    for n in range(30):
        world.sandbox.people_open(f"Other {n}")
    assert list(world.adapter.find(mark(world))) == [first, second]


@pytest.mark.parametrize("missing", [TITLE, TEXT])
def test_nothing_is_made_without_public_words(world: CachetWorld, missing: str) -> None:
    """Internal text must not replace public text that was not approved."""
    fields = {k: v for k, v in world.sample(INCIDENT).fields.items() if k != missing}
    with pytest.raises(Refused) as refused:
        world.adapter.create(Desired(INCIDENT, {**fields, "title": "db3 on fire"}), mark(world))
    assert refused.value.field == missing
    assert world.sandbox.calls == []


def test_status_title_and_text_are_one_write_of_just_these(world: CachetWorld) -> None:
    """A title that a person set between our read and our write is kept, and so is our mark."""
    ref = created(world).ref
    stale = world.adapter.observe(ref)
    world.sandbox.people_set(ref.id, name="Payments fail in Europe")
    world.sandbox.calls.clear()
    changes = {STATUS: 2, TEXT: "A certificate <ran> out & more."}
    seen = world.adapter.update(ref, Update(changes, {**stale.fields, **changes})).observation
    assert writes(world) == [f"PUT /api/incidents/{ref.id}"]
    assert seen is not None
    assert (seen.fields[STATUS], seen.fields[TEXT]) == (2, "A certificate <ran> out & more.")
    now = world.adapter.observe(ref)
    assert (now.fields[TITLE], now.mark) == ("Payments fail in Europe", "abcdef01")
    assert "<" not in world.sandbox.incidents[int(ref.id)]["message"]


def test_components_change_under_the_operators_sentence_alone(world: CachetWorld) -> None:
    """Cachet requires a text with it; the update with exactly this text is not taken for a published one."""
    ref = created(world).ref
    world.sandbox.calls.clear()
    seen = write(world, ref, status=3, impacts={world.checkout: 1, world.search: 2})
    assert writes(world) == [f"PUT /api/incidents/{ref.id}", f"POST /api/incidents/{ref.id}/updates"]
    assert (seen.fields[STATUS], seen.fields[PAGE_IMPACTS]) == (3, {world.checkout: 1, world.search: 2})
    assert seen.children == ()
    assert world.sandbox.snapshot(ref.id)["comments"] == [SENTENCE]


def test_a_component_that_leaves_is_operational(world: CachetWorld) -> None:
    """Cachet cannot remove a component from an incident: it is set to operational and stays on it."""
    ref = created(world).ref
    world.adapter.update(ref, Update({PAGE_IMPACTS: {}}, {PAGE_IMPACTS: {}}))
    assert world.adapter.observe(ref).fields[PAGE_IMPACTS] == {world.checkout: 1}


def test_a_change_that_fails_half_way_is_an_unknown_outcome(world: CachetWorld) -> None:
    """Title written, components not: the hub must read again, whatever the second error was."""
    ref = created(world).ref
    world.sandbox.faults.append(Fault("status", status=429, match=lambda method, path: path.endswith("/updates")))
    with pytest.raises(OutcomeUnknown, match="in part"):
        write(world, ref, public_title="Other", impacts={world.checkout: 4})
    world.sandbox.faults.append(Fault("status", status=429, match=lambda method, path: path.endswith("/updates")))
    with pytest.raises(RetryLater):
        write(world, ref, impacts={world.checkout: 4})


def test_without_the_sentence_components_are_set_at_birth_only_and_it_says_so() -> None:
    """No public sentence is invented: the capability is narrowed, and doctor reports it."""
    plain = WORLDS["cachet-plain"]()
    kind = plain.adapter.capabilities.kinds[INCIDENT]
    assert kind.fields[PAGE_IMPACTS].write == "create"
    assert any("impact_message" in line for line in plain.adapter.capabilities.degraded)
    ref = created(plain).ref
    plain.sandbox.calls.clear()
    with pytest.raises(Refused):
        plain.adapter.update(ref, Update({PAGE_IMPACTS: {plain.checkout: 4}}, {}))
    assert plain.sandbox.calls == []


def test_a_published_text_comes_back_with_its_mark_and_keeps_the_status(world: CachetWorld) -> None:
    """An update must name a status: the page's current one, not that of our last read."""
    ref = created(world).ref
    world.sandbox.people_set(ref.id, status=3)
    made = published(world, ref, "It was <b>a certificate</b> & no attack.")
    seen = world.adapter.observe(ref)
    assert (seen.fields[STATUS], seen.mark) == (3, "abcdef01")
    assert [(c.ref, c.mark, c.fields) for c in seen.children] == [
        (made, "aaaaaa01", {"text": "It was <b>a certificate</b> & no attack."})
    ]
    assert list(world.adapter.find(mark(world, "aaaaaa01", UPDATE, ref))) == list(seen.children)
    assert world.adapter.observe(made) == seen.children[0]
    [message] = world.sandbox.snapshot(ref.id)["comments"]
    assert "<" not in message
    assert message.endswith("\n\n[//]: # (ls:aaaaaa01)")


def test_a_text_whose_outcome_was_unknown_is_found_or_not_there(world: CachetWorld) -> None:
    """The mark is in the same request as the text."""
    ref = created(world).ref
    for kind, found in (("lost", 0), ("late", 1)):
        world.sandbox.faults.append(Fault(kind, match=lambda method, path: method == "POST"))
        with pytest.raises(OutcomeUnknown):
            published(world, ref, "A text")
        assert len(world.adapter.find(mark(world, "aaaaaa01", UPDATE, ref))) == found
    again = world.adapter.create(Desired(UPDATE, {"text": "A text"}, parent=ref), mark(world, "aaaaaa01", UPDATE, ref))
    assert again.existed
    assert len(world.adapter.observe(ref).children) == 1


def test_editing_or_deleting_a_text_does_not_move_the_status(world: CachetWorld) -> None:
    """Cachet resets it to the status of the newest update; an incident must not reopen because a typo was corrected."""
    ref = created(world).ref
    first, second = published(world, ref, "One", "aaaaaa01"), published(world, ref, "Two", "aaaaaa02")
    write(world, ref, status=4)
    edited = world.adapter.update(first, Update({"text": "One!"}, {"text": "One!"})).observation
    assert edited is not None
    assert (edited.fields["text"], edited.mark) == ("One!", "aaaaaa01")
    assert world.adapter.observe(ref).fields[STATUS] == 4
    gone = world.adapter.update(second, Update({"deleted": True}, {})).observation
    assert gone is not None
    assert gone.state == "deleted"
    seen = world.adapter.observe(ref)
    assert (seen.fields[STATUS], [c.ref for c in seen.children]) == (4, [first])
    assert world.adapter.observe(second).state == "absent"


def test_the_poll_shows_what_is_open_and_what_no_longer_is(world: CachetWorld) -> None:
    """One request shows each open incident whole; those that are no longer open are named."""
    old = world.sandbox.people_open("Long ago", status=4)
    seen = created(world)
    world.sandbox.calls.clear()
    first = world.adapter.changed_since(None)
    assert [c.observation for c in first.items] == [seen]
    assert len(world.sandbox.calls) == 1
    world.sandbox.people_set(seen.ref.id, status=4)
    second = world.adapter.changed_since(first.cursor)
    assert [(c.ref, c.observation) for c in second.items] == [(seen.ref, None)]
    assert world.adapter.changed_since(second.cursor).items == ()
    assert old != seen.ref.id


def test_a_component_shared_by_two_open_incidents_is_not_guessed_at(world: CachetWorld) -> None:
    """A list includes a shared component once, with the status of one of the two: both incidents are read separately."""
    seen = created(world)
    other = world.sandbox.people_open("Also", components={world.checkout: 2})
    alone = world.sandbox.people_open("Alone", components={world.mail: 2})
    items = {c.ref.id: c.observation for c in world.adapter.changed_since(None).items}
    assert items[seen.ref.id] is None is items[other]
    assert items[alone] == world.adapter.observe(Ref(INCIDENT, alone))
    assert world.adapter.observe(Ref(INCIDENT, other)).fields[PAGE_IMPACTS] == {world.checkout: 2}


def test_a_change_of_anything_readable_changes_the_version(world: CachetWorld) -> None:
    """The vendor's own time of change has whole seconds and ignores updates and components."""
    ref = created(world).ref
    versions = {world.adapter.observe(ref).version}
    for step in (
        lambda: world.sandbox.people_set(ref.id, name="Other"),
        lambda: world.sandbox.people_set_components(ref.id, {world.checkout: 2}),
        lambda: world.sandbox.people_post_update(ref.id, "A word"),
    ):
        step()
        versions.add(world.adapter.observe(ref).version)
    assert len(versions) == 4


def test_what_is_hidden_or_planned_is_not_adopted(world: CachetWorld) -> None:
    """An incident that is not public is a draft; maintenance is a schedule, in another list."""
    draft = world.sandbox.people_open("Draft", visible=0)
    hidden = world.sandbox.people_open("Hidden", visible=2)
    world.sandbox.people_schedule("Upgrade")
    assert world.adapter.observe(Ref(INCIDENT, draft)).type == "other"
    assert world.adapter.observe(Ref(INCIDENT, hidden)).state == "absent"
    assert [c.ref.id for c in world.adapter.changed_since(None).items] == [draft]


def test_what_is_not_there_is_absent(world: CachetWorld) -> None:
    """404 is not "deleted"; writing to it is refused."""
    ref = created(world).ref
    made = published(world, ref, "A text")
    world.person_deletes(ref)
    assert world.adapter.observe(ref).state == "absent"
    assert world.adapter.observe(made).state == "absent"
    assert world.adapter.observe(Ref(INCIDENT, "../components")).state == "absent"
    with pytest.raises(Refused):
        world.adapter.update(ref, Update({STATUS: 4}, {STATUS: 4}))
    with pytest.raises(Refused):
        published(world, ref, "A text", "aaaaaa02")


def test_what_the_vendor_lacks_is_refused(world: CachetWorld) -> None:
    """Comments and internal fields are not declared; asked for all the same, nothing is sent."""
    ref = created(world).ref
    world.sandbox.calls.clear()
    with pytest.raises(Refused):
        world.adapter.create(Desired(COMMENT, {"text": "internal"}, parent=ref), mark(world, "aaaaaa02", COMMENT, ref))
    with pytest.raises(Refused):
        world.adapter.update(ref, Update({"severity": "SEV1"}, {}))
    assert world.sandbox.calls == []


def test_validation_errors_name_the_field(world: CachetWorld) -> None:
    """422 would be repeated: the person gets the vendor's message, with our name of the field."""
    ref = created(world).ref
    with pytest.raises(Refused, match="selected status is invalid") as refused:
        write(world, ref, status=9)
    assert refused.value.field == STATUS
    with pytest.raises(Refused) as refused:
        write(world, ref, impacts={"999": 1})
    assert refused.value.field == PAGE_IMPACTS


def test_throttling_says_how_long(world: CachetWorld) -> None:
    """Laravel's limiter counts whole minutes and returns when the next begins."""
    world.sandbox.per_minute = 3
    world.clock.advance(60)
    for _ in range(3):
        world.adapter.probe()
    world.clock.advance(20)
    with pytest.raises(RetryLater) as later:
        world.adapter.probe()
    assert (later.value.throttled, later.value.delay) == (True, 40.0)
    world.clock.advance(40)
    world.adapter.probe()


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b"null"])
def test_an_answer_that_is_no_document_is_not_believed(world: CachetWorld, body: bytes) -> None:
    """A gateway's page with status 200 is no answer."""
    ref = created(world).ref
    for _ in range(2):
        world.sandbox.faults.append(Fault("status", status=200, body=body))
    with pytest.raises(RetryLater):
        world.adapter.observe(ref)
    with pytest.raises(OutcomeUnknown):
        world.adapter.update(ref, Update({STATUS: 4}, {STATUS: 4}))


def test_a_token_that_is_no_longer_valid_is_unauthorised_and_not_shown(world: CachetWorld) -> None:
    """Every call reports it, and `doctor` gives the remedy, also if reading is public."""
    world.forbid()
    with pytest.raises(Unauthorised) as refused:
        world.adapter.observe(Ref(INCIDENT, "1"))
    assert "sandbox-token" not in str(refused.value)
    world.sandbox.protected = False
    assert [(f.level, "api_token" in f.remedy) for f in world.adapter.examine()] == [("error", True)]


def test_a_token_without_the_ability_is_unauthorised(world: CachetWorld) -> None:
    """Reading works; writing reports what is missing."""
    ref = created(world).ref
    world.sandbox.tokens["1|sandbox-token"] = frozenset()
    assert world.adapter.observe(ref).state == "present"
    with pytest.raises(Unauthorised, match="403"):
        world.adapter.update(ref, Update({STATUS: 4}, {STATUS: 4}))


def test_doctor_sees_a_wrong_version_and_wrong_components(world: CachetWorld) -> None:
    """Each is reported with its remedy."""
    assert {f.level for f in world.adapter.examine()} == {"ok"}
    world.sandbox.version = "2.4.1"
    world.adapter._mapped.append("999")
    said = " ".join(f.what for f in world.adapter.examine() if f.level == "error")
    assert "2.4.1" in said
    assert "999" in said


def test_there_are_no_webhooks(world: CachetWorld) -> None:
    """Any webhook has an invalid signature and is unusable."""
    request = Request("POST", "/webhooks/page/x", {}, {}, b"{}", datetime(2026, 1, 5, tzinfo=UTC))
    with pytest.raises(InvalidSignature):
        world.adapter.authenticate(request, world.secrets)
    with pytest.raises(Unusable):
        world.adapter.hints(request)


@pytest.mark.parametrize(
    "message",
    ["", "plain", "&amp; already", "<script>x</script>", "a\n\nb", "ends with [//]: # (ls:short)", "[ls:abcdef01]"],
)
def test_a_text_survives_its_way_there_and_back(message: str) -> None:
    """Escapes and the mark are removed again; text that only resembles a mark is kept."""
    assert wire.unsign(wire.sign(message, "abcdef01")) == (message, "abcdef01")
    assert wire.unsign(wire.to_markdown(message)) == (message, None)
