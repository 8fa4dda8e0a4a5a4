"""Incidents, their comments, updates and journal."""

from __future__ import annotations

from typing import Any

from hub import services
from hub.web import request_models
from hub.web.operations import Call, Operation
from hub.web.response_models import Comment, Incident, IncidentInFull, Incidents, Journal, Update


def _list(call: Call) -> Any:
    only = None if call.query.open is None else call.query.open == "true"
    return services.list_incidents(call.hub, open=only, limit=call.query.limit, before=call.query.before)


def _show(call: Call) -> Any:
    return services.show_incident(call.hub, call.path["ref"])


def _open(call: Call) -> Any:
    fields = call.body.fields.model_dump(exclude_unset=True)
    return services.open_incident(call.hub, fields, actor=call.actor, dedup_key=call.body.dedup_key)


def _edit(call: Call) -> Any:
    fields = call.body.fields.model_dump(exclude_unset=True)
    return services.edit_incident(call.hub, call.path["ref"], fields, actor=call.actor)


def _merge(call: Call) -> Any:
    return services.merge_incidents(call.hub, call.path["ref"], call.body.into, actor=call.actor)


def _journal(call: Call) -> Any:
    return services.show_journal(call.hub, call.path["ref"])


def _comment(call: Call) -> Any:
    return services.add_comment(call.hub, call.path["ref"], call.body.text, actor=call.actor)


def _edit_comment(call: Call) -> Any:
    return services.edit_comment(call.hub, call.path["id"], call.body.text, actor=call.actor)


def _delete_comment(call: Call) -> Any:
    return services.edit_comment(call.hub, call.path["id"], None, actor=call.actor)


def _draft(call: Call) -> Any:
    return services.draft_update(
        call.hub, call.path["ref"], call.body.text, audience=call.body.audience, actor=call.actor
    )


def _approve(call: Call) -> Any:
    return services.approve_update(call.hub, call.path["id"], call.body.content_hash, actor=call.actor)


OPERATIONS = (
    Operation("GET", "/incidents", "Incidents, newest first", _list, "incidents", answer=Incidents, query=request_models.IncidentPaging),
    Operation(
        "POST", "/incidents", "Open an incident", _open, "incidents", "write", 201, Incident, body=request_models.OpenIncident,
        fails=(409,),
    ),
    Operation("GET", "/incidents/{ref}", "An incident with its links, comments and updates", _show, "incidents", answer=IncidentInFull),
    Operation(
        "PATCH", "/incidents/{ref}", "Change fields of an incident", _edit, "incidents", "write", answer=Incident,
        body=request_models.EditIncident, fails=(409,),
    ),
    Operation(
        "POST", "/incidents/{ref}/merge", "Merge this incident into another", _merge, "incidents", "write", answer=IncidentInFull,
        body=request_models.MergeIncident, fails=(409,),
    ),
    Operation("GET", "/incidents/{ref}/journal", "The journal of an incident, oldest first", _journal, "incidents", answer=Journal),
    Operation(
        "POST", "/incidents/{ref}/comments", "Add an internal comment", _comment, "comments", "write", 201,
        Comment, body=request_models.WriteComment, fails=(409,),
    ),
    Operation(
        "PATCH", "/comments/{id}", "Change a comment", _edit_comment, "comments", "write", answer=Comment,
        body=request_models.WriteComment, fails=(409,),
    ),
    Operation(
        "DELETE", "/comments/{id}", "Delete a comment and its copies", _delete_comment, "comments", "write",
        answer=Comment, fails=(409,),
    ),
    Operation(
        "POST", "/incidents/{ref}/updates", "Draft an update; it waits for approval", _draft, "updates", "write", 201, Update,
        body=request_models.DraftUpdate, fails=(409,),
    ),
    Operation(
        "POST", "/updates/{id}/approval", "Approve an update: it will be published", _approve, "updates", "admin",
        answer=Update, body=request_models.Approve, fails=(409,),
    ),
)  # fmt: skip
"""Scope `admin` for approvals, because customers will read the update."""
