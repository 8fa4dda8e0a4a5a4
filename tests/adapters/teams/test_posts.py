"""The two routes that can only post, and what is refused at start."""

from __future__ import annotations

import pytest
import responses

from adapters.http import Wire
from adapters.sandboxing import Fault
from adapters.teams.adapter import build
from adapters.teams.sandbox import JANE, ROBIN
from hub.domain.capability import CreateSafety
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised
from hub.domain.values import COMMENT, INCIDENT, Desired, Mark, Ref, Update
from hub.domain.vocabulary import VocabularyGap
from hub.ports import Probes, ReadsReactions, Replies, Subscribes
from tests.contract.worlds.teams import TeamsWorld

URL = "https://prod-1.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=very-secret"


@pytest.fixture
def flow() -> TeamsWorld:
    return TeamsWorld("workflow")


@pytest.fixture
def feed() -> TeamsWorld:
    return TeamsWorld("activity")


def mark(world: TeamsWorld, kind: str = INCIDENT) -> Mark:
    return Mark(kind, "abcdef1", world.clock.now())


@pytest.mark.parametrize("kind", [INCIDENT, COMMENT])
def test_a_flow_takes_a_card_and_gives_no_id(flow: TeamsWorld, kind: str) -> None:
    """So nothing is assumed editable; the card appears when the flow has run."""
    written = flow.adapter.create(flow.sample(kind), mark(flow, kind))
    assert (written.ref, written.observation) == (None, None)
    assert flow.sandbox.flow_cards == []
    flow.sandbox.settle()
    (card,) = flow.sandbox.flow_cards
    text = str(card["body"])
    assert "INC-12" in text
    assert ("certificate" in text) is (kind == COMMENT)
    assert ("Status:" in text) is (kind == INCIDENT)
    assert card["actions"][0]["url"] == "https://hub.example.com/incidents/INC-12"


def test_what_a_flow_cannot_do_is_declared_in_words(flow: TeamsWorld) -> None:
    """No reads, no edits, no protection against a duplicate."""
    for kind in flow.adapter.capabilities.kinds.values():
        assert (kind.reads, kind.edits, kind.deletes, kind.create) == (False, False, False, CreateSafety.NEITHER)
        assert not any(f.read for f in kind.fields.values())
    assert "without a message id" in flow.adapter.capabilities.degraded[0]
    for call in (
        lambda: flow.adapter.observe(Ref(INCIDENT, "1")),
        lambda: flow.adapter.update(Ref(INCIDENT, "1"), Update({}, {})),
    ):
        with pytest.raises(Refused):
            call()
    assert flow.adapter.find(mark(flow)) == ()
    assert flow.adapter.changed_since(None).items == ()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, RetryLater),
        (500, OutcomeUnknown),
        (503, OutcomeUnknown),
        (400, Refused),
        (401, Unauthorised),
        (404, Refused),
    ],
)
@responses.activate
def test_a_flow_is_called_once_and_its_url_is_in_no_error(
    flow: TeamsWorld, status: int, error: type[Exception]
) -> None:
    """The URL is the credential."""
    flow.secrets.values["workflow_url"] = [URL]
    spec = type(flow.spec)(**{**flow.spec.__dict__, "wire": Wire()})
    responses.post(URL, status=status, body=f"no: {URL}", headers={"Location": "https://evil.example.com"})
    with pytest.raises(error) as caught:
        build(spec).create(flow.sample(INCIDENT), mark(flow))
    assert "very-secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert len(responses.calls) == 1


def test_a_flow_that_does_not_answer_is_an_unknown_outcome(flow: TeamsWorld) -> None:
    """It may have started."""
    flow.sandbox.faults.append(Fault("late"))
    with pytest.raises(OutcomeUnknown) as caught:
        flow.adapter.create(flow.sample(INCIDENT), mark(flow))
    assert flow.sandbox.workflow_signature not in str(caught.value)


def test_a_flow_without_its_url_is_unauthorised_and_doctor_says_so(flow: TeamsWorld) -> None:
    """Before anything is sent."""
    flow.adapter.probe()  # type: ignore[attr-defined]
    assert [f.level for f in flow.adapter.examine()] == ["warn"]  # type: ignore[attr-defined]
    del flow.secrets.values["workflow_url"]
    with pytest.raises(Unauthorised, match="workflow_url"):
        flow.adapter.create(flow.sample(INCIDENT), mark(flow))
    assert flow.adapter.examine()[0].level == "error"  # type: ignore[attr-defined]
    flow.secrets.put("workflow_url", "http://example.com")
    assert "https" in flow.adapter.examine()[0].what  # type: ignore[attr-defined]


