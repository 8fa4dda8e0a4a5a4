"""The Teams stand-in as one object: one channel of one team behind Graph v1.0, the identity platform and a flow.

It includes Microsoft's awkward rules: an application's token may not post; ids are times in milliseconds, unique only
within the channel; only the author may edit; a deleted message stays as an empty one; four requests a second; messages
of at most 28 KB; listings lag; a refresh token changes at every use; the hub's own writes cause notifications too; and
notifications come in no fixed order and possibly twice.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import Any

from adapters.sandboxing import Sandbox
from adapters.teams.sandbox.conversations import Conversations
from adapters.teams.sandbox.payloads import plain, typed
from adapters.teams.sandbox.routes_login import login_routes
from adapters.teams.sandbox.routes_messages import message_routes
from adapters.teams.sandbox.routes_post_only import post_only_routes
from adapters.teams.sandbox.routes_subscriptions import subscription_routes
from adapters.teams.sandbox.state import ROBIN, Message, State, hidden_fields
from adapters.teams.sandbox.webhooks import Push
from adapters.teams.wire import stamp


@dataclass
class TeamsSandbox(State, Sandbox):
    """The state, served over HTTP."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.push = Push(self, self.emit)
        self.conversations = Conversations(self, self.push)
        login_routes(self.app, self, self.push)
        message_routes(self.app, self, self.conversations)
        post_only_routes(self.app, self)
        subscription_routes(self.app, self, self.push)

    def add(self, user: str | None, body: dict[str, Any], root: str | None = None, **more: Any) -> Message:
        """Adds a message by any user with any body. more: further fields of `Message`."""
        return self.conversations.add(user, body, root, **more)

    # --- people's actions -------------------------------------------------------------------------------------------

    def people_post(self, text: str, person: str = ROBIN) -> str:
        """Starts a new conversation; returns its root message's id."""
        return self.conversations.add(person, typed(text)).id

    def people_reply(self, root: str, text: str, person: str = ROBIN) -> str:
        return self.conversations.add(person, typed(text), root).id

    def people_edit(self, message_id: str, text: str) -> None:
        """Edits the message as its author."""
        message = self.messages[message_id]
        message.body, message.edited = typed(text), self.clock.now()
        self.conversations.touch(message, "updated")

    def people_delete(self, message_id: str) -> None:
        """Deletes the message as its author, or as an owner of the team (who may delete the hub's card too)."""
        self.conversations.remove(self.messages[message_id])

    def people_react(self, message_id: str, reaction: str, person: str = ROBIN, remove: bool = False) -> None:
        message = self.messages[message_id]
        message.reactions = [
            r for r in message.reactions if (r["reactionType"], r["user"]["user"]["id"]) != (reaction, person)
        ]
        if not remove:
            at = stamp(self.clock.now())
            user = {"id": person, "displayName": self.people.get(person)}
            message.reactions.append({"reactionType": reaction, "createdDateTime": at, "user": {"user": user}})
        self.conversations.touch(message, "updated")

    def people_rename_channel(self, name: str) -> str:
        """Renames the channel, which adds a system message; returns that message's id."""
        self.channel_name = name
        body = {"contentType": "html", "content": "<systemEventMessage/>"}
        return self.conversations.add(None, body, kind="systemEventMessage").id

    def people_command(self, text: str, root: str | None = None, person: str = ROBIN) -> str:
        """Posts `@Lockstep …` in a thread (or as a new conversation), which also calls the outgoing webhook."""
        content = f'<p><at id="0">Lockstep</at>&nbsp;{html.escape(text, quote=False)}</p>'
        app = {"id": self.client_id, "displayName": "Lockstep", "applicationIdentityType": "bot"}
        mention = {"id": 0, "mentionText": "Lockstep", "mentioned": {"application": app}}
        message = self.conversations.add(person, {"contentType": "html", "content": content}, root, mentions=[mention])
        self.push.command(message, text, person)
        return message.id

    def snapshot(self, message_id: str) -> dict[str, Any]:
        """What a person sees of the card and its thread, in the values on the card."""
        message = self.messages[message_id]
        fields = hidden_fields(message) or {}
        shown = " ".join(
            str(e.get("text") or "") for a in message.attachments for e in json.loads(a["content"]).get("body", ())
            if e.get("isVisible", True)
        )  # fmt: skip
        talk = [r for r in list(message.replies.values()) if r.deleted is None]
        return {
            **fields,
            "visible": shown,
            "comments": [plain(r.body["content"]) for r in talk],
            "deleted": message.deleted is not None,
        }
