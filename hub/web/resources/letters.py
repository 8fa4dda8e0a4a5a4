"""What came in (the inbox of webhooks, kept raw), and what could not go out (dead letters of the outbox)."""

from __future__ import annotations

from typing import Any

from hub.sync import desk
from hub.web import shapes
from hub.web.answers import Inbox, InboxRow, InboxRowInFull, Letter, Letters
from hub.web.operations import Call, Operation


def _inbox(call: Call) -> Any:
    return desk.list_inbox(call.hub, call.query.state, call.query.limit, call.query.before)


def _show(call: Call) -> Any:
    return desk.show_inbox(call.hub, call.path["id"])


def _again(call: Call) -> Any:
    return desk.replay_inbox(call.hub, call.path["id"])


def _dead(call: Call) -> Any:
    return desk.list_dead(call.hub, call.query.limit, call.query.before)


def _replay(call: Call) -> Any:
    return desk.replay(call.hub, call.path["id"], actor=call.actor)


def _discard(call: Call) -> Any:
    return desk.discard(call.hub, call.path["id"], actor=call.actor)


OPERATIONS = (
    Operation("GET", "/inbox", "Webhooks that came in, newest first", _inbox, "inbox", "admin", answer=Inbox, query=shapes.InboxPaging),
    Operation("GET", "/inbox/{id}", "A webhook as it came", _show, "inbox", "admin", answer=InboxRowInFull),
    Operation("POST", "/inbox/{id}/replay", "Take a webhook in once more", _again, "inbox", "admin", 202, InboxRow, fails=(409,)),
    Operation(
        "GET", "/dead-letters", "Writes that were given up, newest first", _dead, "dead letters", answer=Letters,
        query=shapes.Paging,
    ),
    Operation(
        "POST", "/dead-letters/{id}/replay", "Try a dead letter again", _replay, "dead letters", "admin", 202, Letter,
        fails=(409,),
    ),
    Operation(
        "POST", "/dead-letters/{id}/discard", "Give a dead letter up for good", _discard, "dead letters", "admin",
        answer=Letter, fails=(409,),
    ),
)  # fmt: skip
"""The inbox is for `admin`: it shows what vendors sent, whatever that was."""
