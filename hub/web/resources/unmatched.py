"""Unmatched objects: made at a vendor, and linked to no incident yet."""

from __future__ import annotations

from typing import Any

from hub import services
from hub.web import request_models
from hub.web.operations import Call, Operation
from hub.web.response_models import Unmatched, UnmatchedObjects


def _list(call: Call) -> Any:
    return services.list_unmatched(call.hub, call.query.state, call.query.limit, call.query.before)


def _link(call: Call) -> Any:
    return services.link_unmatched(call.hub, call.path["id"], call.body.incident, actor=call.actor)


def _open(call: Call) -> Any:
    return services.open_unmatched(call.hub, call.path["id"], actor=call.actor)


def _ignore(call: Call) -> Any:
    return services.ignore_unmatched(call.hub, call.path["id"], actor=call.actor)


OPERATIONS = (
    Operation(
        "GET", "/unmatched", "Unmatched objects, newest first", _list, "unmatched", answer=UnmatchedObjects,
        query=request_models.UnmatchedPaging,
    ),
    Operation(
        "POST", "/unmatched/{id}/link", "Link an unmatched object to an incident", _link, "unmatched", "write",
        answer=Unmatched, body=request_models.LinkUnmatched, fails=(409,),
    ),
    Operation(
        "POST", "/unmatched/{id}/open", "Open an incident from an unmatched object", _open, "unmatched", "write",
        answer=Unmatched, fails=(409,),
    ),
    Operation(
        "POST", "/unmatched/{id}/ignore", "Ignore an unmatched object", _ignore, "unmatched", "write",
        answer=Unmatched, fails=(409,),
    ),
)  # fmt: skip
