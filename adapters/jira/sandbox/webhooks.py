"""The stand-in Jira's webhooks: which receivers get an event, in which of Jira's formats, and the retries after a
failure.

Webhooks come in several formats, in no fixed order, and some much later than the change.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from adapters.jira.sandbox.payloads import status_bean
from adapters.jira.sandbox.state import Event, State
from adapters.sandboxing import Outgoing

EVENTS = (
    "jira:issue_created",
    "jira:issue_updated",
    "jira:issue_deleted",
    "comment_created",
    "comment_updated",
    "comment_deleted",
)
TRIES = 5
RETRIED = frozenset({408, 409, 425, 429})
"""4xx statuses that Jira retries. It also retries 5xx and a missing response; any other 4xx is final."""

LIFE = timedelta(days=30)
LATE = timedelta(minutes=15)


@dataclass
class Hook:
    """secret: None = unsigned. dynamic: registered by an app; it expires, and is signed with the app's secret."""

    id: int
    url: str
    secret: str | None
    events: tuple[str, ...]
    enabled: bool = True
    dynamic: bool = False
    jql: str = ""
    expires: datetime | None = None


@dataclass
class Hooks:
    """All webhooks of one stand-in. outgoing: the queue of deliveries. late: deliveries to be queued at a later time.
    in_order: False = each new delivery is put at a random place in the queue."""

    state: State
    outgoing: list[Outgoing]
    hooks: list[Hook] = field(default_factory=list)
    late: list[tuple[datetime, Outgoing]] = field(default_factory=list)
    in_order: bool = False
    old: bool = False
    """True = an old Data Center: no identifier header, no event type name."""

    def register(self, url: str, secret: str | None, events: Sequence[str]) -> Hook:
        hook = Hook(int(self.state.next_id()), url, secret, tuple(events))
        self.hooks.append(hook)
        return hook

    def add_dynamic(self, url: str, secret: str, events: Sequence[str], jql: str) -> Hook:
        hook = self.register(url, secret, events)
        hook.dynamic, hook.jql, hook.expires = True, jql, self.state.now() + LIFE
        return hook

    # ------------------------------------------------------------------ payloads

    def publish(self, event: Event) -> None:
        """Queues the webhooks that Jira sends for a change."""
        if event.name.startswith("comment_") and event.comment is not None:
            self.comment(event.name, event.issue, event.comment, event.by)
        else:
            self.issue(event.name, event.kind, event.issue, event.by, event.history, flow=event.flow)

    def issue(
        self,
        event: str,
        kind: str,
        issue: Mapping[str, Any],
        by: str,
        history: Mapping[str, Any] | None = None,
        comment: Mapping[str, Any] | None = None,
        flow: str = "Primary",
    ) -> None:
        body: dict[str, Any] = {"timestamp": self._millis(), "webhookEvent": event}
        if not self.old:
            body["issue_event_type_name"] = kind
        body["user"] = self.state.person(by)
        body["issue"] = self._whole(issue)
        if history:
            body["changelog"] = {"id": history["id"], "items": history["items"]}
        if comment:
            body["comment"] = self._comment(comment)
        self._send(event, body, issue["id"], flow)

    def comment(self, event: str, issue: Mapping[str, Any], comment: Mapping[str, Any], by: str) -> None:
        body: dict[str, Any] = {"timestamp": self._millis(), "webhookEvent": event, "comment": self._comment(comment)}
        if self.state.cloud:  # Cloud sends a reduced issue and no user
            body["issue"] = self._cut(issue)
        elif event == "comment_deleted":
            body["user"] = self.state.person(by)
        self._send(event, body, issue["id"], "Primary")
        if not self.state.cloud and event != "comment_deleted":
            kind = "issue_commented" if event == "comment_created" else "issue_comment_edited"
            self.issue("jira:issue_updated", kind, issue, by, comment=comment)

    def _whole(self, issue: Mapping[str, Any]) -> Any:
        state = self.state
        cut = self._cut(issue)
        cut["fields"] |= {
            "description": state.markup(issue["description"]),
            "labels": list(issue["labels"]),
            "components": [{"name": c} for c in issue["components"]],
            "resolution": {"name": issue["resolution"]} if issue["resolution"] else None,
            "created": state.stamp(issue["created"]),
            "updated": state.stamp(issue["updated"]),
        }
        return cut

    def _cut(self, issue: Mapping[str, Any]) -> Any:
        state = self.state
        return {
            "id": issue["id"],
            "self": f"{state.base_url}/rest/api/2/issue/{issue['id']}",
            "key": issue["key"],
            "fields": {
                "summary": issue["summary"],
                "issuetype": {"name": issue["issuetype"]},
                "project": {"key": issue["project"]},
                "assignee": state.person(issue["assignee"]),
                "priority": {"name": issue["priority"]} if issue["priority"] else None,
                "status": status_bean(issue["status"], state.base_url),
            },
        }

    def _comment(self, comment: Mapping[str, Any]) -> Any:
        state = self.state
        return {
            "self": f"{state.base_url}/rest/api/2/issue/{comment['issue']}/comment/{comment['id']}",
            "id": comment["id"],
            "author": state.person(comment["author"]),
            "body": state.markup(comment["body"]),
            "updateAuthor": state.person(comment["editor"]),
            "created": state.stamp(comment["created"]),
            "updated": state.stamp(comment["updated"]),
        }

    def _millis(self) -> int:
        return int(self.state.now().timestamp() * 1000)

    # ------------------------------------------------------------------ sending

    def _send(self, event: str, body: Any, about: str, flow: str) -> None:
        raw = json.dumps(body).encode()
        for hook in self.hooks:
            over = hook.expires is not None and hook.expires <= self.state.now()
            if not hook.enabled or over or event not in hook.events:
                continue
            id = self.state.ids.new()
            sent = Outgoing(id, hook.url, self._headers(hook, raw, id, flow), raw, about, self.state.clock.now())
            if flow == "Secondary":
                self.late.append((self.state.clock.now() + LATE, sent))
            else:
                self._queue(sent)
        self.release()

    def _queue(self, sent: Outgoing) -> None:
        queue = self.outgoing
        place = len(queue) if self.in_order else int(self.state.ids.chance() * (len(queue) + 1))
        queue.insert(place, sent)

    def _headers(self, hook: Hook, raw: bytes, id: str, flow: str) -> dict[str, str]:
        headers = {"content-type": "application/json; charset=UTF-8", "user-agent": "Atlassian HTTP Client"}
        if not self.old:
            headers |= {"x-atlassian-webhook-identifier": id, "x-atlassian-webhook-flow": flow}
        if hook.dynamic:
            claims = {"iss": "app", "exp": int(self.state.now().timestamp()) + 180}
            headers["authorization"] = "Bearer " + jwt.encode(claims, hook.secret or "", algorithm="HS256")
        elif hook.secret:
            headers["x-hub-signature"] = "sha256=" + hmac.new(hook.secret.encode(), raw, hashlib.sha256).hexdigest()
        return headers

    def release(self, everything: bool = False) -> None:
        """Queues the late deliveries that are due, or all of them if `everything` is set."""
        now = self.state.clock.now()
        due = [s for at, s in self.late if everything or at <= now]
        self.late = [(at, s) for at, s in self.late if not everything and at > now]
        for sent in due:
            self._queue(sent)

    def failed(self, sent: Outgoing, status: int | None) -> float | None:
        if status is not None and status not in RETRIED and status < 500:
            return None
        if sent.attempt >= TRIES:
            return None
        hook = next(h for h in self.hooks if h.url == sent.url)
        flow = sent.headers.get("x-atlassian-webhook-flow", "Primary")
        headers = self._headers(hook, sent.body, sent.id, flow) | {"x-atlassian-webhook-retry": str(sent.attempt + 1)}
        delay = 300.0 + 600.0 * self.state.ids.chance()
        again = Outgoing(sent.id, sent.url, headers, sent.body, sent.about, sent.made_at, sent.attempt + 1)
        self.late.append((self.state.clock.now() + timedelta(seconds=delay), again))
        return delay
