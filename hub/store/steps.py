"""The clock's last step back, kept in SQL while a transaction may run that read the clock before it, so that any timer
can finish the correction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete

from hub.store.connections import set_switch, switch
from hub.store.tables import switches
from hub.store.unit import Tx

NAME = "clock_step"


@dataclass(frozen=True)
class Step:
    """at: when it was noticed, by the clock as it goes since. seconds: by how many it went back."""

    at: datetime
    seconds: float

    @property
    def from_(self) -> datetime:
        """What the clock showed before it."""
        return self.at + timedelta(seconds=self.seconds)


def note(tx: Tx, step: Step) -> None:
    set_switch(tx, NAME, {"at": step.at.isoformat(), "seconds": step.seconds})


def last(tx: Tx) -> Step | None:
    """The step that is not forgotten yet."""
    found = switch(tx, NAME)
    return Step(datetime.fromisoformat(found["at"]), found["seconds"]) if found else None


def forget(tx: Tx) -> None:
    tx.execute(delete(switches).where(switches.c.name == NAME))
