"""Invariants that must hold at rest: the faults are over, everything has settled and people do nothing more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hub.domain.capability import CreateSafety
from hub.domain.incident import CLOSED
from hub.domain.policy import wanted_links
from hub.domain.values import COMMENT, INCIDENT, UPDATE, Json, Ref
from hub.domain.vocabulary import UnknownWord
from hub.store import journal
from tests.simulation import lost, publishing
from tests.simulation.server import HUB, Server, Thing
from tests.simulation.styles import REFUSED_TEXT

if TYPE_CHECKING:
    from tests.simulation.world import World

Check = Callable[["World"], None]


def rows(world: World, query: str, *values: Any) -> list[dict[str, Any]]:
    """Rows of the hub's database, JSON columns parsed."""
    cursor = world.store.db.execute(query, values)
    names = [d[0] for d in cursor.description]
    found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in found:
        for name in ("fields", "shadow", "held", "frozen", "refused", "notes", "plan", "consequences", "changes"):
            if isinstance(row.get(name), str):
                row[name] = json.loads(row[name])
    return found


def accepted_is_kept(world: World) -> None:
    """Every webhook that was answered with 2xx is in the inbox and was processed; failed ones were malformed."""
    kept = {(r["connection"], r["delivery_id"]): r for r in rows(world, "SELECT * FROM inbox")}
    for key, body in world.ledger.accepted.items():
        row = kept.get(key)
        if row is None:
            world.violated("accepted is kept", f"{key} is not in the inbox any more")
        elif row["state"] == "new" or (row["state"] == "failed" and "nonsense" not in body):
            world.violated("accepted is kept", f"{key} is {row['state']}: {row['reason']}; {body}")


def once(world: World) -> None:
    """A comment that a person wrote once is one comment in the hub, however often its webhook was delivered."""
    texts: dict[str, int] = {}
    for row in world.store.db.execute("SELECT fields FROM revisions WHERE rev = 1 AND kind = 'comment'").fetchall():
        text = json.loads(row[0]).get("text")
        texts[text] = texts.get(text, 0) + 1
    for text, where in world.ledger.said.items():
        if texts.get(text, 0) > 1:
            world.violated("once", f"{text!r}, said once in {where}, is {texts[text]} comments")
    obeyed = world.store.db.execute("SELECT count(*) FROM journal WHERE kind = 'command'").fetchone()[0]
    if obeyed > world.ledger.commands:
        world.violated("once", f"{world.ledger.commands} commands were given in chat, {obeyed} carried out")


def one_object_per_link(world: World) -> None:
    """Nothing was created twice, except where an outcome was unknown, and then no more often than that happened."""
    links = {r["mark"]: r for r in rows(world, "SELECT * FROM links")}
    # A merge may have moved a link to another incident; its journal line stays with the first one.
    lines = [line for lines in world.ledger.journal.values() for line in lines]
    noted = {(line["data"] or {}).get("link") for line in lines if line["kind"] in ("duplicate", "possible_duplicate")}
    duplicates = {(line["data"] or {}).get("duplicate") for line in lines if line["kind"] == "duplicate"}
    for link in links.values():
        if link["slot"].startswith("duplicate") and link["id"] not in duplicates:
            words = f"{link['remote_id']} is a duplicate, and no line in the journal says so"
            world.violated("one object per link", words)
    # also objects whose status has no mapping: the hub does not move them on, and the link is frozen
    gone = [k for k in links.values() if k["state"] == "unlinked" or "status" in k["frozen"]]
    let_go = {(k["connection"], k["remote_id"]) for k in gone}
    for mark, things in world.ledger.made.items():
        link = links.get(mark)
        if link is None:
            world.violated("one object per link", f"{things[0].ref.id} was made for a mark that no link has")
            continue
        server = world.servers[link["connection"]]
        safety = server.capability(link["kind"]).create
        unknown = world.ledger.unknowns[link["id"]]
        reposts = 0 if server.capability(link["kind"]).reads else _reposts(world, link["incident_id"])
        if len(things) - 1 > unknown + reposts:
            world.violated(
                "one object per link", f"{[t.ref.id for t in things]} for one link, {unknown} unknown outcomes"
            )
        there = [t for t in things if t.state == "present" and (server.name, t.ref.id) not in let_go]
        open_things = [t for t in there if not _closed(server, t)]
        # Where the vendor has no deletion, a person must delete the duplicate; the hub reports it.
        closable = link["kind"] == INCIDENT or server.capability(link["kind"]).deletes
        wanted_open = link["state"] in ("live", "frozen") and closable
        if safety is not CreateSafety.NEITHER and len(open_things) > 1 and wanted_open:
            world.violated(
                "one object per link", f"{[t.ref.id for t in open_things]} are all open: duplicates were not closed"
            )
        if len(things) > 1 + reposts and link["id"] not in noted:
            world.violated("one object per link", f"{[t.ref.id for t in things]}: the double is not in the journal")


