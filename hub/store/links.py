"""Links and unmatched objects: finding the one that a remote object belongs to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Text, bindparam, cast, func, literal_column, or_, select, text, update

from hub.domain.values import Ref
from hub.store.locking import lock
from hub.store.records import Link, Unmatched, every, loaded, one, rows
from hub.store.tables import incidents, links, outbox, unmatched_objects
from hub.store.unit import Tx

_REMOTE = ("connection", "remote_kind", "remote_id", "remote_parent")
GET = select(links).where(links.c.id == bindparam("id"))
STATE = select(links.c.state).where(links.c.id == bindparam("id"))
LOCK = GET.with_for_update(key_share=True)
BY_REF = select(links).where(*(links.c[name] == bindparam(name) for name in _REMOTE))
CHILDREN_REVS = select(links.c.id, links.c.rev).where(links.c.parent_id == bindparam("id"))
HINT_FIELDS = update(links).where(links.c.id == bindparam("link")).values(refresh_due=bindparam("at"))
HINT = HINT_FIELDS.values(refresh_whole=text("true"))
SETTLE_UNCHANGED_REFRESH = (
    update(links)
    .where(
        links.c.id == bindparam("link"),
        links.c.rev == bindparam("was_rev"),
        links.c.refresh_due == bindparam("was_refresh_due"),
        text("links.state = 'live' AND NOT links.refresh_whole"),
        text(
            "NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.link_id = links.id AND outbox.state IN ('due', 'claimed', 'unknown'))"
        ),
    )
    .values(refresh_due=text("NULL"), version=bindparam("seen_version"))
)

BY_MARK = select(links).where(links.c.mark == bindparam("mark"))
UNSETTLED = (
    select(links.c.id)
    .join(outbox, outbox.c.link_id == links.c.id)
    .where(
        links.c.connection == bindparam("connection"),
        links.c.kind == bindparam("kind"),
        text("links.state = 'pending'"),
        text("outbox.state IN ('due', 'claimed', 'unknown')"),
    )
    .limit(literal_column("1"))
)
UNMATCHED = select(unmatched_objects).where(*(unmatched_objects.c[name] == bindparam(name) for name in _REMOTE))
GET_UNMATCHED = select(unmatched_objects).where(unmatched_objects.c.id == bindparam("id"))


def get(tx: Tx, link_id: str) -> Link | None:
    return one(tx, Link, GET, id=link_id)


def state_of(tx: Tx, link_id: str) -> str | None:
    return tx.scalar(STATE, {"id": link_id})


def get_locked(tx: Tx, link_id: str) -> Link | None:
    """As `get`, its row locked: before its intention's."""
    return one(tx, Link, LOCK, id=link_id)


def by_ref(tx: Tx, connection: str, ref: Ref) -> Link | None:
    """The link that shows this remote object, tombstones included."""
    return one(
        tx, Link, BY_REF, connection=connection, remote_kind=ref.kind, remote_id=ref.id, remote_parent=ref.parent or ""
    )


def by_mark(tx: Tx, mark: str) -> Link | None:
    return one(tx, Link, BY_MARK, mark=mark)


def children_revs(tx: Tx, link_id: str) -> dict[str, int]:
    """Link id → revision, for the comments and updates under a link."""
    return {child.id: child.rev for child in tx.execute(CHILDREN_REVS, {"id": link_id})}


def hint(tx: Tx, link_id: str, when: datetime, *, whole: bool = True) -> None:
    """Makes a refresh of this link due. whole: with its comments, else its fields alone."""
    tx.execute(HINT if whole else HINT_FIELDS, {"link": link_id, "at": when})


def shown_at(tx: Tx, connection: str) -> list[str]:
    """The ids of all links that show an incident there."""
    shown = (links.c.connection == connection, links.c.kind == "incident", links.c.state.in_(("live", "frozen")))
    return list(tx.scalars(select(links.c.id).where(*shown, links.c.remote_id.is_not(None)).order_by(links.c.id)))


def settle_unchanged_refresh(tx: Tx, link: Link, version: str | None) -> bool:
    """Ends the refresh that was due: the fields were read and show nothing new. Returns False and changes nothing if the link has
    changed since it was read, another refresh has become due, or a write to it is open."""
    seen = {
        "link": link.id, "was_rev": link.rev, "was_refresh_due": link.refresh_due, "seen_version": version or link.version,
    }  # fmt: skip
    return tx.execute(SETTLE_UNCHANGED_REFRESH, seen).rowcount == 1


def hint_all(tx: Tx, dues: Mapping[str, datetime], fields: Collection[str] = ()) -> None:
    """Makes a refresh of each of these links due at its time; of those in `fields`, of the fields alone.

    All rows are locked first, in the order that cases use, and updated once: any other order can deadlock."""
    if len(dues) > 1:
        lock(tx, links, links.c.id.in_(sorted(dues)))
    for link_id in sorted(dues):
        hint(tx, link_id, dues[link_id], whole=link_id not in fields)


def unsettled_creates(tx: Tx, connection: str, kind: str) -> bool:
    """Whether we may at this moment be creating an object of this kind there: with an intention, that is. A link whose
    incident ended before it was made stays without one."""
    return tx.execute(UNSETTLED, {"connection": connection, "kind": kind}).first() is not None


