"""Links (an incident's copies at the vendors), and strangers (objects there that belong to no incident yet)."""

from __future__ import annotations

from typing import Any

from hub.sync import desk
from hub.web import shapes
from hub.web.answers import LinkInFull, Links, Stranger, Strangers
from hub.web.operations import Call, Operation


def _list(call: Call) -> Any:
    query = call.query
    return desk.list_links(call.hub, query.incident, query.state, query.limit, query.before)


def _show(call: Call) -> Any:
    return desk.show_link(call.hub, call.path["id"])


def _approve(call: Call) -> Any:
    return desk.approve_link(call.hub, call.path["id"], call.body.content_hash, actor=call.actor)


def _unlink(call: Call) -> Any:
    return desk.unlink(call.hub, call.path["id"], actor=call.actor)


def _relink(call: Call) -> Any:
    body = call.body
    return desk.relink(call.hub, call.path["ref"], body.connection, body.slot, body.remote_id, actor=call.actor)


def _review(call: Call) -> Any:
    return desk.review_field(call.hub, call.path["id"], call.body.field, call.body.decision, actor=call.actor)


def _look(call: Call) -> Any:
    return desk.look_again(call.hub, call.path["id"])


def _strangers(call: Call) -> Any:
    return desk.list_strangers(call.hub, call.query.state, call.query.limit, call.query.before)


def _settle(call: Call) -> Any:
    return desk.settle_stranger(call.hub, call.path["id"], call.body.incident, actor=call.actor)


OPERATIONS = (
    Operation("GET", "/links", "Links, newest first", _list, "links", answer=Links, query=shapes.LinkPaging, fails=(404,)),
    Operation("GET", "/links/{id}", "A link, and the draft that waits for approval", _show, "links", answer=LinkInFull),
    Operation(
        "POST", "/links/{id}/approval", "Approve what is held on a link: it will be published", _approve, "links", "admin",
        answer=LinkInFull, body=shapes.Approve, fails=(409,),
    ),
    Operation(
        "DELETE", "/links/{id}", "Unlink: the object at the vendor stays, and is no longer kept in step", _unlink, "links",
        "write", answer=LinkInFull, fails=(409,),
    ),
    Operation(
        "POST", "/incidents/{ref}/links", "Link an incident to an object that exists at a vendor", _relink, "links", "write",
        201, LinkInFull, body=shapes.Relink, fails=(409,),
    ),
    Operation(
        "POST", "/links/{id}/review", "Decide between their value of a field and ours", _review, "links", "write",
        answer=LinkInFull, body=shapes.Review, fails=(409,),
    ),
    Operation(
        "POST", "/links/{id}/look", "Look at the object again, soon", _look, "links", "write", 202, LinkInFull, fails=(409,)
    ),
    Operation(
        "GET", "/strangers", "Objects at vendors that belong to no incident yet", _strangers, "strangers", answer=Strangers,
        query=shapes.StrangerPaging,
    ),
    Operation(
        "POST", "/strangers/{id}/settlement", "Say which incident such an object belongs to", _settle, "strangers", "write",
        answer=Stranger, body=shapes.Settle, fails=(409,),
    ),
)  # fmt: skip
"""`admin`: what customers will read."""
