"""The mutants: every trap and promise of the design, broken once or oftener. `tests.simulation.mutate` hunts them."""

from tests.simulation.mutants.mutant import PROMISES, TRAPS, Edit, Mutant
from tests.simulation.mutants.of_promises import OF_PROMISES
from tests.simulation.mutants.of_traps import OF_TRAPS

MUTANTS: tuple[Mutant, ...] = (*OF_TRAPS, *OF_PROMISES)

__all__ = ["MUTANTS", "PROMISES", "TRAPS", "Edit", "Mutant"]
