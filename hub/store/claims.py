"""Claims: which worker holds which due row, so that no row is worked twice at once.

A claim is a row of its own (task, key), so that claiming neither waits for an incident's lock nor rewrites a wide row.
It ends when it is released, or at `claimed_until`; a worker renews its claims, so those of a dead worker expire within
`SECONDS`.

On PostgreSQL a transaction that takes or releases claims begins with `turn`; without it, concurrent inserts and deletes
deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Integer,
    Interval,
    String,
    bindparam,
    delete,
    event,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from hub.store.due import SOURCES
from hub.store.tables import claims, connections, inbox, timers
from hub.store.unit import Tx

# not in a server's log of changes: a claim that is lost costs a task that is done twice, which does no harm
event.listen(claims, "after_create", DDL("ALTER TABLE claims SET UNLOGGED").execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]

SECONDS = 15.0
"""How long a claim lasts that is not renewed. Above a vendor call's time-outs, and far above the pause between two renewals."""

AGAIN = 1.0
"""Seconds until a task that left its row due at the same time runs again."""

LONGEST_PAUSE = 60.0
"""Seconds until a task that has raised for the seventh time or more runs again."""

BEHIND: Mapping[str, float] = {
    "inbox": 0,
    "plan": 0,
    "deliver": 0.5,
    "refresh": 1,
    "adopt": 1,
    "poll": 5,
    "subscribe": 5,
}
"""task → seconds added to a row's due time when rows are ordered: the hub's own rows first, then reads and writes at
vendors, then polls. A row that has waited longer than that comes first, so none starves."""
BEHIND_TIMERS = 2.0

Item = tuple[str, str]
"""(task, key)."""


@dataclass(frozen=True)
class Claim:
    """due_at: when the row was due that was claimed."""

    task: str
    key: str
    due_at: datetime

    @property
    def item(self) -> Item:
        return self.task, self.key


_NOW = bindparam("now", type_=claims.c.due_at.type)
_UNTIL = bindparam("until", type_=claims.c.claimed_until.type)
_OWNER = bindparam("owner", type_=claims.c.claimed_by.type)
_MOST = bindparam("most", type_=Integer)
_ITEM = tuple_(claims.c.task, claims.c.key)
_ITEMS = _ITEM.in_(bindparam("items", expanding=True))
_MINE = claims.c.claimed_by == _OWNER


def _later(when: Any, seconds: float, dialect: str) -> Any:
    if dialect == "sqlite":  # microseconds since 1970
        return when + literal_column(str(round(seconds * 1_000_000)), BigInteger)
    return when + literal(timedelta(seconds=seconds), Interval, literal_execute=True)


def _waiting(task: Any, key: Any, when: Any, seconds: float, dialect: str) -> Any:
    """Due rows of one kind that nobody has claimed, the longest overdue first."""
    unclaimed = ~exists().where(claims.c.task == task, claims.c.key == key)
    turn = _later(when, seconds, dialect).label("turn")
    found = select(task.label("task"), key.label("key"), when.label("due_at"), turn)
    return found.where(when <= _NOW, unclaimed).order_by(when).limit(_MOST)


def _inbox(dialect: str) -> Any:
    """Connections with due webhooks: however many of one wait, the others are found beside it."""
    task = literal_column("'inbox'", String)
    first = select(func.min(inbox.c.due_at)).where(inbox.c.connection == connections.c.name, inbox.c.due_at <= _NOW)
    moment = first.correlate(connections).scalar_subquery()
    found = select(connections.c.name.label("key"), moment.label("due_at")).subquery()
    return _waiting(task, found.c.key, found.c.due_at, BEHIND["inbox"], dialect)


def _all(dialect: str) -> Any:
    parts = [_inbox(dialect)]
    for task, key, when in SOURCES:
        if task != "inbox":
            parts.append(_waiting(literal_column(f"'{task}'", String), key, when, BEHIND[task], dialect))
    parts.append(_waiting(timers.c.kind, timers.c.key, timers.c.due_at, BEHIND_TIMERS, dialect))
    return union_all(*(select(part.subquery()) for part in parts)).subquery()


def _taking(dialect: Any, name: str) -> Any:
    waiting = _all(name)
    first = select(waiting.c.task, waiting.c.key, waiting.c.due_at).order_by(waiting.c.turn).limit(_MOST).subquery()
    rows = select(first.c.task, first.c.key, _OWNER, _UNTIL, first.c.due_at)
    rows = rows.where(text("true")).order_by(first.c.task, first.c.key)
    columns = ["task", "key", "claimed_by", "claimed_until", "due_at"]
    insert = dialect.insert(claims).from_select(columns, rows, include_defaults=False)
    return insert.on_conflict_do_nothing().returning(claims.c.task, claims.c.key, claims.c.due_at)


