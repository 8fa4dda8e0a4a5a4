"""Graph's calls for one channel's messages: single messages, threads, and changes (delta)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.http import pages, understood
from adapters.teams import wire
from adapters.teams.graph import Answer, Graph
from adapters.teams.settings import Settings
from hub.domain.errors import Refused, RetryLater
from hub.domain.values import COMMENT, Json, Ref

PAGE = 50
"""Messages in one page: the most that Graph returns."""

PAGES = 40
"""Most pages of one thread that are read."""


def not_found(refusal: Refused) -> bool:
    return refusal.words.startswith("HTTP 404")


@dataclass(frozen=True)
class Page:
    """A page of delta. more: True = `link` leads to the next page; False = it is the delta link for the next poll."""

    messages: list[dict[str, Json]]
    link: str | None
    more: bool


def _objects(value: Json) -> list[dict[str, Json]]:
    return [m for m in understood(value, list) if wire.has_id(m)]


class Channel:
    """Calls for one channel. All raise VendorErrors."""

    def __init__(self, settings: Settings, graph: Graph) -> None:
        self.settings, self.graph = settings, graph

    def _place(self, client: Any) -> Any:
        return client.teams.by_team_id(self.settings.team).channels.by_channel_id(self.settings.channel)

    def _message(self, client: Any, ref: Ref) -> Any:
        messages = self._place(client).messages
        if ref.kind == COMMENT:
            return messages.by_chat_message_id(ref.parent or "").replies.by_chat_message_id1(ref.id)
        return messages.by_chat_message_id(ref.id)

    def _thread(self, client: Any, root: str) -> Any:
        return self._place(client).messages.by_chat_message_id(root).replies

    def itself(self) -> dict[str, Json]:
        """The channel itself: the cheapest read that needs permission for this channel."""
        return self.graph.get(self._place).read("id")

    def message(self, ref: Ref) -> dict[str, Json] | None:
        """The message; None if Graph does not show it. Raises RetryLater if the response is about another message: it
        must not be read as a message of another author."""
        try:
            found = self.graph.get(lambda c: self._message(c, ref)).read("id")
        except Refused as exc:
            if not_found(exc):
                return None
            raise
        if found["id"] != ref.id:
            raise RetryLater("Graph's response is about another message than the requested one")
        return found

    def replies(self, root: str) -> tuple[list[dict[str, Json]], bool] | None:
        """(replies, whether these are all); None if Graph does not show the root."""
        found: list[dict[str, Json]] = []
        try:
            answer = self.graph.get(lambda c: self._thread(c, root), {"top": PAGE}).read("value")
            for _ in range(PAGES):
                found += _objects(answer["value"])
                link = answer.get("@odata.nextLink")
                if not isinstance(link, str):
                    return found, True
                answer = self.graph.follow(lambda c: self._thread(c, root), link).read("value")
        except Refused as exc:
            if not_found(exc):
                return None
            raise
        return found, False

    def changed(self, since: datetime) -> Page:
        """The first page of chains (roots with their replies) that changed after `since`."""
        query = {"top": PAGE, "expand": ["replies"], "filter": f"lastModifiedDateTime gt {wire.stamp(since)}"}
        return self._page(self.graph.get(lambda c: self._place(c).messages.delta, query))

    def pages(self, since: datetime) -> Iterator[Page]:
        """All pages of the chains that changed after `since`."""
        page = self.changed(since)
        yield page
        for _ in pages():
            if not (page.more and page.link):
                return
            page = self.follow(page.link)
            yield page

    def follow(self, link: str) -> Page:
        """The page of a next or delta link."""
        return self._page(self.graph.follow(lambda c: self._place(c).messages.delta, link))

    def _page(self, answer: Answer) -> Page:
        data = answer.read("value")
        following, delta = data.get("@odata.nextLink"), data.get("@odata.deltaLink")
        link = following if isinstance(following, str) else delta if isinstance(delta, str) else None
        return Page(_objects(data["value"]), link, more=isinstance(following, str))

    def post(self, payload: Mapping[str, Json], root: str | None = None) -> dict[str, Json]:
        """Posts a new root, or a reply under `root`; returns the message as Graph shows it."""
        build = (lambda c: self._place(c).messages) if root is None else (lambda c: self._thread(c, root))
        return self.graph.call("POST", build, dict(payload), write=True).json()

    def edit(self, ref: Ref, payload: Mapping[str, Json]) -> None:
        self.graph.call("PATCH", lambda c: self._message(c, ref), dict(payload), write=True)

    def delete(self, ref: Ref) -> None:
        """Deletes a message softly: Teams still shows that a message was deleted."""
        self.graph.call("POST", lambda c: self._message(c, ref).soft_delete, write=True)
