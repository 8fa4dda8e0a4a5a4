"""What the desk refuses, whoever asks: in words that name the place and the remedy."""

from __future__ import annotations

import pytest

from hub.sync import desk
from hub.sync.hub import Hub
from tests.unit.web_hub import make_hub


@pytest.fixture
def hub() -> Hub:
    made = make_hub()
    desk.open_incident(made, {"title": "Checkout is slow"}, actor="ada")
    return made


def test_an_update_is_written_for_an_audience_that_there_is(hub: Hub) -> None:
    """A slip of the pen is no audience: it is refused with those that there are, and no draft is left."""
    with pytest.raises(desk.Invalid, match="'pubic' is not one of public, internal"):
        desk.draft_update(hub, "1", "We look into it.", audience="pubic", actor="ada")
    assert desk.show_incident(hub, "1")["updates"] == []
