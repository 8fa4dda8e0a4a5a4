"""One scripted incident with a single crash at each boundary in turn: before and after every commit, every call and every
wake-up. Whichever process crashes, the end is the same as without a crash."""

from __future__ import annotations

import os
from typing import Any

import pytest

from hub.domain.values import COMMENT
from tests.simulation import rest
from tests.simulation.rest import rows
from tests.simulation.script import Play

PARTS = 4
"""The boundaries are divided among so many tests, which can run in parallel."""

STRIDE = int(os.environ.get("LOCKSTEP_SIM_STRIDE", "1"))
"""One in so many boundaries is tried (1: each)."""


def story(crash_at: int | None) -> Play:
    """Opened, shown everywhere, published after approval; commented, edited and resolved in different systems."""
    play = Play("a crash at each boundary", crash_at)
    play.open()
    play.work()
    play.approve()
    play.work()
    play.at("pd", status="acknowledged")
    play.says("pd", "looking at it")
    play.at("jira", title="Cards are declined", tags=["db"])
    play.work()
    play.edit(severity="SEV1", assignees=["ada"])
    play.command("resolve")
    play.settle()
    rest.check(play.world)
    return play


def picture(play: Play) -> dict[str, Any]:
    """What each system shows at the end."""
    return {
        "fields": play.fields(),
        "shown": {c: dict(play.thing(c).fields) for c in ("pd", "jira", "chat", "page")},
        "objects": {c: len(play.objects(c)) for c in ("pd", "jira", "chat", "page")},
        "comments": {c: len(play.server(c).of_kind(COMMENT)) for c in ("pd", "jira", "chat")},
        "incidents": len(rows(play.world, "SELECT id FROM incidents")),
        "behind": rows(play.world, "SELECT id FROM outbox WHERE state IN ('due', 'claimed', 'unknown', 'failed')"),
    }


@pytest.fixture(scope="module")
def calm() -> tuple[dict[str, Any], int]:
    """(the end without a crash, the number of boundaries)"""
    play = story(None)
    return picture(play), play.world.boundaries


@pytest.mark.parametrize("part", range(PARTS))
def test_a_single_crash_at_any_boundary_changes_nothing_in_the_end(part: int, calm: tuple[dict[str, Any], int]) -> None:
    """Every boundary k = 1, 2, 3, ... until the script ends before reaching it."""
    wanted, least = calm
    reached, k = 0, 1 + part * STRIDE
    while True:
        play = story(k)
        if play.world.counts["crash"] == 0:
            break
        assert play.world.counts["crash"] == 1
        end = picture(play)
        assert end == wanted, f"after a crash at boundary {k} ({play.world.coverage.crashes}): {end}"
        reached, k = k, k + PARTS * STRIDE
    assert reached > 0.9 * least - PARTS * STRIDE
