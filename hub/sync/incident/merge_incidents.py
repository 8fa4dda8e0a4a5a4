"""Merges two incidents: the winner's links stay primary, the loser's become secondary, in every system."""

from __future__ import annotations

from hub.domain.values import INCIDENT, Ref
from hub.store import incidents as incident_rows
from hub.store import links as link_rows
from hub.store import outbox as outbox_rows
from hub.store.records import TOMBSTONES, Link, Outbox, save
from hub.sync.hub import Hub
from hub.sync.incident.commit import open_case


def follow_merge(hub: Hub, connection: str, loser_id: str, winner_ref: Ref) -> None:
    """Merges the incidents whose objects the vendor merged, if the object that remains is linked to an incident."""
    with hub.store.reading() as tx:
        winner = link_rows.by_ref(tx, connection, winner_ref)
    if winner is not None and winner.incident_id != loser_id:
        merge_incidents(hub, loser_id, winner.incident_id, source=connection, actor=None)


def merge_incidents(hub: Hub, loser_id: str, winner_id: str, *, source: str, actor: str | None) -> bool:
    """Merges the loser into the winner. False if either was merged before, or they are the same.

    Two transactions, each consistent by itself: first the loser's links, comments and updates move to the winner, then
    the loser is closed. A crash in between leaves a loser without links, which the next call closes."""
    if loser_id == winner_id:
        return False
    with hub.store.unit() as tx:
        # Both rows locked in one order, so that two merges cannot wait for each other.
        rows = {i: incident_rows.lock(tx, i) for i in sorted((loser_id, winner_id))}
        loser, winner = rows[loser_id], rows[winner_id]
        if loser is None or winner is None or loser.merged_into is not None or winner.merged_into is not None:
            return False
        taken = incident_rows.slots_of(tx, winner_id)
        links = incident_rows.lock_links(tx, loser_id)
        rows_of = {k: outbox_rows.open_for(tx, k) for k in links}
        unborn = {k for k, link in links.items() if link.remote_id is None and _unsent(rows_of[k])}
        homes = {
            k.connection: k.id
            for k in incident_rows.links_of(tx, winner_id).values()
            if k.kind == INCIDENT and not k.secondary and k.state not in TOMBSTONES
        }
        for link in links.values():
            if link.kind == INCIDENT and link.id not in unborn:
                link.slot = _free(taken, link, "duplicate" if link.duplicate else "secondary")
            elif link.kind == INCIDENT and link.state not in TOMBSTONES:
                link.state, link.reason = "unlinked", "its incident was merged into another"
                save(tx, link)
                continue
            elif link.kind == INCIDENT:
                continue
            elif link.state == "pending" and {link.id, link.parent_id} <= unborn:
                # its parent object will never be created
                link.parent_id = homes.get(link.connection, link.parent_id)
            elif link.duplicate:
                link.slot = _free(taken, link, "duplicate")
            incident_rows.move_link(tx, link, rows_of[link.id], winner_id)
        incident_rows.move_items(tx, loser_id, winner_id)
        incident_rows.mark_merged(tx, loser_id, winner_id)
    with open_case(hub, winner_id) as case:
        if case is not None:
            case.record("merged_in", source, loser=loser_id, actor=actor)
    with open_case(hub, loser_id) as case:
        if case is not None:
            case.incident.open = False
            case.record("merged_into", source, winner=winner_id, actor=actor)
    return True


def _unsent(row: Outbox | None) -> bool:
    return row is None or row.first_sent_at is None


def _free(taken: set[tuple[str, str, str]], link: Link, word: str) -> str:
    """The winner's first free slot that begins with `word`; adds it to `taken`."""
    number = 1
    while (link.connection, link.kind, f"{word}-{number}") in taken:
        number += 1
    taken.add((link.connection, link.kind, f"{word}-{number}"))
    return f"{word}-{number}"
