"""Requests to Cloud, and the stand-in's answers, are valid against Atlassian's own OpenAPI document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from adapters.jira.adapter import Jira
from adapters.sandboxing import InProcess
from hub.domain.values import COMMENT, INCIDENT, Mark, Update
from tests.contract.worlds.jira import SITES, JiraWorld

pytestmark = pytest.mark.contracts

Exchange = tuple[requests.PreparedRequest, requests.Response]


class Recording(InProcess):
    """Records every exchange."""

    def __init__(self, sandbox: Any, kept: list[Exchange]) -> None:
        super().__init__(sandbox)
        self.kept = kept

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        response = super().send(request, **kwargs)
        self.kept.append((request, response))
        return response


@pytest.fixture(scope="module")
def document(contracts: Path) -> Any:
    from openapi_core import Config, OpenAPI

    path = contracts / "jira-cloud-v3.openapi.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here")
    raw = json.loads(path.read_text())
    raw["servers"] = [{"url": SITES[True]}]
    # Jira writes time offsets without a colon, which its own document's format `date-time` does not allow.
    return OpenAPI.from_dict(raw, config=Config(extra_format_validators={"date-time": lambda value: True}))


def test_every_exchange_is_valid(document: Any) -> None:
    """All of the adapter's requests and the stand-in's answers fit the document."""
    from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

    world = JiraWorld(cloud=True)
    kept: list[Exchange] = []
    world.spec.wire.mounts[SITES[True]] = lambda: Recording(world.sandbox, kept)  # type: ignore[index]
    everything(world)
    seen = set()
    for request, response in kept:
        if "/rest/webhooks/" in str(request.url):  # not in the document
            continue
        seen.add((request.method, str(request.url).partition("?")[0].rpartition("/")[2]))
        asked = RequestsOpenAPIRequest(request)
        document.validate_request(asked)
        if response.content and response.ok:
            if response.url.endswith("/remotelink") and request.method == "GET":
                continue  # a list; the document shows its one element
            document.validate_response(asked, RequestsOpenAPIResponse(response))
    assert {
        ("POST", "issue"),
        ("POST", "jql"),
        ("POST", "transitions"),
        ("POST", "comment"),
        ("POST", "remotelink"),
    } <= seen


def everything(world: JiraWorld) -> None:
    """Each call of the adapter once."""
    adapter: Jira = world.adapter
    mark = Mark(INCIDENT, "abcdef123456", world.clock.now())
    issue = adapter.create(world.sample(INCIDENT), mark).ref
    assert issue is not None
    position = adapter.history(issue, None)[1]
    adapter.update(
        issue,
        Update(
            {
                "title": "New",
                "description": "Text\n\nmore",
                "severity": "Low",
                "tags": {"add": ["x"], "remove": ["payments"]},
                "services": {"add": ["Search"], "remove": ["Checkout"]},
                "assignees": None,
            },
            {},
        ),
    )
    for step in adapter.walk(issue, "status", "To Do", "Done"):
        adapter.update(issue, Update({"status": step}, {}))
    assert adapter.history(issue, position)[0]
    said = world.sample(COMMENT)
    comment = adapter.create(said, Mark(COMMENT, "fedcba654321", world.clock.now(), said.parent)).ref
    assert comment is not None
    adapter.update(comment, Update({"text": "Other"}, {}))
    adapter.observe(comment)
    adapter.update(comment, Update({"deleted": True}, {}))
    assert adapter.find(mark)
    adapter.observe(issue)
    adapter.link_back(issue, {"number": "INC-1", "url": "https://hub.example.com/i/1", "links": []})
    adapter.changed_since(adapter.changed_since(None).cursor)
    adapter.probe()
    adapter.examine()
