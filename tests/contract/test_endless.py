"""A vendor's listing that always names a next page ends in RetryLater, not in an endless loop of the worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from adapters import http
from hub.domain.errors import RetryLater
from hub.domain.values import COMMENT, INCIDENT, Ref
from tests.contract.cases import WORLDS
from tests.contract.line import Answer
from tests.contract.steps import fresh_mark, make
from tests.contract.world import World


def _more_messages(page: dict[str, Any]) -> None:
    page["@odata.nextLink"] = page.pop("@odata.deltaLink", None) or page["@odata.nextLink"]


CASES: Mapping[str, tuple[str, str, Callable[[dict[str, Any]], None]]] = {
    "a search": ("jira-cloud", "/search", lambda page: page.update(nextPageToken="again", isLast=False)),
    "comments": ("jira-cloud", "/comment", lambda page: page.update(total=10**9)),
    "a channel": ("teams-graph", "/delta", _more_messages),
}
"""What is listed → the world, the listing's path, and a function that makes the page name another one."""


def _spoilt(world: World, place: str, more: Callable[[dict[str, Any]], None]) -> None:
    """Makes this listing answer every page with its first one, which names another."""
    inner = world.sandbox.exchange
    first: list[Answer] = []

    def exchange(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if place not in url:
            return inner(method, url, headers, body)
        if not first:
            status, head, answer = inner(method, url, headers, body)
            page = json.loads(answer)
            more(page)
            first.append((status, head, json.dumps(page).encode()))
        return first[0]

    world.sandbox.exchange = exchange  # type: ignore[method-assign]


@pytest.mark.parametrize("what", CASES)
def test_a_listing_without_an_end_is_left_for_later(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, place, more = CASES[what]
    monkeypatch.setattr(http, "MOST_PAGES", 20)
    world = WORLDS[name]()
    comment, _, _ = make(world, COMMENT)
    home = Ref(INCIDENT, str(comment.parent))
    _spoilt(world, place, more)
    with pytest.raises(RetryLater, match="does not end after 20 pages"):
        world.adapter.observe(home) if what == "comments" else world.adapter.find(fresh_mark(world, INCIDENT))
