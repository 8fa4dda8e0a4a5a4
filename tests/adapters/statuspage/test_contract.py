"""Every request of the adapter, and every answer of the stand-in, is valid against Atlassian's published document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from hub.domain.values import INCIDENT, UPDATE, Desired, Mark, Update
from tests.contract.worlds.statuspage import HOOK, StatuspageWorld

pytestmark = pytest.mark.contracts


class Recorder:
    """Records every exchange between the adapter and the stand-in."""

    def __init__(self, world: StatuspageWorld) -> None:
        self.seen: list[tuple[str, str, bytes, int, bytes]] = []
        self.inner = world.sandbox.exchange
        world.sandbox.exchange = self.exchange  # type: ignore[method-assign]

    def exchange(self, method: str, url: str, headers: Any, body: bytes) -> Any:
        answer = self.inner(method, url, headers, body)
        assert headers["Authorization"] == "OAuth sandbox-key"
        self.seen.append((method, url, body, answer[0], answer[2]))
        return answer


def a_whole_life(world: StatuspageWorld) -> None:
    adapter, box = world.adapter, world.sandbox
    mark = Mark(INCIDENT, "abcdef01", world.clock.now())
    ref = adapter.create(world.sample(INCIDENT), mark).ref
    assert ref is not None
    for field in ("status", "public_title", "severity", "impacts"):
        now = adapter.observe(ref).fields
        changed = world.another(INCIDENT, field, now[field])
        adapter.update(ref, Update({field: changed}, {**now, field: changed}))
    adapter.update(ref, Update({"impacts": {}}, {"impacts": {}}))
    text = Mark(UPDATE, "aaaaaa01", world.clock.now(), ref)
    made = adapter.create(Desired(UPDATE, {"text": "A text", "status": "resolved"}, parent=ref), text).ref
    assert made is not None
    adapter.update(made, Update({"text": "Another"}, {"text": "Another"}))
    adapter.find(mark)
    adapter.find(text)
    adapter.changed_since(adapter.changed_since(None).cursor)
    adapter.history(ref, None)
    adapter.examine()
    box.subscribers[next(iter(box.subscribers))]["quarantined_at"] = box.now()
    adapter.subscribe(HOOK, world.secrets)
    box.people_delete(ref.id)
    adapter.observe(ref)


def test_requests_and_answers_fit_the_published_document(contracts: Path) -> None:
    """Every exchange of an incident from create to end."""
    document = json.loads((contracts / StatuspageWorld.contract).read_bytes())
    api = OpenAPI.from_dict(document)
    world = StatuspageWorld()
    recorder = Recorder(world)
    a_whole_life(world)
    kinds = set()
    for method, url, body, status, answer in recorder.seen:
        parts = urlsplit(url)
        request = MockRequest(
            f"{parts.scheme}://{parts.netloc}",
            method.lower(),
            parts.path,
            args=dict(parse_qsl(parts.query)),
            headers={"Authorization": "OAuth sandbox-key"},
            data=body or None,
        )
        api.validate_request(request)
        if status < 300:
            api.validate_response(request, MockResponse(answer, status_code=status))
        kinds.add((method, parts.path.count("/"), status))
    assert len(kinds) >= 8