_TAKE = {"sqlite": _taking(sqlite, "sqlite"), "postgresql": _taking(postgresql, "postgresql")}
_EXPIRED = (
    select(claims.c.task, claims.c.key)
    .where(claims.c.claimed_until <= _NOW)
    .order_by(claims.c.task, claims.c.key)
    .limit(_MOST)
    .with_for_update(skip_locked=True)
    .cte("expired")  # a subquery may run again for each row, and then finds more rows than its limit
)
_TAKE_OVER = (
    update(claims)
    .where(claims.c.task == _EXPIRED.c.task, claims.c.key == _EXPIRED.c.key)
    .values(claimed_by=_OWNER, claimed_until=_UNTIL)
    .returning(claims.c.task, claims.c.key, claims.c.due_at)
)
_TURN = select(func.pg_advisory_xact_lock(literal_column(str(0x636C61696D73))))
"""The key is "claims", in hexadecimal."""
_RELEASE = delete(claims).where(_ITEMS, _MINE)
_RENEW = update(claims).where(_ITEMS, _MINE).values(claimed_until=_UNTIL)
_FAILED = update(claims).where(_ITEMS, _MINE).values(failures=claims.c.failures + 1).returning(claims.c.failures)
_ALL = {name: _all(name) for name in _TAKE}
_LATE = select(claims.c.task, claims.c.due_at).where(claims.c.claimed_until <= _NOW)


def _oldest(waiting: Any) -> Any:
    rows = union_all(select(waiting.c.task, waiting.c.due_at), _LATE).subquery()
    return select(rows.c.task, func.min(rows.c.due_at)).group_by(rows.c.task)


_OLDEST = {name: _oldest(rows) for name, rows in _ALL.items()}
_NEXT = {name: select(rows.c.task, rows.c.key).order_by(rows.c.turn).limit(1) for name, rows in _ALL.items()}
_HAS_EXPIRED = select(claims.c.task, claims.c.key).where(claims.c.claimed_until <= _NOW).limit(1)


def turn(tx: Tx) -> None:
    """Waits until no other transaction takes or releases claims. To be called first in its transaction."""
    if tx.dialect.name == "postgresql":  # SQLite has one writer at a time
        tx.execute(_TURN)


def take(tx: Tx, owner: str, now: datetime, most: int) -> list[Claim]:
    """Claims up to `most` due rows that nobody has claimed, the most urgent ones."""
    values = {"owner": owner, "now": now, "until": _until(now), "most": most}
    return [Claim(*row) for row in tx.execute(_TAKE[tx.dialect.name], values)]


def take_over(tx: Tx, owner: str, now: datetime, most: int) -> list[Claim]:
    """Claims up to `most` rows whose claim has expired: its worker died, or the task is to be tried again now."""
    values = {"owner": owner, "now": now, "until": _until(now), "most": most}
    return [Claim(*row) for row in tx.execute(_TAKE_OVER, values)]


def release(tx: Tx, owner: str, items: Collection[Item]) -> None:
    """Releases the claims of ended tasks."""
    if items:
        tx.execute(_RELEASE, {"owner": owner, "items": list(items)})


def renew(tx: Tx, owner: str, now: datetime, items: Collection[Item]) -> None:
    """Extends these claims."""
    if items:
        tx.execute(_RENEW, {"owner": owner, "until": _until(now), "items": list(items)})


def defer(tx: Tx, owner: str, now: datetime, items: Collection[Item], seconds: float = AGAIN) -> None:
    """Keeps these claims for `seconds`; then any worker may take them over."""
    if items:
        until = now + timedelta(seconds=seconds)
        tx.execute(_RENEW, {"owner": owner, "until": until, "items": list(items)})


def failed(tx: Tx, owner: str, now: datetime, items: Iterable[Item]) -> None:
    """These tasks have raised: each runs again after a pause that doubles with each failure."""
    for item in items:
        count = tx.execute(_FAILED, {"owner": owner, "items": [item]}).scalar()
        if count is not None:
            defer(tx, owner, now, [item], min(LONGEST_PAUSE, 2.0 ** min(count - 1, 10)))


def next_waiting(tx: Tx, now: datetime) -> Item | None:
    """The most urgent due row that is not claimed, or a task whose claim has expired; None if there is neither."""
    found = tx.execute(_NEXT[tx.dialect.name], {"now": now, "most": 1}).first()
    found = found or tx.execute(_HAS_EXPIRED, {"now": now}).first()
    return (found.task, found.key) if found is not None else None


def oldest(tx: Tx, now: datetime) -> dict[str, datetime]:
    """task → since when its longest overdue row is due, of those that are not claimed."""
    return {row.task: row[1] for row in tx.execute(_OLDEST[tx.dialect.name], {"now": now, "most": 1})}


def failing(tx: Tx, times: int) -> list[tuple[str, str, int]]:
    """(task, key, failures) of the tasks that have raised so often in a row."""
    query = select(claims.c.task, claims.c.key, claims.c.failures).where(claims.c.failures >= times)
    return [(task, key, count) for task, key, count in tx.execute(query.order_by(claims.c.task, claims.c.key))]


def _until(now: datetime) -> datetime:
    return now + timedelta(seconds=SECONDS)
