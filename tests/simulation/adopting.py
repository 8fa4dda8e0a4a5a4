"""Adoption of objects that people made: checked when the hub links one, against what the hub had been shown and what it held."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hub.domain.values import INCIDENT, Ref
from hub.domain.vocabulary import UnknownWord
from tests.simulation.audit import Row

if TYPE_CHECKING:
    from tests.simulation.world import World

NEVER = "what is never adopted"
WAITS = "adoption waits for our own create"
FITS = "adopted where one fits"

OLD = timedelta(days=2)
"""Age of the objects that were there before the connection was set up."""

UNSETTLED = """
SELECT l.mark FROM links l JOIN outbox o ON o.link_id = l.id WHERE l.connection = ? AND l.kind = 'incident'
AND l.state = 'pending' AND o.op = 'create' AND o.state IN ('due', 'claimed', 'unknown') AND o.first_sent_at IS NOT NULL
"""

FREE = """
SELECT i.number, i.fields FROM incidents i WHERE i.open AND i.merged_into IS NULL AND i.id <> ? AND NOT EXISTS (
  SELECT 1 FROM links l WHERE l.incident_id = i.id AND l.connection = ? AND l.kind = 'incident' AND l.slot = 'primary')
"""


def before_commit(world: World, rows: Sequence[Row]) -> None:
    """Checks every link that the commit makes, or ties to another object, in the task `adopt`."""
    actor = world.stack[-1] if world.stack else None
    if actor is None or actor.task != "adopt" or not world.servers:
        return
    opened = {row.key for row in rows if row.table == "incidents" and row.old is None}
    for row in rows:
        if row.table != "links" or row.new is None or row.new["kind"] != INCIDENT or row.new["remote_id"] is None:
            continue
        if row.old is None or row.old["remote_id"] != row.new["remote_id"]:
            _taken_in(world, row.new, row.new["incident_id"] in opened, actor.vendors[row.new["connection"]])


def _taken_in(world: World, link: Any, opened: bool, vendor: Any) -> None:
    ref = Ref(link["remote_kind"], link["remote_id"])
    server = world.servers[link["connection"]]
    thing = server.things[ref]
    if thing.mark is not None:
        return  # the hub's own object; that marks are read is checked at rest
    if thing.type != "incident":
        world.violated(NEVER, f"{ref.id} is {thing.type}")
    if thing.born < server.now() - OLD / 2:
        world.violated(NEVER, f"{ref.id} is older than the connection")
    unsettled = world.store.db.execute(UNSETTLED, (server.name,)).fetchone()
    if unsettled is not None:
        world.violated(WAITS, f"{ref.id} was taken in while the create of mark {unsettled[0]} is not settled")
    key = world.store.db.execute("SELECT dedup_key FROM incidents WHERE id = ?", (link["incident_id"],)).fetchone()[0]
    if not opened and key == thing.dedup_key:
        return  # it names its incident
    fitting = _fitting(world, link, server, vendor.last_seen[ref].fields.get("services"))
    if fitting:
        did = "opened a new incident" if opened else "was linked to one"
        world.violated(FITS, f"{ref.id} {did}, and INC-{fitting[0]} fits (too)")
    world.coverage.checks[FITS] += 1


def _fitting(world: World, link: Any, server: Any, theirs: Any) -> list[int]:
    """Numbers of other open incidents of the same services that have no object at this vendor."""
    try:
        ours = server.style.relations[INCIDENT]["services"].backward([], theirs)
    except (KeyError, UnknownWord):
        return []
    found = world.store.db.execute(FREE, (link["incident_id"], server.name)).fetchall()
    return [number for number, fields in found if set(ours) & set(json.loads(fields).get("services") or ())]
