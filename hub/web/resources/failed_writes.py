"""Failed writes: writes that a vendor refused."""

from __future__ import annotations

from typing import Any

from hub import services
from hub.web import request_models
from hub.web.operations import Call, Operation
from hub.web.response_models import FailedWrite, FailedWriteInFull, FailedWrites


def _list(call: Call) -> Any:
    return services.list_failed_writes(call.hub, call.query.limit, call.query.before)


def _show(call: Call) -> Any:
    return services.show_failed_write(call.hub, call.path["id"])


def _retry(call: Call) -> Any:
    return services.retry_failed_write(call.hub, call.path["id"], actor=call.actor)


def _discard(call: Call) -> Any:
    return services.discard_failed_write(call.hub, call.path["id"], actor=call.actor)


OPERATIONS = (
    Operation(
        "GET", "/failed-writes", "Failed writes, newest first", _list, "failed writes", answer=FailedWrites,
        query=request_models.Paging,
    ),
    Operation("GET", "/failed-writes/{id}", "A failed write, and the object to write", _show, "failed writes", answer=FailedWriteInFull),
    Operation(
        "POST", "/failed-writes/{id}/retry", "Retry a failed write, with the incident's current values", _retry, "failed writes",
        "admin", 202, FailedWrite, fails=(409,),
    ),
    Operation(
        "POST", "/failed-writes/{id}/discard", "Discard a failed write", _discard, "failed writes", "admin",
        answer=FailedWrite, fails=(409,),
    ),
)  # fmt: skip
