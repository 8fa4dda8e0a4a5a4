"""Failed writes: what a vendor refused, and what a person decides about each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hub.domain.errors import Refused
from hub.domain.values import Json
from hub.services import checks, serialize
from hub.services.errors import Conflict, NotFound
from hub.store import incidents as incident_rows
from hub.store import links as link_rows
from hub.store import outbox as outbox_rows
from hub.store.records import Outbox
from hub.store.unit import Tx
from hub.sync.hub import Hub
from hub.sync.incident.case import Case
from hub.sync.incident.commit import open_case

HERE = "hub"


def list_failed_writes(hub: Hub, limit: int = 50, before: str | None = None) -> dict[str, Json]:
    """Those that wait for a person, newest first. before: the `next` of the page before."""
    size = checks.page_size(limit)
    with hub.store.reading() as tx:
        rows = outbox_rows.failed(tx, size, checks.cursor(tx, before, outbox_rows.get))
    return serialize.page([serialize.failed_write(r) for r in rows], size)


def show_failed_write(hub: Hub, write_id: str) -> dict[str, Json]:
    """One failed write with its incident and the object that it was for; also after it was retried or discarded. Raises
    NotFound."""
    with hub.store.reading() as tx:
        row = _get(tx, write_id)
        incident, link = incident_rows.get(tx, row.incident_id), link_rows.get(tx, row.link_id)
    return {
        **serialize.failed_write(row),
        "incident": incident.name if incident else None,
        "remote_id": link.remote_id if link else None,
        "url": link.url if link else None,
    }


def _get(tx: Tx, write_id: str) -> Outbox:
    """A write that was refused: it waits for a person ("failed"), or was settled ("withdrawn"). Raises NotFound."""
    row = outbox_rows.get(tx, write_id) if checks.storable(write_id) else None
    refused = row is not None and row.state == "withdrawn" and row.error_class == Refused.__name__
    if row is None or not (refused or row.state == "failed"):
        raise NotFound(f"there is no failed write {write_id!r}; `lockstep failed-writes list` shows all of them")
    return row


@contextmanager
def _deciding(hub: Hub, write_id: str) -> Iterator[tuple[Case, Outbox]]:
    """Opens the case of a failed write that waits for a decision, and withdraws the write. Raises NotFound, or Conflict
    if it was retried or discarded before."""
    with hub.store.reading() as tx:
        incident_id = _get(tx, write_id).incident_id
    with open_case(hub, incident_id) as case:
        if case is None:
            raise NotFound(f"the incident of the failed write {write_id} does not exist any more")
        row = _get(case.tx, write_id)
        if row.state != "failed":
            raise Conflict(f"the failed write {write_id} was retried or discarded before; nothing is left to decide")
        row.state, row.settled_at = "withdrawn", case.now
        case.settled.append(row)
        yield case, row


def retry_failed_write(hub: Hub, write_id: str, *, actor: str) -> dict[str, Json]:
    """Plans the write again. What is sent is the incident as it is now, not the content that was refused. Raises
    NotFound, or Conflict if it was retried or discarded before."""
    with _deciding(hub, write_id) as (case, row):
        link = case.links.get(row.link_id)
        if link is None:
            raise NotFound(f"the link of the failed write {write_id} does not exist any more")
        link.refused = {k: v for k, v in link.refused.items() if k not in row.changes}
        if link.state == "frozen" and link.remote_id is None:
            link.state, link.reason = "pending", None
        case.record("retried", HERE, link=link.id, outbox=row.id, actor=actor)
    return serialize.failed_write(row)


def discard_failed_write(hub: Hub, write_id: str, *, actor: str) -> dict[str, Json]:
    """Discards the write. The field stays as the vendor has it until it changes in the hub again. Raises NotFound, or
    Conflict if it was retried or discarded before."""
    with _deciding(hub, write_id) as (case, row):
        case.record("discarded", HERE, link=row.link_id, outbox=row.id, actor=actor)
    return serialize.failed_write(row)
