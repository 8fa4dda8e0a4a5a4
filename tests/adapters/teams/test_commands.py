"""Commands sent to the outgoing webhook: authentication, meaning, and the answer in the response."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.teams.sandbox import ROBIN
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import INCIDENT, Actor, Command, Ref, Request
from tests.adapters.teams.conftest import has_invalid_signature
from tests.contract.worlds.teams import TeamsWorld

ROOT = Ref(INCIDENT, "1767603600000")
WHO = Actor(name="Robin Kline", account=ROBIN)


def signed(world: TeamsWorld, data: Any, secret: str | None = None) -> Request:
    body = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
    key = base64.b64decode(secret or world.sandbox.push.outgoing_secret)
    mac = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()
    at = world.clock.now() + timedelta(seconds=12)
    return Request("POST", "/webhooks/teams", {}, {"authorization": f"HMAC {mac}"}, body, at)


class Rows:
    """Our own rows: one incident, in the thread of ROOT."""

    def __init__(self, no: str | None = None) -> None:
        self.no = no
        self.asked: list[tuple[Ref | None, str]] = []

    def incident(self, ref: Ref | None, hint: str) -> Mapping[str, Any] | None:
        self.asked.append((ref, hint))
        if ref != ROOT and hint != "INC-12":
            return None
        return {"number": "INC-12", "title": "Down", "roles": {"commander": "ada_l"}, "assignees": ["grace"]}

    def may(self, actor: Actor | None, command: Command) -> str | None:
        return self.no


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("command-ack", Command("ack", "", WHO)),
        ("command-resolve", Command("resolve", "", WHO)),
        ("command-sev", Command("sev", "2", WHO)),
        ("command-sev.glued", Command("sev", "1", WHO)),
        ("command-status", Command("status", "monitoring", WHO)),
        ("command-note", Command("note", "Jane Smith sees 5 < 6 & more\nsecond line", WHO)),
    ],
)
def test_a_command_is_a_verb_its_words_and_a_person(
    world: TeamsWorld, fixture: Callable[[str], Any], name: str, command: Command
) -> None:
    """It concerns the thread where it was written, and the person is identified by the directory's id."""
    request = signed(world, fixture(name))
    assert world.adapter.authenticate(request, world.secrets)
    (hint,) = world.adapter.hints(request)
    assert (hint.ref, hint.command, hint.actor) == (ROOT, command, WHO)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("command-who", "answered in place"),
        ("command-help", "answered in place"),
        ("command-unknown", "unknown command"),
        ("command-ack.nobody", "names no account"),
        ("conversationUpdate", "not a message"),
    ],
)
def test_what_changes_nothing_is_kept_as_ignored_with_its_reason(
    world: TeamsWorld, fixture: Callable[[str], Any], name: str, why: str
) -> None:
    """Authentic all the same."""
    request = signed(world, fixture(name))
    world.adapter.authenticate(request, world.secrets)
    (hint,) = world.adapter.hints(request)
    assert why in str(hint.ignored)
    assert hint.command is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("command-ack", "INC-12: your acknowledgement is recorded"),
        ("command-note", "INC-12: your note is sent to every tool"),
        ("command-who", "INC-12:\n\n- commander: ada\\_l\n- assigned: grace"),
        ("command-help", "I understand, in the thread of an incident"),
        ("command-unknown", "Unknown command.\n\nI understand"),
        ("command-ack.nobody", "sent no account for you"),
    ],
)
def test_the_answer_comes_from_our_own_rows(
    world: TeamsWorld, fixture: Callable[[str], Any], name: str, says: str
) -> None:
    """In the response, as a Teams message, and no vendor is called."""
    before = len(world.sandbox.calls)
    reply = world.adapter.reply(signed(world, fixture(name)), Rows())  # type: ignore[attr-defined]
    assert (reply.status, reply.content_type) == (200, "application/json")
    answer = json.loads(reply.body)
    assert answer["type"] == "message"
    assert says in answer["text"]
    assert len(world.sandbox.calls) == before


def test_what_a_person_may_not_do_is_said_with_the_reason(world: TeamsWorld, fixture: Callable[[str], Any]) -> None:
    """In the words that the hub gives."""
    reply = world.adapter.reply(signed(world, fixture("command-ack")), Rows("only a *commander* may"))  # type: ignore[attr-defined]
    assert json.loads(reply.body)["text"] == "INC-12: only a \\*commander\\* may"


