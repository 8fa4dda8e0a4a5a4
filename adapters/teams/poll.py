"""Polling: Graph's delta of the channel, in whole chains (a root with its replies).

The cursor is Graph's own link, with the time of the newest message seen, so that only the new replies of a changed
chain are reported. After a lost or expired link, or for another channel, polling starts again at `lookback_days`.
(Microsoft Graph, "chatMessage: delta": `$filter=lastModifiedDateTime gt` finds every chain changed since,
`$expand=replies` returns it with its replies.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from adapters.http import parsing
from adapters.registry import Spec
from adapters.teams import wire
from adapters.teams.channel import Channel, Page
from adapters.teams.settings import Settings
from hub.domain.errors import Refused
from hub.domain.incident import CLOSED
from hub.domain.values import Changed, Changes, Json, Observation
from hub.domain.vocabulary import Relation, UnknownWord

OVERLAP = timedelta(seconds=60)
"""Replies up to this much older than the newest one seen are reported again: Graph may show them late."""


def _modified(message: Mapping[str, Json]) -> datetime | None:
    return wire.when(message.get("lastModifiedDateTime")) or wire.when(message.get("createdDateTime"))


class Poll:
    """`changed_since` of one channel. status: the relation of the status field, to find out what is open."""

    def __init__(self, spec: Spec, settings: Settings, channel: Channel, status: Relation) -> None:
        self.spec, self.settings, self.channel, self.status = spec, settings, channel, status

    def since(self, cursor: Json | None) -> Changes:
        known = cursor if isinstance(cursor, dict) and cursor.get("channel") == self.settings.channel else {}
        page = self._follow(known.get("link"))
        first = page is None or bool(known.get("first"))
        if page is None:
            known = {}
            page = self.channel.changed(self.spec.clock.now() - timedelta(days=self.settings.lookback_days))
        seen, newest = wire.when(known.get("seen")), wire.when(known.get("newest"))
        items: list[Changed] = []
        for message in page.messages:
            with parsing("a message"):
                items += self._chain(message, seen, first)
                for one in (message, *self._replies(message)):
                    moment = _modified(one)
                    newest = max(newest, moment) if newest and moment else newest or moment
        following = {
            "channel": self.settings.channel,
            "link": page.link,
            "first": first and page.more,
            "seen": _iso(seen if page.more else newest),
            "newest": _iso(newest),
        }
        return Changes(tuple(items), following, more=page.more)

    def _follow(self, link: Json) -> Page | None:
        """The page of the link; None if there is no link or Graph does not accept it any more."""
        if not isinstance(link, str):
            return None
        try:
            return self.channel.follow(link)
        except Refused:
            return None

    @staticmethod
    def _replies(message: Mapping[str, Json]) -> list[dict[str, Json]]:
        return [r for r in message.get("replies") or () if isinstance(r, dict) and wire.has_id(r)]

    def _chain(self, message: Mapping[str, Json], seen: datetime | None, first: bool) -> Iterator[Changed]:
        """Reports the hub's own cards only: nothing else in a channel is synchronised. A deleted message has no card
        any more."""
        account = self.settings.account
        if not wire.is_from(message, account):
            return
        replies = self._replies(message)
        root = wire.observed(message, account, replies, complete="replies@odata.nextLink" not in message)
        if root.mark is None and root.state == "present":
            return
        if first and not self._open(root):
            return
        # The hub does not compare reactions, so a root that has any is always refreshed.
        reacted = bool(root.fields.get(wire.REACTIONS)) and _recent(message, seen)
        yield Changed(root.ref, None if reacted else root)
        for child, reply in zip(root.children, wire.in_order(replies), strict=True):
            ours = child.mark is not None and child.state == "present"  # only the hub's account can change it
            if not ours and _recent(reply, seen):
                yield Changed(child.ref)

    def _open(self, root: Observation) -> bool:
        if root.state != "present":
            return False
        try:
            return self.status.backward(None, root.fields.get("status")) not in CLOSED
        except UnknownWord:
            return True


def _recent(message: Mapping[str, Json], seen: datetime | None) -> bool:
    moment = _modified(message)
    return seen is None or moment is None or moment >= seen - OVERLAP


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