def _reposts(world: World, incident: str) -> int:
    """Number of posts that repeat a changed field: where posts cannot be edited, these changes are posted anew."""
    owners = (incident, *world.ledger.losers_of(incident))
    return sum(
        len(world.ledger.canon[owner, field_path]) for owner in owners for field_path in ("status", "severity", "title")
    )


def _closed(server: Server, thing: Thing) -> bool:
    return thing.fields.get("status") in server.style.closed or thing.fields.get("deleted") is True


def no_foreign_duplicates(world: World) -> None:
    """No object made by the hub was adopted as a person's, and no object belongs to two links."""
    seen: dict[tuple[str, str, str], str] = {}
    for link in rows(world, "SELECT * FROM links WHERE remote_id IS NOT NULL"):
        key = (link["connection"], link["remote_kind"], link["remote_id"])
        if key in seen:
            world.violated("one object per link", f"{key} belongs to two links")
        seen[key] = link["id"]
        thing = world.servers[link["connection"]].things.get(
            Ref(link["remote_kind"], link["remote_id"], link["remote_parent"] or None)
        )
        if thing is None:
            world.violated("one object per link", f"link {link['id']} shows {key}, which never was")
        elif thing.mark not in (None, link["mark"]) and not link["slot"].startswith("duplicate"):
            if link["id"] in world.ledger.relinked:
                continue
            world.violated("adoption reads the mark", f"{key} carries the mark of another link")


def converged(world: World) -> None:
    """Every linked object shows what the hub holds, except fields that the link reports as held, frozen or refused."""
    incidents = {r["id"]: r for r in rows(world, "SELECT * FROM incidents")}
    for link in rows(world, "SELECT * FROM links WHERE kind = 'incident'"):
        incident = incidents[link["incident_id"]]
        server = world.servers[link["connection"]]
        unborn, alive = link["remote_id"] is None, incident["merged_into"] is None
        if link["state"] == "pending" and unborn and alive and incident["fields"]["status"] not in CLOSED:
            world.violated("convergence", f"INC-{incident['number']} has no object in {server.name}: {link['reason']}")
        if link["state"] == "frozen" and unborn and not _was_refused(world, link["incident_id"]):
            world.violated(
                "convergence", f"INC-{incident['number']}: create refused in {server.name}: {link['reason']}"
            )
        thing = _thing(world, link)
        if thing is None or link["state"] not in ("live", "frozen"):
            continue
        if thing.state != "present":
            if server.style.hides_deleted and thing.ref in world.ledger.unheard - world.ledger.absent:
                continue
            world.violated("convergence", f"{thing.ref.id} is {thing.state}, its link is {link['state']}")
        if thing.terminal:
            continue
        if link["slot"] != "primary":
            _secondary(world, link, incident, server, thing)
        else:
            _in_step(world, link, incident["fields"], server, thing, f"INC-{incident['number']}")


def _thing(world: World, link: dict[str, Any]) -> Thing | None:
    if link["remote_id"] is None:
        return None
    return world.servers[link["connection"]].things.get(
        Ref(link["remote_kind"], link["remote_id"], link["remote_parent"] or None)
    )


def _was_refused(world: World, incident: str) -> bool:
    owners = (incident, *world.ledger.losers_of(incident))  # a merged incident may have brought the link
    titles = [c.value for owner in owners for c in world.ledger.canon[owner, "title"]]
    return any(REFUSED_TEXT in str(t) for t in titles)


def _secondary(world: World, link: dict[str, Any], incident: dict[str, Any], server: Server, thing: Thing) -> None:
    """The object of a merged incident is closed when the winner ends."""
    if incident["fields"]["status"] in CLOSED and not _closed(server, thing) and not _excused(link, "status"):
        world.violated("convergence", f"{thing.ref.id}, secondary of INC-{incident['number']}, is still open")


def _excused(link: dict[str, Any], name: str) -> bool:
    waiting = (link["plan"] or {}).get("waiting", {})
    return (
        any(name in (link[c] or ()) for c in ("held", "frozen", "refused", "notes", "consequences")) or name in waiting
    )


def _in_step(
    world: World, link: dict[str, Any], fields: dict[str, Json], server: Server, thing: Thing, what: str
) -> None:
    kind = server.capability(thing.ref.kind)
    for name, declared in kind.fields.items():
        relation = server.style.relations[thing.ref.kind].get(name)
        ours, theirs = fields.get(name), thing.fields.get(name)
        if relation is None or declared.write != "always" or ours is None:
            continue
        if _excused(link, name) or name in thing.consequences:
            world.coverage.checks[f"excused: {name} of {server.style.vendor}"] += 1
            continue
        try:
            same = relation.fits(ours, theirs)
        except UnknownWord:
            same = False
        world.coverage.checks["convergence"] += 1
        if not same:
            world.violated(
                "convergence", f"{what} {name} is {ours!r}, {thing.ref.id} shows {theirs!r} (link {link['id']})"
            )