def test_outside_an_incidents_thread_nothing_is_promised(world: TeamsWorld, fixture: Callable[[str], Any]) -> None:
    """A command there changes nothing and says so; a question may name the incident."""
    elsewhere = fixture("command-ack")
    elsewhere["conversation"]["id"] = "19:4a95@thread.tacv2;messageid=999"
    reply = world.adapter.reply(signed(world, elsewhere), Rows())  # type: ignore[attr-defined]
    assert "No incident belongs to this thread" in json.loads(reply.body)["text"]
    elsewhere["text"] = "<at>Lockstep</at> who INC-12"
    reply = world.adapter.reply(signed(world, elsewhere), Rows())  # type: ignore[attr-defined]
    assert "commander" in json.loads(reply.body)["text"]
    elsewhere["conversation"] = None
    elsewhere["text"] = "<at>Lockstep</at> ack"
    (hint,) = world.adapter.hints(signed(world, elsewhere))
    assert hint.ignored == "a command outside any thread"


def test_a_change_notification_gets_no_answer_of_its_own(world: TeamsWorld, fixture: Callable[[str], Any]) -> None:
    """A plain 202 will do."""
    body = json.dumps(fixture("several")).encode()
    request = Request("POST", "/", {}, {}, body, world.clock.now())
    assert world.adapter.reply(request, Rows()) is None  # type: ignore[attr-defined]


# --- authentication -------------------------------------------------------------------------------------------------


def test_the_stand_ins_command_is_believed_and_its_forgeries_are_not(world: TeamsWorld, card: Ref) -> None:
    """From a person's message in the thread to the hint."""
    world.sandbox.people_command("ack", card.id)
    notice, request = sorted(world.webhooks(), key=lambda r: "authorization" in r.headers)
    assert world.adapter.hints(notice)[0].ref
    name = world.adapter.authenticate(request, world.secrets)
    assert world.adapter.hints(request)[0].command == Command("ack", "", WHO)
    assert world.adapter.hints(request)[0].ref == card
    again = replace(request, received_at=request.received_at + timedelta(seconds=30))
    assert world.adapter.authenticate(again, world.secrets) == name
    for why, badly_signed in world.badly_signed(request):
        assert has_invalid_signature(world, badly_signed), why


@pytest.mark.parametrize("minutes", [-6, 6, 60 * 24])
def test_an_old_or_early_command_is_not_believed(
    world: TeamsWorld, fixture: Callable[[str], Any], minutes: int
) -> None:
    """The signature covers no time of sending, so a replay is detected by the activity's own time."""
    request = signed(world, fixture("command-ack"))
    with pytest.raises(InvalidSignature, match="time"):
        world.adapter.authenticate(
            replace(request, received_at=request.received_at + timedelta(minutes=minutes)), world.secrets
        )


@pytest.mark.parametrize("timestamp", [None, 5, "", "yesterday", "9999-99-99T00:00:00Z"])
def test_a_command_without_a_time_is_not_believed(
    world: TeamsWorld, fixture: Callable[[str], Any], timestamp: Any
) -> None:
    """Missing or malformed."""
    with pytest.raises(InvalidSignature, match="time"):
        world.adapter.authenticate(signed(world, {**fixture("command-ack"), "timestamp": timestamp}), world.secrets)


def test_a_security_token_is_rotated_without_a_gap(world: TeamsWorld, fixture: Callable[[str], Any]) -> None:
    """Both are valid, a third is not; without a token nothing is."""
    old = signed(world, fixture("command-ack"))
    world.rotate()
    world.adapter.authenticate(old, world.secrets)
    world.adapter.authenticate(signed(world, fixture("command-ack")), world.secrets)
    with pytest.raises(InvalidSignature, match="wrong HMAC"):
        world.adapter.authenticate(signed(world, fixture("command-ack"), "YW5vdGhlcg=="), world.secrets)
    world.secrets.values["outgoing_webhook_secret"] = ["not base64!"]
    with pytest.raises(InvalidSignature, match="outgoing_webhook_secret is not set"):
        world.adapter.authenticate(old, world.secrets)


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{", b"[" * 100_000, b"\xff"])
def test_authentic_nonsense_is_kept_and_unusable(world: TeamsWorld, body: bytes) -> None:
    """Its signature is valid, so it is Unusable and not InvalidSignature."""
    request = signed(world, body)
    assert world.adapter.authenticate(request, world.secrets)
    with pytest.raises(Unusable):
        world.adapter.hints(request)
    assert world.adapter.reply(request, Rows()) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text", [None, 5, "", "<at>", "<at>Lockstep</at>", "<at>Lockstep</at>&nbsp;", "\x00", "ack" * 9999]
)
def test_any_text_at_all_is_answered(world: TeamsWorld, fixture: Callable[[str], Any], text: Any) -> None:
    """With the help text at worst."""
    request = signed(world, {**fixture("command-ack"), "text": text, "from": None, "id": None})
    world.adapter.authenticate(request, world.secrets)
    assert world.adapter.hints(request)[0].ignored
    reply = world.adapter.reply(request, Rows())  # type: ignore[attr-defined]
    assert "I understand" in json.loads(reply.body)["text"]