def test_a_notification_reaches_the_members_of_the_channel(feed: TeamsWorld) -> None:
    """As the application, with a link, and without an id."""
    assert feed.adapter.create(feed.sample(INCIDENT), mark(feed)).ref is None
    (sent,) = feed.sandbox.notifications
    assert sent["activityType"] == "incidentChanged"
    assert sent["recipient"]["@odata.type"].endswith("channelMembersNotificationRecipient")
    assert sent["topic"]["webUrl"] == "https://hub.example.com/incidents/INC-12"
    assert sent["previewText"]["content"].startswith("INC-12 SEV2 triggered: Payments fail")
    assert len(sent["previewText"]["content"]) <= 150


def test_a_notification_may_go_to_the_team_or_to_named_people() -> None:
    """One call for each person; if a later one fails, some have been notified."""
    team = TeamsWorld("activity", recipients="team")
    team.adapter.create(team.sample(INCIDENT), mark(team))
    assert team.sandbox.notifications[0]["recipient"]["teamId"] == team.sandbox.team
    people = TeamsWorld("activity", recipients=[ROBIN, JANE])
    people.adapter.create(people.sample(INCIDENT), mark(people))
    assert [n["recipient"]["userId"] for n in people.sandbox.notifications] == [ROBIN, JANE]
    sent = iter([False, True])
    people.sandbox.faults.append(
        Fault("status", status=429, match=lambda m, p: p.endswith("Notification") and next(sent, False))
    )
    with pytest.raises(OutcomeUnknown, match=r"1 recipient\(s\) notified, then: "):
        people.adapter.create(people.sample(INCIDENT), mark(people))


def test_an_activity_type_that_the_manifest_lacks_is_refused(feed: TeamsWorld) -> None:
    """In the vendor's words."""
    feed.sandbox.activity_types.clear()
    with pytest.raises(Refused, match="manifest"):
        feed.adapter.create(feed.sample(INCIDENT), mark(feed))
    assert feed.adapter.examine()[0].level == "ok"  # type: ignore[attr-defined]
    feed.forbid()
    feed.clock.advance(3600)
    with pytest.raises(Unauthorised):
        feed.adapter.probe()  # type: ignore[attr-defined]


def test_an_applications_token_cannot_post_a_message(feed: TeamsWorld) -> None:
    """The reason for three routes: the permission table, as the stand-in implements it."""
    from adapters.teams.channel import Channel

    channel = Channel(feed.adapter.settings, feed.adapter.graph)  # type: ignore[attr-defined]
    with pytest.raises(Unauthorised, match=r"Teamwork\.Migrate\.All"):
        channel.post({"body": {"content": "x"}})
    assert feed.sandbox.messages == {}


def test_each_route_offers_just_what_it_can() -> None:
    """All understand what comes in; only Graph subscribes and reads reactions."""
    for route, more in (("graph", True), ("workflow", False), ("activity", False)):
        adapter = TeamsWorld(route).adapter
        assert isinstance(adapter, Replies)
        assert isinstance(adapter, Probes)
        assert isinstance(adapter, Subscribes) is more
        assert isinstance(adapter, ReadsReactions) is more


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"route": "bot"}, "'route'"),
        ({"account": ""}, "'account'"),
        ({"team": None}, "'team'"),
        ({"graph_url": "graph.microsoft.com"}, "'graph_url'"),
        ({"graph_url": "https://graph.microsoft.com/beta"}, "'graph_url'"),
        ({"reactions": [["like", "dance"]]}, "'reactions'"),
        ({"recipients": []}, "'recipients'"),
    ],
)
def test_wrong_settings_are_refused_at_start_with_their_place(change: dict[str, object], place: str) -> None:
    """The connection's name and the setting's."""
    with pytest.raises(ValueError, match=f"connection ops-channel: setting {place}"):
        TeamsWorld(**{"route": "graph", **change})  # type: ignore[arg-type]


def test_a_gap_in_the_vocabulary_is_refused_at_start() -> None:
    """With connection, field and word."""
    world = TeamsWorld()
    words = {**world.spec.vocabulary, "status": [["triggered", "Alarm"]]}
    spec = type(world.spec)(**{**world.spec.__dict__, "vocabulary": words})
    with pytest.raises(VocabularyGap, match=r"ops-channel.*'status'.*'acknowledged'"):
        build(spec)


def test_a_comment_without_a_thread_is_refused() -> None:
    """There is nothing that it would reply to."""
    world = TeamsWorld()
    with pytest.raises(Refused):
        world.adapter.create(Desired(COMMENT, {"text": "x"}), mark(world, COMMENT))
