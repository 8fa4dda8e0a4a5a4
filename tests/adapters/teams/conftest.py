"""Fixtures: a Teams channel over each of the three routes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.domain.errors import InvalidSignature
from hub.domain.values import INCIDENT, Mark, Ref, Request
from tests.contract.worlds.teams import TeamsWorld

FIXTURES = Path(__file__).with_name("fixtures")


@pytest.fixture
def world() -> TeamsWorld:
    return TeamsWorld()


@pytest.fixture
def card(world: TeamsWorld) -> Ref:
    """A card of ours in the channel."""
    written = world.adapter.create(world.sample(INCIDENT), Mark(INCIDENT, "cardmark1", world.clock.now()))
    assert written.ref
    world.sandbox.outgoing.clear()
    world.clock.advance(60)
    return written.ref


@pytest.fixture
def fixture() -> Callable[[str], Any]:
    return lambda name: json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def has_invalid_signature(world: TeamsWorld, request: Request) -> bool:
    """Whether the adapter refuses the request with InvalidSignature."""
    try:
        world.adapter.authenticate(request, world.secrets)
    except InvalidSignature:
        return True
    return False
