"""Outbox rows settled per second through each vendor's real client library, with the stand-in in process, and what dominates."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hub import services
from hub.sync import tasks
from tests.bench.rows import Plan, Row, reported
from tests.bench.writes import begin
from tests.engine.quartet import Quartet

SYSTEMS = ("pagerduty", "jira", "teams", "statuspage")
CLIENT = {"pypd": "pypd", "jira": "jira", "msgraph": "msgraph-sdk", "kiota_abstractions": "msgraph-sdk", "kiota_http": "msgraph-sdk",
          "httpx": "httpx", "httpcore": "httpx", "requests": "requests", "urllib3": "requests"}  # fmt: skip


def measure(plan: Plan) -> list[Row]:
    count = plan.of(60, 25, 2)
    systems = Quartet()
    begin(systems)
    incident = services.list_incidents(systems.hub)["items"][0]["id"]
    links = {k["connection"]: k["id"] for k in services.show_incident(systems.hub, incident)["links"]}
    spent: dict[str, float] = dict.fromkeys(SYSTEMS, 0.0)
    profiles = {name: cProfile.Profile() for name in SYSTEMS}
    for n in range(2 * count):
        severity = ("SEV1", "SEV3")[n % 2]
        services.edit_incident(systems.hub, incident, {"severity": severity}, actor="cleo")
        systems.wakes.waiting.clear()
        systems.clock.advance(5.0)
        for name in SYSTEMS:
            began = time.perf_counter()
            if n < count:
                tasks.run(systems.hub, "deliver", links[name])
                spent[name] += time.perf_counter() - began
            else:
                profiles[name].runcall(tasks.run, systems.hub, "deliver", links[name])
    for name in SYSTEMS:
        plan.notes.append(f"one write through the client of {name}: {_shares(profiles[name])}")
    return [
        reported(f"outbox rows settled through the client of {name}", count / spent[name], "rows/s") for name in SYSTEMS
    ]


def _shares(profile: cProfile.Profile) -> str:
    """Share of the time by part, each function's own time."""
    spent: Counter[str] = Counter()
    stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (file, _, name), entry in stats.items():
        spent[_part(file, name)] += entry[2]
    total = sum(spent.values())
    return ", ".join(f"{part} {seconds / total:.0%}" for part, seconds in spent.most_common(5))


def _part(file: str, name: str) -> str:
    path = Path(file)
    if "sandbox" in path.name or {"flask", "werkzeug"} & set(path.parts):
        return "stand-in"
    if "acquire" in name or "wait" in name:
        return "waiting for the client's own thread"
    for part, title in CLIENT.items():
        if part in path.parts and "adapters" not in path.parts:
            return title
    for part in ("sqlalchemy", "hub", "adapters"):
        if part in path.parts:
            return {"sqlalchemy": "SQLAlchemy", "hub": "the hub", "adapters": "the adapter"}[part]
    return "SQLite" if "sqlite3" in name else "Python"
