"""The inbox: webhooks as they were received."""

from __future__ import annotations

from typing import Any

from hub import services
from hub.web import request_models
from hub.web.operations import Call, Operation
from hub.web.response_models import Inbox, InboxRow, InboxRowInFull


def _list(call: Call) -> Any:
    return services.list_inbox(call.hub, call.query.state, call.query.limit, call.query.before)


def _show(call: Call) -> Any:
    return services.show_inbox(call.hub, call.path["id"])


def _retry(call: Call) -> Any:
    return services.retry_inbox(call.hub, call.path["id"])


OPERATIONS = (
    Operation("GET", "/inbox", "Received webhooks, newest first", _list, "inbox", "admin", answer=Inbox, query=request_models.InboxPaging),
    Operation("GET", "/inbox/{id}", "A webhook as it was received", _show, "inbox", "admin", answer=InboxRowInFull),
    Operation("POST", "/inbox/{id}/retry", "Read a stored webhook again", _retry, "inbox", "admin", 202, InboxRow, fails=(409,)),
)  # fmt: skip
"""Scope `admin`, because a webhook shows all that the vendor sent."""
