"""A plan is complete: made again at once, it changes nothing. Whatever a plan left out would wait until something else opens the
case, at an unknown time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.sync.incident import plan
from hub.sync.incident.case import Case

if TYPE_CHECKING:
    from tests.simulation.world import World

NAME = "one plan is enough"

_plan_case = plan.plan_case


def watch(world: World) -> None:
    """Makes this world's hubs plan twice in the same transaction. Other hubs of this process are not changed."""

    def plan_case(case: Case) -> None:
        _plan_case(case)
        if case.hub.store is not world.store:
            return
        once, said = _state(case), len(case.lines)
        _plan_case(case)
        again = _state(case)
        if again != once:
            more = [name for name in {**once, **again} if once.get(name) != again.get(name)]
            world.violated(NAME, f"the second one changes {more} and says {case.lines[said:]}")
        world.coverage.checks[NAME] += 1

    plan.plan_case = plan_case


def _state(case: Case) -> dict[str, Any]:
    """Everything that a plan may change. No value is changed in place: the store would not save such a change."""
    rows = {"the incident": case.incident, **case.items, **case.links}
    rows.update({f"what is written to {link}": row for link, row in case.outbox.items()})
    return {"lines": len(case.lines), "settled": len(case.settled), **{n: dict(vars(r)) for n, r in rows.items()}}
