"""A stand-in for Microsoft Teams: one channel of one team, as Graph v1.0, the identity platform and a flow show it.

Awkward parts included: an application's token may not post; ids are milliseconds and unique in the channel only; only the
author may edit; a deleted message stays as an empty one; four requests a second; nothing over 28 KB; listings that lag;
refresh tokens that change with every use; notifications for our own writes too, unordered and possibly twice.

`sandbox_graph` has Graph's routes, `sandbox_push` what Teams sends. `messages` is the state; `incidents` are its roots.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.sandboxing import Sandbox
from adapters.teams import sandbox_graph, sandbox_login, sandbox_push
from adapters.teams.sandbox_push import Push
from adapters.teams.wire import stamp

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


@dataclass
class Message:
    """One message. replies: of a root, by id. seq: grows with every change in its chain."""

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
class TeamsSandbox(Sandbox):
    """lag: seconds until listings and delta show a new or changed message (a read by id always does).

    omit_retry_after: throttle without saying how long. activity_types: those in the app's manifest.
    """

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
    push: Push = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.push = Push(self)
        sandbox_login.routes(self)
        sandbox_graph.routes(self)
        sandbox_graph.flow_routes(self)
        sandbox_push.routes(self)

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
        """The root messages that carry a card of ours."""
        return {m.id: m for m in list(self.messages.values()) if m.root is None and _hidden(m) is not None}

    # --- what happens in the channel --------------------------------------------------------------------------------

    def fresh_id(self) -> str:
        self.last_id = max(self.last_id + 1, int(self.clock.now().timestamp() * 1000))
        return str(self.last_id)

    def touch(self, message: Message, change: str) -> None:
        """The message changed: new etag, its chain moves in delta, subscribers hear of it."""
        now = self.clock.now()
        message.modified = now
        message.etag = max(message.etag + 1, int(now.timestamp() * 1000))
        self.seq += 1
        message.seq = self.seq
        if message.root is not None:
            self.messages[message.root].seq = self.seq
        self.push.notify(message, change)

    def add(self, user: str | None, body: dict[str, Any], root: str | None = None, **more: Any) -> Message:
        now = self.clock.now()
        message = Message(self.fresh_id(), root, user, body, now, now, etag=0, **more)
        self.messages[message.id] = message
        if root is not None:
            self.messages[root].replies[message.id] = message
        self.touch(message, "created")
        return message

    def remove(self, message: Message) -> None:
        message.deleted = self.clock.now()
        message.body, message.attachments = {"contentType": "html", "content": ""}, []
        self.touch(message, "deleted")

    # --- what people do ---------------------------------------------------------------------------------------------

    def people_post(self, text: str, person: str = ROBIN) -> str:
        """A new conversation; returns its id."""
        return self.add(person, typed(text)).id

    def people_reply(self, root: str, text: str, person: str = ROBIN) -> str:
        return self.add(person, typed(text), root).id

    def people_edit(self, message_id: str, text: str) -> None:
        """By its author."""
        message = self.messages[message_id]
        message.body, message.edited = typed(text), self.clock.now()
        self.touch(message, "updated")

    def people_delete(self, message_id: str) -> None:
        """By its author, or by an owner of the team (who may delete our card too)."""
        self.remove(self.messages[message_id])

    def people_react(self, message_id: str, reaction: str, person: str = ROBIN, remove: bool = False) -> None:
        message = self.messages[message_id]
        message.reactions = [
            r for r in message.reactions if (r["reactionType"], r["user"]["user"]["id"]) != (reaction, person)
        ]
        if not remove:
            at = stamp(self.clock.now())
            user = {"id": person, "displayName": self.people.get(person)}
            message.reactions.append({"reactionType": reaction, "createdDateTime": at, "user": {"user": user}})
        self.touch(message, "updated")

    def people_rename_channel(self, name: str) -> str:
        """Leaves a system message in the channel."""
        self.channel_name = name
        body = {"contentType": "html", "content": "<systemEventMessage/>"}
        return self.add(None, body, kind="systemEventMessage").id

    def people_command(self, text: str, root: str | None = None, person: str = ROBIN) -> str:
        """`@Lockstep …` in a thread (or as a new conversation): the message appears, the outgoing webhook is called."""
        content = f'<p><at id="0">Lockstep</at>&nbsp;{html.escape(text, quote=False)}</p>'
        app = {"id": self.client_id, "displayName": "Lockstep", "applicationIdentityType": "bot"}
        mention = {"id": 0, "mentionText": "Lockstep", "mentioned": {"application": app}}
        message = self.add(person, {"contentType": "html", "content": content}, root, mentions=[mention])
        self.push.command(message, text, person)
        return message.id

    # --- for tests and the demo -------------------------------------------------------------------------------------

    def forget_delta(self) -> None:
        """Delta links given out so far are gone (410)."""
        self.expired_before = self.seq + 1

    def issue(self, kind: str, lives: timedelta) -> str:
        token = f"{kind}-{self.ids.token(16)}"
        self.tokens[token] = (kind, self.clock.now() + lives)
        return token

    def snapshot(self, message_id: str) -> dict[str, Any]:
        """What the card and its thread show, in the words on it."""
        message = self.messages[message_id]
        fields = _hidden(message) or {}
        shown = " ".join(
            str(e.get("text") or "") for a in message.attachments for e in json.loads(a["content"]).get("body", ())
            if e.get("isVisible", True)
        )  # fmt: skip
        talk = [r for r in list(message.replies.values()) if r.deleted is None]
        return {
            **fields,
            "visible": shown,
            "comments": [sandbox_graph.plain(r.body["content"]) for r in talk],
            "deleted": message.deleted is not None,
        }


def typed(text: str) -> dict[str, str]:
    """What the editor of Teams makes of typed lines."""
    lines = [html.escape(line, quote=False) or "&nbsp;" for line in text.split("\n")]
    return {"contentType": "html", "content": "".join(f"<p>{line}</p>" for line in lines)}


def _hidden(message: Message) -> dict[str, Any] | None:
    for attachment in message.attachments:
        for element in json.loads(attachment["content"]).get("body", ()):
            if element.get("id") == "lockstep":
                packed = base64.b64decode(element["text"].partition(":")[2])
                fields: dict[str, Any] = json.loads(zlib.decompress(packed))["fields"]
                return fields
    return None
