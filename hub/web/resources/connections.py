"""Connections, and the pause of all writes."""

from __future__ import annotations

from typing import Any

from hub import services
from hub.web import request_models
from hub.web.operations import Call, Operation
from hub.web.response_models import Connection, Connections, Pause


def _list(call: Call) -> Any:
    return {"items": services.list_connections(call.hub)}


def _set(call: Call) -> Any:
    return services.set_connection(call.hub, call.path["name"], call.body.state, actor=call.actor)


def _paused(call: Call) -> Any:
    return {"paused": services.is_paused(call.hub)}


def _pause(call: Call) -> Any:
    services.set_pause(call.hub, call.body.paused, actor=call.actor)
    return _paused(call)


OPERATIONS = (
    Operation("GET", "/connections", "Connections, their state and health", _list, "connections", answer=Connections),
    Operation(
        "PATCH", "/connections/{name}", "Enable, observe or disable a connection", _set, "connections", "admin",
        answer=Connection, body=request_models.SetConnection, fails=(409,),
    ),
    Operation("GET", "/pause", "Whether everything is paused", _paused, "pause", answer=Pause),
    Operation("PUT", "/pause", "Pause or resume all writing", _pause, "pause", "admin", answer=Pause, body=request_models.SetPause, fails=(409,)),
)  # fmt: skip