def links_wanted(world: World) -> None:
    """An open incident has the links that policy wants, or a tombstone with the reason."""
    for incident in rows(world, "SELECT * FROM incidents WHERE open AND merged_into IS NULL"):
        have = {
            (r["connection"], r["slot"])
            for r in rows(
                world, "SELECT connection, slot FROM links WHERE incident_id = ? AND kind = 'incident'", incident["id"]
            )
        }
        for rule in wanted_links(incident["fields"], world.config.policy.links):
            if (rule.connection, rule.slot) not in have:
                world.violated("convergence", f"INC-{incident['number']} has no link in {rule.connection}")


def comments_converged(world: World) -> None:
    """Every comment is shown once in every linked system that can show it, and a deleted one in none."""
    items = rows(world, "SELECT id, incident_id, fields, 'comment' AS kind FROM comments WHERE NOT restricted")
    items += rows(world, "SELECT id, incident_id, fields, 'update' AS kind FROM updates WHERE state = 'approved'")
    for item in items:
        links = rows(world, "SELECT * FROM links WHERE item_id = ?", item["id"])
        for home in rows(
            world, "SELECT * FROM links WHERE incident_id = ? AND kind = 'incident' AND slot = 'primary' AND state = 'live'",
            item["incident_id"],
        ):  # fmt: skip
            server, parent = world.servers[home["connection"]], _thing(world, home)
            kinds = server.style.capabilities.kinds
            kind = next((k for k in (item["kind"], COMMENT) if k in kinds), None)
            if kind is None or parent is None or parent.terminal or parent.ref.id in world.ledger.was_unlinked:
                continue
            if parent.state != "present":
                continue  # deleted with its comments; whether the hub had to notice is checked with the incidents
            mine = [
                k for k in links if k["connection"] == server.name
            ]  # a merged incident's comments stay where they were
            _comment(world, item, mine, server, kind)


def _comment(world: World, item: dict[str, Any], links: list[dict[str, Any]], server: Server, kind: str) -> None:
    gone = bool(item["fields"].get("deleted"))
    things = [t for t in (_thing(world, k) for k in links if not k["slot"].startswith("duplicate")) if t is not None]
    if not server.capability(kind).reads:
        things = [t for k in links for t in world.ledger.made[k["mark"]]]
    shown = [t for t in things if t.state == "present" and not t.fields.get("deleted") and _has_home(server, t)]
    text = item["fields"].get("text")
    capability, relation = server.capability(kind), server.style.relations[kind]["text"]
    world.coverage.checks["convergence"] += 1
    if links and all(k["state"] in ("unlinked", "gone") for k in links) and not (gone and links[0]["state"] == "gone"):
        return  # a person unlinked it, so its later changes are not copied there
    if gone:
        loud = [t for t in shown if relation.fits(text, t.fields["text"])]
        if loud and (capability.deletes or capability.edits):
            world.violated("convergence", f"{item['kind']} {text!r} is deleted, and {loud[0].ref.id} still shows it")
        return
    against = any(k["state"] in ("unlinked", "gone") and "superseded" not in str(k["reason"]) for k in links)
    if any(k["state"] == "frozen" or k["refused"] for k in links) or (against and not shown):
        return  # a person or the vendor prevents it, and the link reports that
    if not capability.edits and any(not e.by.startswith(HUB) for t in shown for e in t.history if e.version > 2):
        return  # a person changed the hub's copy, and this vendor has no edits to change it back
    if things and not any(_has_home(server, t) for t in things):
        return  # deleted together with a merged incident's object; no webhook reported it, and a search does not find it
    if not any(relation.fits(text, t.fields["text"]) for t in shown):
        states = [(k["state"], k["reason"]) for k in links]
        world.violated("convergence", f"{item['kind']} {text!r} is not shown in {server.name}: {states}")


def _has_home(server: Server, thing: Thing) -> bool:
    parent = server.parent(thing)
    return parent is None or parent.state == "present"


def people_are_heard(world: World) -> None:
    """What a person wrote under a linked object is in the hub."""
    known = {
        (r[0], r[1]) for r in world.store.db.execute("SELECT connection, remote_id FROM links WHERE kind <> 'incident'")
    }
    homes = {
        (r["connection"], r["remote_id"])
        for r in rows(world, "SELECT * FROM links WHERE kind = 'incident' AND slot = 'primary' AND state = 'live'")
    }
    for server in world.servers.values():
        for kind in (COMMENT, UPDATE):
            for thing in server.of_kind(kind):
                home = (server.name, thing.ref.parent)
                if thing.born_by.startswith("hub:") or home not in homes:
                    continue
                if thing.state != "present" or not _has_home(server, thing):
                    continue  # deleted, perhaps before the hub read it
                if (server.name, thing.ref.id) not in known:
                    world.violated("people are heard", f"{thing.ref.id} {thing.fields['text']!r} is not in the hub")


