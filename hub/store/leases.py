"""A lease lets one process at a time do a job (the timer's sweep).

Taking an expired lease increments its fence, so a holder that overran is recognised.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from hub.store.tables import leases
from hub.store.unit import Tx

SKEW = 30.0
"""Seconds. More than the clocks of two machines differ by: another owner's lease that ends later than one taken now by so
much, was taken before the clock stepped back."""

TURN = 2.0
"""Seconds. Tolerance for adjustments of the owner's own clock."""


def stepped_back(tx: Tx, name: str, owner: str, now: datetime, seconds: float) -> float:
    """By how many seconds the clock has stepped back since the lease was last taken or renewed; 0.0 if it has not. Such a
    lease counts as expired, because its remaining time is unknown. Call before `take`."""
    row = tx.execute(select(leases.c.owner, leases.c.until).where(leases.c.name == name)).first()
    if row is None:
        return 0.0
    ahead = (row.until - now).total_seconds() - seconds
    if ahead <= (TURN if row.owner == owner else SKEW):
        return 0.0
    tx.execute(update(leases).where(leases.c.name == name).values(until=now))
    return ahead


def take(tx: Tx, name: str, owner: str, now: datetime, seconds: float) -> int | None:
    """Takes the lease, or renews it for the owner who has it, until `seconds` from now.

    Returns its fence (unchanged by a renewal), or None while another owner has it.
    """
    until = now + timedelta(seconds=seconds)
    mine = update(leases).where(leases.c.name == name)
    if tx.execute(mine.where(leases.c.owner == owner, leases.c.until > now).values(until=until)).rowcount:
        return tx.execute(select(leases.c.fence).where(leases.c.name == name)).scalar_one()
    ended = mine.where(leases.c.until <= now).values(owner=owner, until=until, fence=leases.c.fence + 1)
    if tx.execute(ended).rowcount:
        return tx.execute(select(leases.c.fence).where(leases.c.name == name)).scalar_one()
    try:
        with tx.begin_nested():
            tx.execute(insert(leases).values(name=name, owner=owner, until=until, fence=1))
    except IntegrityError:
        return None
    return 1


def give_back(tx: Tx, name: str, owner: str, now: datetime) -> None:
    """Ends the owner's lease now, so that another need not wait for its end. The fence stays."""
    tx.execute(update(leases).where(leases.c.name == name, leases.c.owner == owner).values(until=now))


def holder(tx: Tx, name: str, now: datetime) -> str | None:
    """Who has the lease now."""
    return tx.execute(select(leases.c.owner).where(leases.c.name == name, leases.c.until > now)).scalar()
