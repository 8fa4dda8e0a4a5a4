"""Links (an incident's copies at the vendors), and unmatched objects (objects there that belong to no incident yet)."""

from __future__ import annotations

from typing import Any

from hub import services
from hub.web import request_models
from hub.web.operations import Call, Operation
from hub.web.response_models import LinkInFull, Links, Unmatched, UnmatchedObjects


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


def _look(call: Call) -> Any:
    return services.refresh_link(call.hub, call.path["id"])


def _unmatched_objects(call: Call) -> Any:
    return services.list_unmatched(call.hub, call.query.state, call.query.limit, call.query.before)


def _settle(call: Call) -> Any:
    return services.settle_unmatched(call.hub, call.path["id"], call.body.incident, actor=call.actor)


OPERATIONS = (
    Operation("GET", "/links", "Links, newest first", _list, "links", answer=Links, query=request_models.LinkPaging, fails=(404,)),
    Operation("GET", "/links/{id}", "A link, and the draft that waits for approval", _show, "links", answer=LinkInFull),
    Operation(
        "POST", "/links/{id}/approval", "Approve what is held on a link: it will be published", _approve, "links", "admin",
        answer=LinkInFull, body=request_models.Approve, fails=(409,),
    ),
    Operation(
        "DELETE", "/links/{id}", "Unlink: the object at the vendor stays, and is no longer kept in step", _unlink, "links",
        "write", answer=LinkInFull, fails=(409,),
    ),
    Operation(
        "POST", "/incidents/{ref}/links", "Link an incident to an object that exists at a vendor", _relink, "links", "write",
        201, LinkInFull, body=request_models.Relink, fails=(409,),
    ),
    Operation(
        "POST", "/links/{id}/review", "Decide between their value of a field and ours", _review, "links", "write",
        answer=LinkInFull, body=request_models.Review, fails=(409,),
    ),
    Operation(
        "POST", "/links/{id}/look", "Look at the object again, soon", _look, "links", "write", 202, LinkInFull, fails=(409,)
    ),
    Operation(
        "GET", "/unmatched", "Objects at vendors that belong to no incident yet", _unmatched_objects, "unmatched", answer=UnmatchedObjects,
        query=request_models.UnmatchedPaging,
    ),
    Operation(
        "POST", "/unmatched/{id}/settlement", "Say which incident such an object belongs to", _settle, "unmatched", "write",
        answer=Unmatched, body=request_models.Settle, fails=(409,),
    ),
)  # fmt: skip
"""`admin`: what customers will read."""