def writes_bounded(world: World) -> None:
    """A field of an object is written no more often than it changed in any system, times the declared steps."""
    links = {(r["connection"], r["remote_kind"], r["remote_id"]): r for r in rows(world, "SELECT * FROM links")}
    for (ref, name), count in world.ledger.hub_changes.items():
        server = next(s for s in world.servers.values() if ref in s.things)
        link = links.get((server.name, ref.kind, ref.id))
        if link is None or ref.kind != INCIDENT:
            continue
        thing = server.things[ref]
        owners = {link["incident_id"], *world.ledger.losers_of(link["incident_id"])}
        foreign = sum(1 for e in thing.history if e.field == name and not e.by.startswith("hub:"))
        ours = sum(
            len(changes) for (owner, field_path), changes in world.ledger.canon.items()
            if owner in owners and field_path.partition("/")[0] == name
        )  # fmt: skip
        steps = 5 if server.capability(INCIDENT).fields[name].walks else 1
        allowed = (1 + ours + foreign + world.ledger.unknowns[link["id"]]) * steps
        if count > allowed:
            world.violated(
                "no echo", f"{ref.id} {name} was written {count} times; {ours} + {foreign} changes allow {allowed}"
            )


def chains_unbroken(world: World) -> None:
    """The journal of every incident verifies."""
    with world.store.reading() as tx:
        for row in rows(world, "SELECT id, number FROM incidents"):
            broken = journal.verify(tx, row["id"])
            if broken:
                world.violated("journal chains unbroken", f"INC-{row['number']}: {broken}")


def bounded(world: World) -> None:
    """Rows, attempts and calls stay in proportion to what happened."""
    happened = world.counts["edit"] + world.counts["services"] + world.counts["webhook"] + world.counts["crash"] + 20
    for table, factor in (("outbox", 10), ("journal", 40), ("revisions", 10), ("links", 30), ("inbox", 2)):
        count = world.store.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        if count > factor * happened:
            world.violated("everything bounded", f"{count} rows in {table} for {happened} events")
    idle = sum(world.ledger.idle_writes.values())
    excuses = sum(world.counts[f] for f in ("crash", "lost_after", "lands_late", "stall", "lost_before"))
    excuses += len(world.ledger.agreed)  # a person made the same edit first
    if not world.faults.stale_reads and not world.faults.interleave and idle > excuses + 2:
        world.violated("no echo", f"{idle} writes changed nothing; {excuses} faults excuse them")


def lost_edits(world: World) -> None:
    """No edit that the hub observed is lost silently."""
    lost.check(world)


def gone_is_gone(world: World) -> None:
    """An object that a vendor only did not show is not taken as deleted."""
    for link in rows(world, "SELECT * FROM links WHERE kind = 'incident' AND state = 'gone'"):
        thing = _thing(world, link)
        if thing is not None and thing.state == "present":
            world.violated("not found is not deleted", f"{thing.ref.id} is there, and its link is gone")


def merged_are_one(world: World) -> None:
    """All links of a merged incident belong to the winner."""
    query = (
        "SELECT i.number, l.remote_id FROM links l JOIN incidents i ON i.id = l.incident_id "
        "WHERE i.merged_into IS NOT NULL AND l.kind = 'incident' AND l.remote_id IS NOT NULL "
        "AND l.state NOT IN ('gone', 'unlinked')"
    )
    for row in rows(world, query):
        world.violated("merged incidents are one", f"{row['remote_id']} still belongs to INC-{row['number']}")


def recurrences_are_linked(world: World) -> None:
    """An incident whose dedup key an earlier one had names that one."""
    known: set[str] = set()
    for row in rows(
        world, "SELECT number, dedup_key, previous_id FROM incidents WHERE dedup_key <> '' ORDER BY number"
    ):
        if row["dedup_key"] in known and row["previous_id"] is None:
            world.violated("one open incident for a key", f"INC-{row['number']} does not name the last one")
        known.add(row["dedup_key"])


AT_REST: tuple[Check, ...] = (
    accepted_is_kept, once, no_foreign_duplicates, one_object_per_link, links_wanted, converged, comments_converged,
    people_are_heard, lost_edits, writes_bounded, chains_unbroken, bounded,
    gone_is_gone, merged_are_one, recurrences_are_linked, publishing.at_rest,
)  # fmt: skip


def check(world: World) -> None:
    """Runs all checks of this module."""
    for invariant in AT_REST:
        invariant(world)
        world.coverage.checks[invariant.__name__] += 1
