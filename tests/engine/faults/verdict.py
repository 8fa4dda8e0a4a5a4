"""The checks after every fault: the same state everywhere, no accepted webhook lost, no duplicates, nothing set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import select

from adapters.sandboxing import Outgoing
from hub.domain.capability import CreateSafety
from hub.domain.values import Request
from hub.store.tables import inbox, journal, outbox
from hub.sync.hub import Hub
from tests.engine.faults.storm import Storm
from workers.demo import check


def problems(storm: Storm, accepted: Sequence[tuple[Outgoing, datetime]]) -> list[str]:
    """The broken promises as text; empty if all hold."""
    hub, found = storm.hub, _webhooks(storm.hub, accepted) + _set_aside(storm.hub) + _counts(storm)
    for t in storm.told:
        shown = check.compare(hub, t.incident, storm.vendors).problems + check.lost(hub, t.incident, t.edits)
        if not t.public:
            shown = [p for p in shown if not p.startswith("statuspage: no object there (link missing)")]
        found += [f"incident {t.number}: {p}" for p in shown if not _allowed(hub, t.incident, p)]
    return found


def _webhooks(hub: Hub, accepted: Sequence[tuple[Outgoing, datetime]]) -> list[str]:
    """Accepted webhooks that are not in the inbox, compared by the delivery id under which the hub keeps them."""
    with hub.store.reading() as tx:
        kept = {tuple(row) for row in tx.execute(select(inbox.c.connection, inbox.c.delivery_id))}
    lost = []
    for outgoing, at in accepted:
        parts = urlsplit(outgoing.url)
        connection = parts.path.split("/")[2]
        headers = {name.lower(): value for name, value in outgoing.headers.items()}
        request = Request("POST", parts.path, dict(parse_qsl(parts.query)), headers, outgoing.body, at)
        if (connection, hub.adapter(connection).authenticate(request, hub.secrets(connection))) not in kept:
            lost.append(f"answered 2xx, but not kept: {connection} {outgoing.id}")
    return lost


def _set_aside(hub: Hub) -> list[str]:
    with hub.store.reading() as tx:
        rows = tx.execute(select(inbox.c.connection, inbox.c.reason).where(inbox.c.state == "failed")).all()
        refused = tx.execute(
            select(outbox.c.connection, outbox.c.op, outbox.c.error).where(outbox.c.state == "failed")
        ).all()
    return [f"failed write: {tuple(row)}" for row in [*rows, *refused]]


def _counts(storm: Storm) -> list[str]:
    v, many = storm.vendors, len(storm.told)
    there = {
        "pagerduty": (len(v.pagerduty.incidents), many),
        "jira": (len(v.jira.issues), many),
        "teams": (len([m for m in v.teams.incidents.values() if m.deleted is None]), many),
        "statuspage": (len(v.statuspage.incidents), sum(t.public for t in storm.told)),
    }
    return [f"{name}: {have} objects instead of {want}" for name, (have, want) in there.items() if have != want]


def _allowed(hub: Hub, incident: str, problem: str) -> bool:
    """A duplicate is allowed where the vendor offers neither an idempotency key nor a look-up, if the journal records it."""
    system = problem.split(":")[0]
    if not problem.endswith("too many"):
        return False
    kinds = hub.capabilities(system).kinds.values()
    if not any(kind.create is CreateSafety.NEITHER for kind in kinds):
        return False
    with hub.store.reading() as tx:
        said = select(journal.c.kind).where(
            journal.c.incident_id == incident, journal.c.source == system, journal.c.kind == "possible_duplicate"
        )
        return tx.execute(said).first() is not None
