"""Links: an incident's objects at the vendors."""

from __future__ import annotations

from typing import Any

from hub import services
from hub.web import request_models
from hub.web.operations import Call, Operation
from hub.web.response_models import LinkInFull, Links


def _list(call: Call) -> Any:
    query = call.query
    return services.list_links(call.hub, query.incident, query.state, query.limit, query.before)


def _show(call: Call) -> Any:
    return services.show_link(call.hub, call.path["id"])


def _approve(call: Call) -> Any:
    return services.approve_link(call.hub, call.path["id"], call.body.content_hash, actor=call.actor)


def _unlink(call: Call) -> Any:
    return services.unlink(call.hub, call.path["id"], actor=call.actor)


def _relink(call: Call) -> Any:
    body = call.body
    return services.relink(call.hub, call.path["ref"], body.connection, body.slot, body.remote_id, actor=call.actor)


def _review(call: Call) -> Any:
    return services.review_field(call.hub, call.path["id"], call.body.field, call.body.decision, actor=call.actor)


def _refresh(call: Call) -> Any:
    return services.refresh_link(call.hub, call.path["id"])


OPERATIONS = (
    Operation("GET", "/links", "Links, newest first", _list, "links", answer=Links, query=request_models.LinkPaging, fails=(404,)),
    Operation("GET", "/links/{id}", "A link, and the draft that waits for approval", _show, "links", answer=LinkInFull),
    Operation(
        "POST", "/links/{id}/approval", "Approve the draft of a held link: it will be published", _approve, "links", "admin",
        answer=LinkInFull, body=request_models.Approve, fails=(409,),
    ),
    Operation(
        "DELETE", "/links/{id}", "Unlink: the object stays at the vendor and is not kept in step any more", _unlink, "links",
        "write", answer=LinkInFull, fails=(409,),
    ),
    Operation(
        "POST", "/incidents/{ref}/links", "Link an incident to an object that exists at a vendor", _relink, "links", "write",
        201, LinkInFull, body=request_models.Relink, fails=(409,),
    ),
    Operation(
        "POST", "/links/{id}/review", "Decide a held field: take the vendor's value, or keep the hub's", _review, "links", "write",
        answer=LinkInFull, body=request_models.Review, fails=(409,),
    ),
    Operation(
        "POST", "/links/{id}/refresh", "Read the object at the vendor again, soon", _refresh, "links", "write", 202, LinkInFull,
        fails=(409,),
    ),
)  # fmt: skip
"""Scope `admin` for approvals, because customers will read the draft."""
