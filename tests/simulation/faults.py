"""The faults of a run: each seed draws which of them occur at all, and how often."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass

from tests.simulation.styles import STYLES


@dataclass(frozen=True)
class Faults:
    """Probabilities are per opportunity; seconds are virtual time; 0, "" or False: this fault does not occur."""

    # webhooks, between a vendor and the hub
    webhook_loss: float = 0.0
    webhook_duplicate: float = 0.0
    webhook_late: float = 0.0
    """Longest delay of a webhook, in seconds. Delays also change the order."""
    # between the hub's own processes
    wake_loss: float = 0.0
    redis_emptied: float = 0.0
    crash: float = 0.0
    interleave: float = 0.0
    pause: float = 0.0
    """A worker is stopped during a call for longer than its lease."""
    # at a vendor
    unavailable: float = 0.0
    throttled: float = 0.0
    lost_before: float = 0.0
    """The call times out, and the vendor did not act."""
    lost_after: float = 0.0
    """The call times out, and the vendor had acted."""
    lands_late: float = 0.0
    """The call times out, and the vendor acts later."""
    stale_reads: float = 0.0
    skew: float = 0.0
    """Largest difference in seconds between the vendors' clocks and the hub's."""
    dead: str = ""
    """The vendor of this name is down for the middle half of the run."""
    hangs: bool = False
    """The vendor that is down accepts calls and never answers, instead of refusing them at once."""
    revoked: float = 0.0
    """The credential stops working for a while."""
    # people, and what vendors do by themselves
    refusals: float = 0.0
    expiry: float = 0.0
    escalation: float = 0.0
    garbage: float = 0.0
    """A webhook is malformed, or its signature is invalid."""
    impersonation: float = 0.0
    """A person acts through the hub's own account, so that the vendor names the hub as the author."""
    same_words: float = 0.0
    """A comment has the same text as another."""
    hidden: float = 0.0
    """Reads of an object return "not found" for a while although it exists (a permission was revoked)."""
    cards: bool = False
    """People may edit the card in chat."""
    attic: bool = False
    """The vendors have objects older than the connection to the hub."""
    full: float = 0.0
    """The database refuses writes while a webhook is received."""
    gap: float = 0.0
    """A person edits the object that the hub is writing, between the hub's read and its write."""
    overdue: float = 0.0
    """A create takes effect after its caller gave up, later than the vendor's declared limit."""
    press: bool = False
    """Many updates are published, on a page whose updates cannot be read or found."""
    recurring: bool = False
    """The same alert recurs: its key opens an incident, resolves it, and opens the next."""
    sprawl: bool = False
    """All incidents concern one service and have a low severity."""

    def drawn(self) -> list[str]:
        """Names of the faults that occur."""
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
    """Draws which faults occur in this run: from none to nearly all."""
    density = rng.choice((0.0, 0.15, 0.3, 0.6, 0.9))
    chosen = {name: rng.choice(values) for name, values in CHOICES.items() if rng.random() < density}
    if not chosen.get("dead"):
        chosen.pop("hangs", None)
    return Faults(**chosen)  # type: ignore[arg-type]
