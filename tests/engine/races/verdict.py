"""The checks after every race: the end is one that the two tasks leave when they run one after the other."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, text

from hub.store import journal as journal_rows
from hub.store.tables import comments, inbox, incidents, links, outbox, updates
from tests.engine.races.place import Place
from tests.engine.races.schedule import Ran


def outcome(place: Place) -> str:
    """Everything that people can see when all has settled, in the hub and in every system; without ids, which differ."""
    seen: list[Any] = []
    with place.rest.store.reading() as tx:
        rows = tx.execute(select(incidents.c.fields, incidents.c.open, incidents.c.merged_into)).all()
        seen += sorted(repr((dict(sorted(f.items())), o, m is not None)) for f, o, m in rows)
        for table in (comments, updates):
            seen += sorted(repr(sorted(r[0].items())) for r in tx.execute(select(table.c.fields)).all())
        columns = (links.c.connection, links.c.kind, links.c.state, links.c.held)
        seen += sorted(repr(tuple(r)) for r in tx.execute(select(*columns)).all())
    for name, server in place.servers.items():
        seen += sorted(repr((name, t.state, sorted(t.fields.items(), key=str))) for t in server.things.values())
    return "\n".join(map(str, seen))


def wrong(place: Place, ran: Ran, resent: bool) -> list[str]:
    """What is wrong, as text; empty if nothing is. To be called when everything has settled."""
    found = [f"{r.name} fell over: {r.error!r}" for r in ran.runners if r.error is not None]
    if ran.deadlocks:
        found.append("the two waited for each other")
    found += place.disorder()
    with place.rest.store.reading() as tx:
        for (id,) in tx.execute(select(incidents.c.id)).all():
            if broken := journal_rows.verify(tx, id):
                found.append(f"the journal's chain: {broken}")
        for table, states in ((outbox, ("due", "claimed", "unknown", "failed")), (inbox, ("new", "failed"))):
            columns = [table.c.state, *([outbox.c.op, outbox.c.error] if table is outbox else [inbox.c.reason])]
            left = tx.execute(select(*columns).where(table.c.state.in_(states))).all()
            found += [f"left in the {table.name}: {tuple(row)}" for row in left]
        marks = dict(tx.execute(select(links.c.mark, links.c.id)).all())
        owners = tx.execute(
            select(links.c.connection, links.c.remote_kind, links.c.remote_id, func.count())
            .where(links.c.remote_id.is_not(None))
            .group_by(links.c.connection, links.c.remote_kind, links.c.remote_id)
            .having(func.count() > 1)
        ).all()
        shown = {row[0] for row in tx.execute(select(links.c.remote_id)).all()}
        moved = tx.execute(
            text("SELECT who, owner, becomes FROM race_audit WHERE was = 'claimed' AND who != owner")
        ).all()
    found += [f"{tuple(row)[:3]} belongs to several links" for row in owners]
    found += [f"{who} settled what {owner} had claimed" for who, owner, state in moved if state in ("done", "failed")]
    for mark, count in place.world.ledger.creates.items():
        if mark not in marks:
            found.append(f"something was made for a mark that no link has: {mark}")
        elif count > 1 and not resent:
            found.append(f"one link, {count} objects made: {mark}")
    for server in place.servers.values():
        for thing in server.things.values():
            if thing.mark is not None and thing.state == "present" and thing.ref.id not in shown:
                found.append(f"an object of ours that no link knows: {thing.ref.id}")
    if not resent:
        sent = place.world.ledger.updates
        found += [f"sent twice: {x}" for x in {x for x in sent if sent.count(x) > 1}]
    return found
