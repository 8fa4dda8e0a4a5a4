"""One run: a storm of some two hundred events, then rest, then the checks."""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hub import services
from hub.sync.hub import Hub
from tests.simulation import company, rest
from tests.simulation.building import SimulatedWorld
from tests.simulation.coverage import Coverage
from tests.simulation.faults import Faults, draw
from tests.simulation.invariants import EPOCH
from tests.simulation.people import People
from tests.simulation.store import forget_store
from tests.simulation.violation import Violation
from tests.simulation.world import World

EVENTS = 220
"""A storm ends after so many events."""

STEPS = 1_500
"""A storm ends after so many steps at the latest (a run with few faults has fewer events per step)."""

TICKS = (0.2, 0.5, 1.0, 1.0, 3.0, 5.0, 20.0, 70.0)
QUIET_POLLS = 2
"""The world is quiet when every connection was polled so often since the last event and nothing else is due."""

BUSIEST = 2_000
"""Most tasks that may be due at one moment."""

LONGEST_REST = 1_200
"""Most steps until everything has settled."""


@dataclass
class Result:
    """The result of one seed."""

    seed: int | str
    faults: Faults
    violation: str = ""
    words: str = ""
    trace: list[str] = field(default_factory=list)
    fingerprint: str = ""
    events: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=Coverage)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.violation


def simulate(seed: int | str, faults: Faults | None = None) -> Result:
    """Runs one seed."""
    result = Result(seed, faults if faults is not None else draw(random.Random(f"{seed}/faults")))
    return simulate_in(SimulatedWorld(seed, result.faults, coverage=result.coverage), result, _whole)


def _whole(world: World) -> None:
    storm(world)
    settle(world)
    rest.check(world)
    echo(world)


def simulate_in(world: World, result: Result, play: Callable[[World], None]) -> Result:
    """Runs `play` in a world, and fills in the result."""
    began = time.perf_counter()
    try:
        play(world)
    except Violation as e:
        result.violation, result.words = e.name, e.words
    except Exception as e:
        forget_store()
        place = traceback.extract_tb(e.__traceback__)[-1]
        result.violation = "no exception leaves a task"
        result.words = f"{type(e).__name__}: {e} ({place.filename}:{place.lineno})\n{traceback.format_exc()}"
    result.trace, result.fingerprint = world.trace, world.fingerprint()
    result.events, result.counts = world.events, world.counts
    result.seconds = time.perf_counter() - began
    return result


def storm(world: World, events: int = EVENTS) -> None:
    """People, processes and faults at random."""
    world.people = People(world)
    if world.faults.attic:
        company.attic(world)
    world.people.open_at_vendor()
    world.people.open_in_hub()
    rng, f = world.rng, world.faults
    for step in range(STEPS):
        if world.events >= events:
            break
        if f.dead:
            down = events * 0.25 < world.events < events * 0.75
            world.dead = {name for name, s in world.servers.items() if down and s.style.vendor == f.dead}
        if f.redis_emptied and rng.random() < f.redis_emptied:
            world.coverage.fault("redis_emptied")
            world.queue.empty()
        if f.garbage and rng.random() < f.garbage and step > 5:
            world.network.garbage(world.servers[rng.choice(sorted(world.servers))])
        kind = rng.random()
        if kind < 0.12:
            world.people.act()
        elif kind < 0.30:
            world.network.deliver_one()
        elif kind < 0.80 and world.queue.waiting:
            world.work()
        else:
            world.tick(rng.choice(TICKS))
        world.invariants.step()


def settle(world: World) -> None:
    """Ends the faults, delivers what is in flight, and runs the hub until it has nothing left to do."""
    world.stormy, world.dead = False, set()
    world.down_until.clear()
    world.note("--- faults off")
    _resume(world)
    if world.hidden:
        _shown_again(world)
    until_quiet(world, world.servers)


def _shown_again(world: World) -> None:
    """Restores revoked permissions; a person then has the hub refresh what it could not read."""
    world.hidden.clear()
    for (link,) in world.store.db.execute("SELECT id FROM links WHERE state = 'unreachable'").fetchall():
        world.run(world.actors["web"], "services", lambda hub, link=link: services.refresh_link(hub, link))


def _resume(world: World) -> None:
    def act(hub: Hub) -> None:
        services.set_pause(hub, False, actor="ada")

    world.run(world.actors["web"], "services", act)


def until_quiet(world: World, connections: Collection[str]) -> None:
    """Runs until nothing but polls is due and every connection was polled `QUIET_POLLS` times since the last event."""
    polled: Counter[str] = Counter()
    heard = world.ledger.last_activity
    for _ in range(LONGEST_REST):
        for _ in range(BUSIEST):
            if not world.network.deliver_one() and not world.work():
                break
        else:
            world.violated("everything bounded", f"{BUSIEST} tasks in one moment, and still something to do")
        world.invariants.step()
        if world.ledger.last_activity != heard:
            heard, polled = world.ledger.last_activity, Counter()
        due, poll, connection = _next(world)
        now = world.clock.now()
        flights = [f.due for f in world.network.flights] + [at for at, _ in world.landing]
        waits = [t for t in (due, min(flights, default=None)) if t is not None]
        if not waits and all(polled[name] >= QUIET_POLLS for name in connections):
            return
        if poll is not None and (not waits or poll <= min(waits)):
            polled[connection] += 1
        target = min([*waits, *([poll] if poll is not None else [])])
        world.tick(max(0.05, (target - now).total_seconds() + 0.01))
    world.violated("convergence", f"still not quiet after {LONGEST_REST} steps; {_next(world)}")


DUE = """
SELECT min(at) FROM (
  SELECT min(due_at) AS at FROM inbox UNION ALL SELECT min(plan_due) FROM incidents
  UNION ALL SELECT min(o.due_at) FROM outbox o JOIN links l ON l.id = o.link_id WHERE l.state <> 'unreachable'
  UNION ALL SELECT min(refresh_due) FROM links WHERE state <> 'unreachable' UNION ALL SELECT min(due_at) FROM unmatched_objects UNION ALL SELECT min(due_at) FROM timers
  UNION ALL SELECT min(subscription_due) FROM connections)
"""


def _next(world: World) -> tuple[datetime | None, datetime | None, str]:
    """(when the next row is due that is no poll, when the next poll is, of which connection)"""

    def read(value: int | None) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)

    (due,) = world.store.db.execute(DUE).fetchone()
    row = world.store.db.execute(
        "SELECT due_at, connection FROM cursors WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1"
    ).fetchone()
    return read(due), read(row[0]) if row else None, row[1] if row else ""


def echo(world: World) -> None:
    """At rest nothing changes: further polls cause no write and no change."""
    before = world.ledger.last_activity
    for _ in range(3 * len(world.servers)):
        _, poll, _ = _next(world)
        if poll is None:
            break
        world.tick(max(1.0, (poll - world.clock.now()).total_seconds()))
        while world.work():
            pass
    if world.ledger.last_activity != before:
        world.violated("no echo", "something still moved although nobody did anything")
    world.coverage.checks["no echo"] += 1


def again(result: Result) -> str:
    """Runs the same seed again; returns what differed, "" if nothing did: the same seed gives the same trace."""
    second = simulate(result.seed, replace(result.faults))
    if second.fingerprint == result.fingerprint:
        return ""
    for number, (a, b) in enumerate(zip(result.trace, second.trace, strict=False)):
        if a != b:
            return f"line {number}: {a!r} and then {b!r}"
    return f"{len(result.trace)} lines and then {len(second.trace)}"
