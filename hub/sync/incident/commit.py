"""Opens a case and ends it: plans what follows from the changes, writes all in one transaction, and after the commit
logs problems and wakes workers. Imports `case`, `plan` and `problems`, which do not import it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hub.sync.hub import Hub
from hub.sync.incident.case import Case, case_in
from hub.sync.incident.plan import plan_case
from hub.sync.incident.problems import log_problems, problems


@contextlib.contextmanager
def open_case(hub: Hub, incident_id: str, *, plan: bool = True) -> Iterator[Case | None]:
    """Opens a case; None if there is no such incident. plan: decide at the end what must be written."""
    with hub.store.unit() as tx:
        case = case_in(hub, tx, incident_id)
        if case is None:
            yield None
            return
        yield case
        finish(case, plan=plan)
    announce(case)


def finish(case: Case, *, plan: bool = True) -> None:
    """Plans and writes a case made by `new_case` or `case_in`; the caller commits, and then calls `announce`."""
    if plan:
        case.incident.plan_due = None
        plan_case(case)
    case.problems = list(problems(case))
    case.close()


def announce(case: Case) -> None:
    """Logs the case's problems and wakes workers for its due tasks. To be called after the commit."""
    log_problems(case.problems)
    for task, key in case.wakes:
        case.hub.wake.wake(task, key)
