"""Every request of the adapter, and every answer of the stand-in, fits Microsoft's own document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

from hub.domain.values import COMMENT, INCIDENT, Desired, Mark, Update
from tests.conftest import absent
from tests.contract.worlds.teams import BASE, CARD, HOOK, TeamsWorld

DOCUMENT = "msgraph-v1.0-trimmed.openapi.json"


def _loosened(node: Any) -> Any:
    """The document says of every type that a property which it does not name is an object. Taken literally, no derived type
    (`allOf` of entity and chatMessage) could ever have a text property; so that line is left out, and nothing else."""
    if isinstance(node, dict):
        kept = {k: v for k, v in node.items() if not (k == "additionalProperties" and v == {"type": "object"})}
        return {k: _loosened(v) for k, v in kept.items()}
    return [_loosened(v) for v in node] if isinstance(node, list) else node


class Sent:
    """A request in the form that openapi-core needs."""

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        parts = urlsplit(url)
        self.host_url = BASE
        self.path = parts.path
        self.method = method.lower()
        self.body = body
        self.content_type = next((v for k, v in headers.items() if k.lower() == "content-type"), "application/json")
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(parts.query)), header=Headers(headers), cookie=ImmutableMultiDict()
        )


class Answered:
    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status_code = status
        self.headers = Headers(headers)
        self.content_type = self.headers.get("Content-Type", "application/json")
        self.data = body


@pytest.fixture
def document(contracts: Path) -> OpenAPI:
    path = contracts / DOCUMENT
    if not path.is_file():
        absent(f"{DOCUMENT} is not there")
    data = _loosened(json.loads(path.read_text(encoding="utf-8")))
    return OpenAPI.from_dict({**data, "servers": [{"url": f"{BASE}/v1.0"}], "security": []})


def recorded(world: TeamsWorld) -> list[tuple[Sent, Answered]]:
    """The list to which all exchanges with Graph are added from now on."""
    found: list[tuple[Sent, Answered]] = []
    exchange = world.sandbox.exchange

    def watched(method: str, url: str, headers: Any, body: bytes) -> Any:
        answer = exchange(method, url, headers, body)
        if url.startswith(f"{BASE}/v1.0"):
            found.append((Sent(method, url, dict(headers), body), Answered(*answer)))
        return answer

    world.sandbox.exchange = watched  # type: ignore[method-assign]
    return found


def test_the_exchanges_of_every_route_fit_the_document(document: OpenAPI) -> None:
    """Cards, replies, edits, deletions, pages, delta, subscriptions, notifications, and refusals."""
    world = TeamsWorld()
    seen = recorded(world)
    now = world.clock.now()
    card = world.adapter.create(world.sample(INCIDENT), Mark(INCIDENT, "abcdef1", now)).ref
    assert card
    reply = world.adapter.create(Desired(COMMENT, {"text": "x"}, card), Mark(COMMENT, "comment1", now, card)).ref
    assert reply
    for n in range(60):
        world.sandbox.people_reply(card.id, f"reply {n}")
    world.sandbox.people_react(card.id, "like")
    world.sandbox.people_rename_channel("War room")
    world.adapter.update(card, Update({"status": "resolved"}, dict(CARD)))
    world.adapter.update(reply, Update({"text": "y"}, {}))
    world.adapter.update(reply, Update({"deleted": True}, {}))
    world.adapter.observe(card)
    world.adapter.observe(reply)
    world.adapter.observe(type(card)(INCIDENT, "1"))
    world.adapter.changed_since(world.adapter.changed_since(None).cursor)
    world.adapter.find(Mark(INCIDENT, "abcdef1", now))
    world.adapter.examine()  # type: ignore[attr-defined]
    del world.secrets.values["client_state"]
    kept = world.adapter.subscribe(HOOK, world.secrets)  # type: ignore[attr-defined]
    world.adapter.renew(kept, world.secrets)  # type: ignore[attr-defined]
    feed = TeamsWorld("activity")
    seen_there = recorded(feed)
    feed.adapter.create(feed.sample(INCIDENT), Mark(INCIDENT, "abcdef1", now))
    exchanges = [*seen, *seen_there]
    assert len(exchanges) > 20
    for sent, answered in exchanges:
        document.validate_request(sent)  # type: ignore[arg-type]
        if answered.data:
            document.validate_response(sent, answered)  # type: ignore[arg-type]