def create_in_doubt(tx: Tx, connection: str, kind: str) -> bool:
    """Whether an object of this kind may have been made there by a create of ours that is not settled: one that was sent."""
    sent = (
        links.c.connection == connection, links.c.kind == kind, text("links.state = 'pending'"),
        text("outbox.state IN ('due', 'claimed', 'unknown')"), outbox.c.op == "create", outbox.c.first_sent_at.is_not(None),
    )  # fmt: skip
    query = select(links.c.id).join(outbox, outbox.c.link_id == links.c.id).where(*sent).limit(1)
    return tx.execute(query).first() is not None


def unmatched(tx: Tx, connection: str, ref: Ref) -> Unmatched | None:
    return one(
        tx, Unmatched, UNMATCHED, connection=connection, remote_kind=ref.kind, remote_id=ref.id,
        remote_parent=ref.parent or "",
    )  # fmt: skip


def get_unmatched(tx: Tx, unmatched_id: str) -> Unmatched | None:
    return one(tx, Unmatched, GET_UNMATCHED, id=unmatched_id)


def lock_unmatched(tx: Tx, unmatched_id: str) -> None:
    """Locks the row until the transaction ends. After the incident's lock, if there is one."""
    lock(tx, unmatched_objects, unmatched_objects.c.id == unmatched_id)


def unmatched_linked(tx: Tx, known: Unmatched) -> None:
    """Marks the unmatched object as linked, unless a newer hint came after it was read."""
    same = (
        unmatched_objects.c.id == known.id,
        unmatched_objects.c.state == "waiting",
        unmatched_objects.c.due_at == known.due_at,
    )
    tx.execute(update(unmatched_objects).where(*same).values(state="linked", reason=None, due_at=None))


def by_remote_id(tx: Tx, connection: str, kind: str, remote_id: str) -> Link | None:
    """For hints that name a comment without its parent: only where the id alone is unambiguous."""
    query = select(links).where(
        links.c.connection == connection, links.c.remote_kind == kind, links.c.remote_id == remote_id
    )
    found = every(tx, Link, query.limit(2))
    return found[0] if len(found) == 1 else None


def page(tx: Tx, incident_id: str | None, state: str | None, limit: int, before: str | None) -> list[Link]:
    """Newest first."""
    query = select(links).order_by(links.c.id.desc()).limit(limit)
    if incident_id is not None:
        query = query.where(links.c.incident_id == incident_id)
    if state is not None:
        query = query.where(links.c.state == state)
    if before is not None:
        query = query.where(links.c.id < before)
    return every(tx, Link, query)


def with_problems(tx: Tx, since: datetime, limit: int) -> list[tuple[int, Link]]:
    """(number of the incident, link) where a link of an incident that is open, or was changed after `since`, waits for
    a person; newest first."""
    some = [cast(column, Text) != "{}" for column in (links.c.frozen, links.c.held, links.c.refused)]
    waits = or_(*some, links.c.state.in_(("frozen", "unreachable"))) & links.c.state.not_in(("gone", "unlinked"))
    return _of_recent(tx, since, limit, waits)


def noted(tx: Tx, since: datetime, limit: int) -> list[tuple[int, Link]]:
    """As `with_problems`: objects of incidents that were deleted, or do not show everything as it is."""
    shown = links.c.state.in_(("live", "frozen", "held")) & (cast(links.c.notes, Text) != "{}")
    return _of_recent(tx, since, limit, (links.c.kind == "incident") & ((links.c.state == "gone") | shown))


def _of_recent(tx: Tx, since: datetime, limit: int, which: ColumnElement[bool]) -> list[tuple[int, Link]]:
    query = (
        select(incidents.c.number, links)
        .join(incidents, incidents.c.id == links.c.incident_id)
        .where(or_(incidents.c.open, incidents.c.updated_at > since), which)
        .order_by(links.c.id.desc())
        .limit(limit)
    )
    return [(columns.pop("number"), loaded(Link, columns)) for columns in rows(tx, query)]


def left_behind(tx: Tx, known: Collection[str]) -> dict[str, int]:
    """Connection that is no longer configured → number of its objects of open incidents."""
    query = (
        select(links.c.connection, func.count())
        .join(incidents, incidents.c.id == links.c.incident_id)
        .where(incidents.c.open, links.c.kind == "incident", links.c.remote_id.is_not(None))
        .where(links.c.state.not_in(("gone", "unlinked")), links.c.connection.not_in(sorted(known)))
        .group_by(links.c.connection)
        .order_by(links.c.connection)
    )
    return {str(name): int(count) for name, count in tx.execute(query)}


def unmatched_page(tx: Tx, state: str | None, limit: int, before: str | None) -> list[Unmatched]:
    """Newest first."""
    query = select(unmatched_objects).order_by(unmatched_objects.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(unmatched_objects.c.state == state)
    if before is not None:
        query = query.where(unmatched_objects.c.id < before)
    return every(tx, Unmatched, query)


def hint_frozen(tx: Tx, when: datetime) -> None:
    """Makes a refresh due for every link with a field that is frozen because its value is not mapped."""
    frozen = (links.c.state == "frozen") & links.c.remote_id.is_not(None)
    lock(tx, links, frozen)
    tx.execute(update(links).where(frozen).values(refresh_due=when))
