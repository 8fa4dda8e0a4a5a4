"""What a mutant is: a small change of the product that breaks one trap's guard or one promise of the design."""

from __future__ import annotations

from dataclasses import dataclass

TRAPS = tuple(f"trap {n}" for n in range(1, 16))
"""The traps of the design, which `hub/README.md` lists with what keeps the hub out of each."""

PROMISES = tuple(f"promise {n}" for n in (1, 2, 3, 4, 6, 7, 8))
"""The promises of the design. The fifth (who has not confirmed is chased) has no code yet that could be broken."""

LOST = "no observed edit lost silently"
ECHO = "no echo"
SOURCE = "every value traces to an authorised source"
APART = "convergence"
ONE = "one object per link"
LOOKED = "a second create only after looking"
INTENTION = "no write without an earlier committed intention"
FENCING = "fencing"
LEGAL = "legal moves only"
TOMBSTONE = "a tombstone stays"
KEPT = "accepted is kept"
ONCE = "once"
APPROVAL = "nothing public without approval"
HEARD = "people are heard"
BOUNDED = "everything bounded"


@dataclass(frozen=True)
class Edit:
    """One text of one file, which must be there exactly once, and what it becomes."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """breaks: "trap n" or "promise n" of the design; file, old, new: the change, with more of them in `also`.

    caught_by: the invariants of the simulation of which one must notice. test: where the simulation cannot reach, the node id
    of the test that must fail instead. needs: faults without which the trap cannot snap, so that seeds that drew them come
    first. way: how the simulation is run ("model", "real" client libraries, "spaced" edits with and without webhooks).
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]
    needs: tuple[str, ...] = ()
    way: str = "model"
    test: str = ""
    also: tuple[Edit, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        return (Edit(self.file, self.old, self.new), *self.also)
