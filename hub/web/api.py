"""The whole JSON API: every operation of every resource, in the order of the OpenAPI document."""

from __future__ import annotations

from hub.web.operations import Operation
from hub.web.resources import connections, failed_writes, inbox, incidents, links, unmatched

OPERATIONS: tuple[Operation, ...] = (
    *incidents.OPERATIONS,
    *links.OPERATIONS,
    *unmatched.OPERATIONS,
    *inbox.OPERATIONS,
    *failed_writes.OPERATIONS,
    *connections.OPERATIONS,
)
