"""Nothing public is written without the approval that its policy requires, corrections included: what is sent is compared, word by
word, with what people read and approved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hub.domain.capability import CreateSafety
from hub.domain.incident import CLOSED
from hub.domain.values import INCIDENT, UPDATE, Desired, Json, Mark, Update
from tests.simulation.rules import FREE

if TYPE_CHECKING:
    from tests.simulation.vendor import ModelVendor
    from tests.simulation.world import World

NAME = "nothing public without approval"
ONCE = "public once or not at all"
ENDS = "a draft ends with its incident"


def _covered(world: World, words: Mapping[str, Json]) -> bool:
    """Whether a person approved exactly these words, together."""
    return any(
        all(name in seen and seen[name] == value for name, value in words.items()) for seen in world.ledger.approved
    )


def _bound(words: Mapping[str, Json]) -> dict[str, Json]:
    """The fields that need an approval each time they change, also after the first."""
    return {name: value for name, value in words.items() if name not in FREE}


def before_create(vendor: ModelVendor, desired: Desired, mark: Mark, link: str, earlier: bool) -> None:
    """Checks a create. earlier: a create of this mark was sent before, and its outcome is unknown."""
    world = vendor.world
    if not vendor.capabilities.public:
        return
    if desired.kind == INCIDENT and not _covered(world, _bound(desired.fields)):
        world.violated(NAME, f"create for mark {mark.key}: {dict(desired.fields)}")
    if desired.kind == UPDATE and desired.fields.get("text") not in world.ledger.published:
        world.violated(NAME, f"update {desired.fields.get('text')!r}")
    safety = vendor.capabilities.kinds[desired.kind].create
    if earlier and safety is CreateSafety.NEITHER and link not in world.ledger.replayed:
        world.violated(ONCE, f"{desired.kind} of mark {mark.key} is posted again, and nobody has looked")
    world.coverage.checks[NAME] += 1


def before_update(vendor: ModelVendor, kind: str, update: Update) -> None:
    """Checks a correction: the fields that are bound to an approval."""
    bound = _bound(update.changes)
    if vendor.capabilities.public and kind == INCIDENT and bound and not _covered(vendor.world, bound):
        vendor.world.violated(NAME, f"correction {bound}")


def at_rest(world: World) -> None:
    """A draft that was not approved before its incident ended is no longer offered for approval."""
    rows = world.store.db.execute(
        "SELECT l.id, l.connection, i.number, i.fields FROM links l JOIN incidents i ON i.id = l.incident_id "
        "WHERE l.kind = 'incident' AND l.state = 'held' AND l.remote_id IS NULL AND i.merged_into IS NULL"
    ).fetchall()
    for link, connection, number, fields in rows:
        if json.loads(fields)["status"] in CLOSED:
            world.violated(ENDS, f"link {link}: INC-{number} is over, its draft for {connection} still waits")
