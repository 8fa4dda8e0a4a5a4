"""Every test that asks for a `world` runs on Cloud and on Data Center."""

from __future__ import annotations

import pytest

from tests.contract.worlds.jira import JiraWorld


@pytest.fixture(params=["cloud", "dc"])
def world(request: pytest.FixtureRequest) -> JiraWorld:
    return JiraWorld(cloud=request.param == "cloud")
