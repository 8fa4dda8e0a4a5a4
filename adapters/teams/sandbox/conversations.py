"""Changes of messages in the channel, by a person or through Graph. Each change notifies the subscribers."""

from __future__ import annotations

from typing import Any

from adapters.teams.sandbox.state import Message, State
from adapters.teams.sandbox.webhooks import Push


class Conversations:
    """Changes the messages of `state` and queues change notifications through `push`."""

    def __init__(self, state: State, push: Push) -> None:
        self.state = state
        self.push = push

    def touch(self, message: Message, change: str) -> None:
        """Records a change: sets a new etag, moves the message's chain in delta, and notifies the subscribers."""
        now = self.state.clock.now()
        message.modified = now
        message.etag = max(message.etag + 1, int(now.timestamp() * 1000))
        self.state.seq += 1
        message.seq = self.state.seq
        if message.root is not None:
            self.state.messages[message.root].seq = self.state.seq
        self.push.notify(message, change)

    def add(self, user: str | None, body: dict[str, Any], root: str | None = None, **more: Any) -> Message:
        now = self.state.clock.now()
        message = Message(self.state.fresh_id(), root, user, body, now, now, etag=0, **more)
        self.state.messages[message.id] = message
        if root is not None:
            self.state.messages[root].replies[message.id] = message
        self.touch(message, "created")
        return message

    def remove(self, message: Message) -> None:
        message.deleted = self.state.clock.now()
        message.body, message.attachments = {"contentType": "html", "content": ""}, []
        self.touch(message, "deleted")
