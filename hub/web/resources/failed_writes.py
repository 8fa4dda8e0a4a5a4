"""What came in (the inbox of webhooks, kept raw), and what could not go out (failed writes of the outbox)."""

from __future__ import annotations

from typing import Any

from hub import services
from hub.web import request_models
from hub.web.operations import Call, Operation
from hub.web.response_models import FailedWrite, FailedWrites, Inbox, InboxRow, InboxRowInFull


def _inbox(call: Call) -> Any:
    return services.list_inbox(call.hub, call.query.state, call.query.limit, call.query.before)


def _show(call: Call) -> Any:
    return services.show_inbox(call.hub, call.path["id"])


def _again(call: Call) -> Any:
    return services.retry_inbox(call.hub, call.path["id"])


def _failed_writes(call: Call) -> Any:
    return services.list_failed_writes(call.hub, call.query.limit, call.query.before)


def _replay(call: Call) -> Any:
    return services.replay(call.hub, call.path["id"], actor=call.actor)


def _discard(call: Call) -> Any:
    return services.discard(call.hub, call.path["id"], actor=call.actor)


OPERATIONS = (
    Operation("GET", "/inbox", "Webhooks that came in, newest first", _inbox, "inbox", "admin", answer=Inbox, query=request_models.InboxPaging),
    Operation("GET", "/inbox/{id}", "A webhook as it came", _show, "inbox", "admin", answer=InboxRowInFull),
    Operation("POST", "/inbox/{id}/replay", "Take a webhook in once more", _again, "inbox", "admin", 202, InboxRow, fails=(409,)),
    Operation(
        "GET", "/failed-writes", "Writes that were given up, newest first", _failed_writes, "failed writes", answer=FailedWrites,
        query=request_models.Paging,
    ),
    Operation(
        "POST", "/failed-writes/{id}/replay", "Try a failed write again", _replay, "failed writes", "admin", 202, FailedWrite,
        fails=(409,),
    ),
    Operation(
        "POST", "/failed-writes/{id}/discard", "Give a failed write up for good", _discard, "failed writes", "admin",
        answer=FailedWrite, fails=(409,),
    ),
)  # fmt: skip
"""The inbox is for `admin`: it shows what vendors sent, whatever that was."""
