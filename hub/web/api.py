"""The whole JSON API: every operation of every resource, in the order in which the document shows them."""

from __future__ import annotations

from hub.web.operations import Operation
from hub.web.resources import connections, incidents, letters, links

OPERATIONS: tuple[Operation, ...] = (
    *incidents.OPERATIONS,
    *links.OPERATIONS,
    *letters.OPERATIONS,
    *connections.OPERATIONS,
)
