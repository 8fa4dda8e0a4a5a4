"""With all webhooks lost, all systems still agree; and for edits spaced wider than polling and settling, the end is the same
as with webhooks. The same people do the same in two worlds; one of them gets no webhook."""

from __future__ import annotations

import random
from typing import Any

from hub import services
from hub.domain.values import COMMENT, INCIDENT, Json, Ref
from tests.simulation import rest
from tests.simulation.building import SimulatedWorld
from tests.simulation.choices import choose
from tests.simulation.coverage import Coverage
from tests.simulation.faults import CALM, Faults
from tests.simulation.people import People
from tests.simulation.runs import Result, settle, simulate_in
from tests.simulation.store import store_of_last_run
from tests.simulation.world import World

NAME = "the same end without webhooks"
DEEDS = 14
WITHOUT = Faults(webhook_loss=1.0)


def compare(seed: int) -> Result:
    """Runs both worlds, one after the other, and compares the ends."""
    coverage = Coverage()
    ends: list[dict[str, Any]] = []
    result = Result(seed, WITHOUT, coverage=coverage)
    for faults in (CALM, WITHOUT):
        result = simulate_in(
            SimulatedWorld(f"{seed}/duplicates", faults, coverage=coverage),
            Result(seed, faults, coverage=coverage),
            play,
        )
        if not result.passed:
            return result
        ends.append(picture())
    coverage.checks[NAME] += 1
    if ends[0] != ends[1]:
        result.violation, result.words = NAME, f"with webhooks {ends[0]}, without {ends[1]}"
    return result


def play(world: World) -> None:
    """Edits far apart, each settled before the next."""
    world.people = People(world)
    lost = world.faults.webhook_loss
    first: dict[str, Json] = {"title": "title 0", "severity": "SEV2", "services": ["checkout"]}
    world.people.intend(first)
    world.run(world.actors["web"], "services", lambda hub: services.open_incident(hub, first, actor="ada"))
    for number in range(DEEDS):
        world.stormy = lost > 0  # the loss of webhooks is the only fault
        _deed(world, random.Random(f"{world.seed}/{number}"), number)
        settle(world)
        rest.check(world)


def _deed(world: World, rng: random.Random, number: int) -> None:
    """One edit, chosen by the seed and by what is equal in both worlds."""
    people = world.people
    people.rng = rng
    if number % 5 == 1:
        link = world.store.db.execute("SELECT id FROM links WHERE plan LIKE '%\"hash\"%'").fetchone()
        if link:
            people.approve()
            return
    place = rng.choice(("pd", "jira", "page", "chat", "services"))
    row = world.store.db.execute(
        "SELECT remote_id FROM links WHERE connection = ? AND kind = 'incident' AND state = 'live' AND remote_id IS NOT NULL",
        (place,),
    ).fetchone()
    if place == "services" or row is None:
        fields: dict[str, Json] = {
            rng.choice(("title", "description")): f"text {number}",
            "severity": rng.choice(("SEV1", "SEV2")),
        }
        people.intend(fields)
        world.run(world.actors["web"], "services", lambda hub: services.edit_incident(hub, "1", fields, actor="bob"))
        return
    server = world.servers[place]
    thing = server.things[Ref(INCIDENT, row[0])]
    names = sorted(server.style.editable)
    if names and rng.random() < 0.8:
        name = rng.choice(names)
        value = choose(people, server, thing, name)
        if value is not None:
            server.change(thing, name, value, "cy")
    elif COMMENT in server.style.capabilities.kinds and server.capability(COMMENT).reads:
        text = f"said {number}"
        world.ledger.said[text] = place
        server.make(COMMENT, {"text": text}, "cy", thing.ref)


def picture() -> dict[str, Any]:
    """What the last run's hub holds at the end, without ids and times."""
    db = store_of_last_run().db
    incidents = db.execute("SELECT number, fields FROM incidents ORDER BY number").fetchall()
    comments = db.execute("SELECT json_extract(fields, '$.text') FROM comments ORDER BY 1").fetchall()
    return {"incidents": incidents, "comments": comments}
