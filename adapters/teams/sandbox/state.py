"""The state of the Teams stand-in: one channel of one team, its messages, users, tokens and subscriptions.

Only data and rules about this data. It imports no other file of the stand-in. `messages` holds all messages of the
channel; `incidents` are the root messages with a card of the hub's.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.sandboxing import Outgoing
from hub.ports import Clock, Ids

TENANT = "2432b57b-0abd-43db-aa7b-16eadd115d34"
TEAM = "fbe2bf47-16c8-47cf-b4a5-4b9b187c508b"
CHANNEL = "19:4a95f7d8db4c4e7fae857bcebe0623e6@thread.tacv2"
APP = "6731de76-14a6-49ae-97bc-6eba6914391e"
ACCOUNT = "00000000-0000-4000-8000-00000000a001"
PEOPLE: Mapping[str, str] = {
    ACCOUNT: "Lockstep",
    "8ea0e38b-efb3-4757-924a-5f94061cf8c2": "Robin Kline",
    "ef1c916a-3135-4417-ba27-8eb7bd084193": "Jane Smith",
}
ROBIN, JANE = "8ea0e38b-efb3-4757-924a-5f94061cf8c2", "ef1c916a-3135-4417-ba27-8eb7bd084193"

CARD = "application/vnd.microsoft.card.adaptive"
"""Content type of an adaptive card."""


@dataclass
class Message:
    """One message. root: id of the root message, None for a root itself. replies: a root's replies, by id. seq:
    sequence number of the latest change in its chain."""

    id: str
    root: str | None
    user: str | None
    body: dict[str, Any]
    created: datetime
    modified: datetime
    etag: int
    attachments: list[dict[str, Any]] = field(default_factory=list)
    edited: datetime | None = None
    deleted: datetime | None = None
    summary: str | None = None
    subject: str | None = None
    importance: str = "normal"
    kind: str = "message"
    reactions: list[dict[str, Any]] = field(default_factory=list)
    mentions: list[dict[str, Any]] = field(default_factory=list)
    replies: dict[str, Message] = field(default_factory=dict)
    seq: int = 0


@dataclass
class Subscription:
    """url, lifecycle_url: the URLs that Graph calls. state: the subscriber's `clientState`. ends: UTC. certificate: the
    subscriber's (DER, base64), or None: notifications come without the message's content."""

    id: str
    url: str
    lifecycle_url: str | None
    resource: str
    changes: frozenset[str]
    state: str
    ends: datetime
    certificate: str | None
    certificate_id: str | None


@dataclass
class State:
    """lag: seconds until listings and delta show a new or changed message (a read by id always does).

    omit_retry_after: a 429 comes without `Retry-After`. activity_types: those in the app's manifest. subscriptions: by
    id. landing: accepted work that is not done yet. outgoing: webhooks that wait for delivery, oldest first.
    """

    clock: Clock
    ids: Ids
    base_url: str = "http://127.0.0.1"
    rate_limited: bool = True
    tenant: str = TENANT
    team: str = TEAM
    channel: str = CHANNEL
    client_id: str = APP
    client_secret: str = "stand-in-client-secret"
    account: str = ACCOUNT
    channel_name: str = "Incidents"
    lag: float = 0.0
    omit_retry_after: bool = False
    forbidden: bool = False
    people: dict[str, str] = field(default_factory=lambda: dict(PEOPLE))
    activity_types: set[str] = field(default_factory=lambda: {"incidentChanged"})
    workflow_signature: str = "stand-in-signature"
    messages: dict[str, Message] = field(default_factory=dict, init=False)
    notifications: list[dict[str, Any]] = field(default_factory=list, init=False)
    flow_cards: list[dict[str, Any]] = field(default_factory=list, init=False)
    refresh_tokens: list[str] = field(default_factory=lambda: ["stand-in-refresh-0"], init=False)
    tokens: dict[str, tuple[str, datetime]] = field(default_factory=dict, init=False)
    recent: list[datetime] = field(default_factory=list, init=False)
    seq: int = field(default=0, init=False)
    last_id: int = field(default=0, init=False)
    expired_before: int = field(default=0, init=False)
    subscriptions: dict[str, Subscription] = field(default_factory=dict, init=False)
    landing: list[Callable[[], Any]] = field(default_factory=list, init=False)
    outgoing: list[Outgoing] = field(default_factory=list, init=False)

    @property
    def graph_url(self) -> str:
        return f"{self.base_url}/v1.0"

    @property
    def login_url(self) -> str:
        return f"{self.base_url}/login"

    @property
    def workflow_url(self) -> str:
        return f"{self.base_url}/workflows/3f1/triggers/manual/paths/invoke?api-version=1&sig={self.workflow_signature}"

    @property
    def incidents(self) -> dict[str, Message]:
        """The root messages with a card of the hub's, by id."""
        return {m.id: m for m in list(self.messages.values()) if m.root is None and hidden_fields(m) is not None}

    def fresh_id(self) -> str:
        self.last_id = max(self.last_id + 1, int(self.clock.now().timestamp() * 1000))
        return str(self.last_id)

    def visible(self, messages: Iterable[Message]) -> list[Message]:
        """Those of `messages` that listings show already (older than `lag`)."""
        limit = self.clock.now() - timedelta(seconds=self.lag)
        return [m for m in messages if m.created <= limit]

    def forget_delta(self) -> None:
        """Makes all delta links issued so far invalid (410)."""
        self.expired_before = self.seq + 1

    def issue(self, kind: str, lives: timedelta) -> str:
        token = f"{kind}-{self.ids.token(16)}"
        self.tokens[token] = (kind, self.clock.now() + lives)
        return token


def hidden_fields(message: Message) -> dict[str, Any] | None:
    """The fields in the hidden block of the hub's card; None if the message has no such card."""
    for attachment in message.attachments:
        for element in json.loads(attachment["content"]).get("body", ()):
            if element.get("id") == "lockstep":
                packed = base64.b64decode(element["text"].partition(":")[2])
                fields: dict[str, Any] = json.loads(zlib.decompress(packed))["fields"]
                return fields
    return None
