"""The weather of a run: each seed draws which faults exist at all, and how often."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass

from tests.simulation.styles import STYLES


@dataclass(frozen=True)
class Faults:
    """Probabilities are per opportunity; seconds are seconds of virtual time; 0 or "" = this fault does not exist."""

    # on the way from a vendor to us
    webhook_loss: float = 0.0
    webhook_duplicate: float = 0.0
    webhook_late: float = 0.0
    """Longest delay in seconds; reorders too."""
    # between our own processes
    wake_loss: float = 0.0
    redis_emptied: float = 0.0
    crash: float = 0.0
    interleave: float = 0.0
    pause: float = 0.0
    """A worker stands still in the middle of a call for longer than its lease."""
    # at a vendor
    unavailable: float = 0.0
    throttled: float = 0.0
    lost_before: float = 0.0
    """Time-out, the vendor never acted."""
    lost_after: float = 0.0
    """Time-out, the vendor acted."""
    lands_late: float = 0.0
    """Time-out, the vendor acts some time later."""
    stale_reads: float = 0.0
    skew: float = 0.0
    """Seconds between the vendors' clocks and ours, at most."""
    dead: str = ""
    """This vendor is down for the middle half of the run."""
    hangs: bool = False
    """The dead vendor accepts calls and never answers, instead of refusing them at once."""
    revoked: float = 0.0
    """The credential stops working for a while."""
    # people and the vendors' own ways
    refusals: float = 0.0
    expiry: float = 0.0
    escalation: float = 0.0
    garbage: float = 0.0
    """A webhook of ours that makes no sense, or that is forged."""
    impersonation: float = 0.0
    """People act through the hub's own account, so that the vendor names the hub as who did it."""
    same_words: float = 0.0
    """Comments that say the same as others."""
    hidden: float = 0.0
    """A read is answered "not found" for a while, although the object is there (a permission was taken away)."""
    cards: bool = False
    """In this company people may edit the card in chat."""
    attic: bool = False
    """The vendors have objects from before the hub was connected."""
    full: float = 0.0
    """The database takes nothing at the moment when a webhook comes."""
    gap: float = 0.0
    """A person edits the very object that is being written, between our read and our write."""
    overdue: float = 0.0
    """A create whose caller has given up lands even later than the vendor says that it can."""
    press: bool = False
    """Much is published, on a page whose updates nobody can look for afterwards."""
    recurring: bool = False
    """The same alert comes again and again: opened by its key, resolved, opened again."""
    sprawl: bool = False
    """All that is opened concerns one service, and is of little severity."""

    def drawn(self) -> list[str]:
        """The faults that exist, in words."""
        blank = Faults()
        return [
            f"{f.name}={getattr(self, f.name):.3g}"
            if isinstance(getattr(self, f.name), float)
            else f"{f.name}={getattr(self, f.name)}"
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != getattr(blank, f.name)
        ]


CALM = Faults()

CHOICES: dict[str, tuple[object, ...]] = {
    "webhook_loss": (0.05, 0.3, 1.0),
    "webhook_duplicate": (0.1, 0.5),
    "webhook_late": (5.0, 60.0, 600.0),
    "wake_loss": (0.05, 0.5, 1.0),
    "redis_emptied": (0.02,),
    "crash": (0.005, 0.02, 0.05),
    "interleave": (0.05, 0.25),
    "pause": (0.01, 0.05),
    "unavailable": (0.03, 0.2),
    "throttled": (0.03, 0.2),
    "lost_before": (0.02, 0.1),
    "lost_after": (0.02, 0.1),
    "lands_late": (0.02, 0.1),
    "stale_reads": (0.2, 0.7),
    "skew": (5.0, 180.0),
    "dead": tuple(STYLES),
    "hangs": (True,),
    "revoked": (0.01,),
    "refusals": (0.05, 0.3),
    "expiry": (0.1,),
    "escalation": (0.1,),
    "garbage": (0.02,),
    "impersonation": (0.3,),
    "same_words": (0.3,),
    "hidden": (0.02,),
    "cards": (True,),
    "attic": (True,),
    "full": (0.05,),
    "gap": (0.05, 0.3),
    "overdue": (0.5,),
    "press": (True,),
    "recurring": (True,),
    "sprawl": (True,),
}


def draw(rng: random.Random) -> Faults:
    """Which faults exist in this run: from none to nearly all."""
    density = rng.choice((0.0, 0.15, 0.3, 0.6, 0.9))
    chosen = {name: rng.choice(values) for name, values in CHOICES.items() if rng.random() < density}
    if not chosen.get("dead"):
        chosen.pop("hangs", None)
    return Faults(**chosen)  # type: ignore[arg-type]
