"""The fixture for the world of a contract test."""

from __future__ import annotations

import pytest

from tests.contract.cases import WORLDS
from tests.contract.world import World


def pytest_configure(config: pytest.Config) -> None:
    """msgraph-sdk warns of its own generated code on every first use of a path."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:msgraph")
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:kiota_abstractions")


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """A fresh world, by the name in the test's parameter."""
    return WORLDS[request.param]()
