"""A stand-in for Jira, Cloud or Data Center: one project, its workflow, people, comments, changelog, search and webhooks.

Awkward parts included: status moves by transitions only and some are missing; the search index is late; 404 means "not
allowed" too; each issue bears few writes a second; webhooks come in several shapes, unordered, and some much later.
The HTTP side is in `sandbox_issues` and `sandbox_site`, the webhooks in `sandbox_hooks`, the rules in `sandbox_rules`.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from adapters.jira import adf, sandbox_issues, sandbox_site, wiki
from adapters.jira.sandbox_hooks import EVENTS, Hook, Hooks
from adapters.jira.sandbox_rules import (
    ASKS_RESOLUTION,
    PRIORITIES,
    RESOLUTIONS,
    STATUSES,
    WORKFLOW,
    Refusal,
    check_label,
)
from adapters.sandboxing import Outgoing, Sandbox

Issue = dict[str, Any]
BOT = "lockstep"
MAIL = "bot@example.com"


@dataclass
class JiraSandbox(Sandbox):
    """cloud: which edition. people: short name → account id (Cloud) or user name (Data Center). tokens: accepted credentials.
    search_lag: seconds until a write shows in searches. skew: seconds that Jira's clock is ahead of ours.
    administrator: our account may list webhooks."""

    base_url: str = "https://acme.atlassian.net"
    cloud: bool = True
    project: str = "OPS"
    components: tuple[str, ...] = ("Checkout", "Payments", "Search")
    names: tuple[str, ...] = ("ada", "ben", BOT)
    tokens: set[str] = field(default_factory=lambda: {"sandbox-token"})
    search_lag: float = 8.0
    skew: float = 0.0
    time_zone: str = "America/New_York"
    administrator: bool = True
    service_desk: bool = False
    issues: dict[str, Issue] = field(default_factory=dict, init=False)
    hidden: set[str] = field(default_factory=set, init=False)
    custom_fields: list[str] = field(default_factory=list, init=False)
    index: dict[str, list[tuple[datetime, Mapping[str, Any] | None]]] = field(default_factory=dict, init=False)
    writes: dict[str, deque[datetime]] = field(default_factory=dict, init=False)
    requests_at: deque[datetime] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lock = threading.RLock()
        self._number = 10_000
        self.hooks = Hooks(self)
        sandbox_issues.add(self)
        sandbox_site.add(self)
        inner, context = self.app.wsgi_app, urlsplit(self.base_url).path

        def one_at_a_time(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
            head, found, rest = environ["PATH_INFO"].partition("/rest/")
            if found and head in (context, "/ex/jira/cloud-1"):  # the site's own path, or the gateway for OAuth apps
                environ["PATH_INFO"] = "/rest/" + rest
            with self._lock:
                return inner(environ, start_response)

        self.app.wsgi_app = one_at_a_time  # type: ignore[method-assign]

    @property
    def incidents(self) -> dict[str, Issue]:
        return self.issues

    # ------------------------------------------------------------------ time, ids, people

    def now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.skew)

    def stamp(self, when: datetime) -> str:
        """As Jira writes times: in our account's time zone, the offset without a colon."""
        local = when.astimezone(ZoneInfo(self.time_zone))
        return local.strftime("%Y-%m-%dT%H:%M:%S.") + f"{local.microsecond // 1000:03d}" + local.strftime("%z")

    def next_id(self) -> str:
        self._number += 1
        return str(self._number)

    def account(self, name: str) -> str:
        """The id by which the API names a person."""
        return f"557058:{name}-0000" if self.cloud else name

    def user_key(self, account: str) -> str:
        """What a changelog calls them: on Data Center neither name nor id, but a key."""
        return account if self.cloud else f"JIRAUSER{10_000 + self.names.index(account)}"

    def person(self, account: str | None) -> Any:
        if account is None:
            return None
        name = next(n for n in self.names if self.account(n) == account)
        bean = {
            "self": f"{self.base_url}/rest/api/2/user?{'accountId' if self.cloud else 'username'}={account}",
            "displayName": name.capitalize(),
            "active": True,
            "timeZone": self.time_zone,
        }
        if self.cloud:
            return bean | {"accountId": account, "accountType": "atlassian"}
        return bean | {"name": account, "key": self.user_key(account), "emailAddress": f"{name}@example.com"}

    # ------------------------------------------------------------------ rich texts

    def rich(self, text: str) -> Any:
        """Plain text in the form that is stored."""
        if not text:
            return None
        return adf.from_plain(text) if self.cloud else wiki.from_plain(text)

    def markup(self, stored: Any) -> Any:
        """A stored text as wiki markup: API v2, and every webhook."""
        if stored is None or isinstance(stored, str):
            return stored
        return wiki.from_plain(adf.to_plain(stored))

    def text(self, stored: Any) -> str:
        return "" if stored is None else wiki.to_plain(stored) if isinstance(stored, str) else adf.to_plain(stored)

    # ------------------------------------------------------------------ what happens, whoever asks for it

    def issue(self, id_or_key: str) -> Issue:
        """Raises the 404 that says too little."""
        found = self.issues.get(id_or_key) or next((i for i in self.issues.values() if i["key"] == id_or_key), None)
        if found is None or found["id"] in self.hidden:
            raise Refusal(404, "Issue does not exist or you do not have permission to see it.")
        return found

    def make(self, fields: Mapping[str, Any], properties: Mapping[str, Any], by: str) -> Issue:
        now, id = self.now(), self.next_id()
        issue: Issue = {
            "id": id,
            "key": f"{self.project}-{int(id) - 10_000}",
            "project": self.project,
            "issuetype": "Incident",
            "summary": "",
            "description": None,
            "status": "To Do",
            "resolution": None,
            "priority": "Medium",
            "labels": [],
            "components": [],
            "assignee": None,
            "reporter": by,
            "created": now,
            "updated": now,
            **copy.deepcopy(dict(fields)),
            "properties": copy.deepcopy(dict(properties)),
            "comments": {},
            "histories": [],
            "links": {},
        }
        self.issues[id] = issue
        self.touch(issue)
        self.hooks.issue("jira:issue_created", "issue_created", issue, by)
        return issue

    def change(
        self, issue: Issue, fields: Mapping[str, Any], by: str, flow: str = "Primary", kind: str = "issue_updated"
    ) -> None:
        """Writes fields, the changelog and the webhook; nothing when nothing differs."""
        items: list[dict[str, Any]] = []
        for name, value in fields.items():
            if issue[name] != value:
                items += self._items(name, issue[name], value)
                issue[name] = copy.deepcopy(value)
        if not items:
            return
        history = {"id": self.next_id(), "author": by, "created": self.now(), "items": items}
        issue["histories"].append(history)
        self.touch(issue)
        self.hooks.issue("jira:issue_updated", kind, issue, by, history=history, flow=flow)

    def _items(self, name: str, old: Any, new: Any) -> list[dict[str, Any]]:
        def item(field: str, *values: str | None) -> dict[str, Any]:
            keys = ("from", "fromString", "to", "toString")
            id = {"fieldId": name} if self.cloud else {}
            return {"field": field, "fieldtype": "jira", **id} | {
                k: v for k, v in zip(keys, values, strict=True) if v is not None
            }

        if name == "components":
            gone = [item("Component", "1", c, None, None) for c in old if c not in new]
            return gone + [item("Component", None, None, "1", c) for c in new if c not in old]
        if name == "labels":
            return [item(name, "", " ".join(old), "", " ".join(new))]
        if name == "assignee":
            shown = [(self.user_key(a), self.person(a)["displayName"]) if a else (None, None) for a in (old, new)]
            return [item(name, *shown[0], *shown[1])]
        if name == "description":
            return [item(name, None, self.markup(old), None, self.markup(new))]
        ids = {
            "status": {s: i for s, (i, _) in STATUSES.items()},
            "priority": PRIORITIES,
            "resolution": RESOLUTIONS,
        }.get(name, {})
        return [item(name, ids.get(old), old, ids.get(new), new)]

    def transit(self, issue: Issue, id: str, resolution: str | None, by: str) -> None:
        """Raises the 400 of a transition that is not offered, or whose screen is not filled."""
        chosen = next((t for t in WORKFLOW[issue["status"]] if t[0] == id), None)
        if chosen is None:
            raise Refusal(400, "It seems that you have tried to perform a workflow operation that is not valid now.")
        if id in ASKS_RESOLUTION and resolution not in RESOLUTIONS:
            raise Refusal(400, resolution="Resolution is required.")
        after = resolution if id in ASKS_RESOLUTION else None
        self.change(issue, {"status": chosen[2], "resolution": after}, by, kind="issue_generic")

    def say(self, issue: Issue, stored: Any, by: str, visibility: Any = None, properties: Any = None) -> dict[str, Any]:
        now, id = self.now(), self.next_id()
        comment = {
            "id": id,
            "issue": issue["id"],
            "author": by,
            "editor": by,
            "body": stored,
            "created": now,
            "updated": now,
            "visibility": visibility,
            "properties": dict(properties or {}),
        }
        issue["comments"][id] = comment
        self.touch(issue)
        self.hooks.comment("comment_created", issue, comment, by)
        return comment

    def edit_comment(self, issue: Issue, comment: dict[str, Any], stored: Any, by: str) -> None:
        later = max(self.now(), comment["updated"] + timedelta(milliseconds=1))
        comment.update(body=stored, editor=by, updated=later)
        self.touch(issue)
        self.hooks.comment("comment_updated", issue, comment, by)

    def drop_comment(self, issue: Issue, comment: dict[str, Any], by: str) -> None:
        del issue["comments"][comment["id"]]
        self.touch(issue)
        self.hooks.comment("comment_deleted", issue, comment, by)

    def drop(self, issue: Issue, by: str) -> None:
        del self.issues[issue["id"]]
        self.index.setdefault(issue["id"], []).append((self.clock.now() + timedelta(seconds=self.search_lag), None))
        self.hooks.issue("jira:issue_deleted", "issue_deleted", issue, by)

    def touch(self, issue: Issue) -> None:
        """Something about the issue has changed: the index will know later."""
        issue["updated"] = max(self.now(), issue["updated"] + timedelta(milliseconds=1))
        seen = ("id", "key", "project", "issuetype", "status", "created", "updated")
        picture = {k: issue[k] for k in seen} | {"labels": list(issue["labels"])}
        entries = self.index.setdefault(issue["id"], [])
        entries.append((self.clock.now() + timedelta(seconds=self.search_lag), picture))
        visible = [e for e in entries if e[0] <= self.clock.now()]
        self.index[issue["id"]] = visible[-1:] + [e for e in entries if e[0] > self.clock.now()]

    # ------------------------------------------------------------------ webhooks

    def register(self, url: str, secret: str | None = "", events: Sequence[str] = EVENTS) -> Hook:
        """An administrator sets up a webhook. secret "": none."""
        return self.hooks.register(url, secret or None, events)

    def failed(self, sent: Outgoing, status: int | None) -> float | None:
        """The receiver answered `status` (None: not at all). Queues the next try; seconds until it, or None: given up."""
        return self.hooks.failed(sent, status)

    def settle(self) -> None:
        super().settle()
        self.hooks.release(everything=True)

    # ------------------------------------------------------------------ what people do there

    def people_create(self, summary: str, description: str = "", by: str = "ada", **fields: Any) -> str:
        stored = {"summary": summary, "description": self.rich(description), **fields}
        return str(self.make(stored, {}, self.account(by))["id"])

    def people_set(self, id: str, by: str = "ada", **fields: Any) -> None:
        """Jira's fields; description as plain text, assignee as an account id."""
        if "description" in fields:
            fields["description"] = self.rich(fields["description"])
        for label in fields.get("labels", ()):
            check_label(label)
        self.change(self.issues[id], fields, self.account(by))

    def people_move(self, id: str, status: str, by: str = "ada") -> None:
        """Clicks through the workflow, by as many transitions as it takes."""
        for transition, to in _clicks(self.issues[id]["status"], status):
            self.transit(self.issues[id], transition, "Done" if to == "Done" else None, self.account(by))

    def people_comment(self, id: str, text: str, by: str = "ada", role: str | None = None) -> str:
        visibility = {"type": "role", "value": role} if role else None
        return str(self.say(self.issues[id], self.rich(text), self.account(by), visibility)["id"])

    def people_edit_comment(self, id: str, comment: str, text: str, by: str = "ada") -> None:
        issue = self.issues[id]
        self.edit_comment(issue, issue["comments"][comment], self.rich(text), self.account(by))

    def people_delete_comment(self, id: str, comment: str, by: str = "ada") -> None:
        issue = self.issues[id]
        self.drop_comment(issue, issue["comments"][comment], self.account(by))

    def people_delete(self, id: str, by: str = "ada") -> None:
        self.drop(self.issues[id], self.account(by))

    def people_clone(self, id: str, by: str = "ada") -> str:
        """Labels are copied, entity properties are not."""
        copied = ("description", "priority", "labels", "components")
        issue = self.issues[id]
        fields = {"summary": f"CLONE - {issue['summary']}", **{k: issue[k] for k in copied}}
        return str(self.make(fields, {}, self.account(by))["id"])

    def people_move_project(self, id: str, key: str, by: str = "ada") -> None:
        """The key changes, the id stays."""
        issue = self.issues[id]
        issue["key"] = f"{key}-{int(id) - 10_000}"
        self.change(issue, {"project": key}, self.account(by), kind="issue_moved")

    def people_hide(self, id: str) -> None:
        """Our account loses the sight of it: 404 from now on."""
        self.hidden.add(id)

    def people_bulk_label(self, ids: Sequence[str], label: str, by: str = "ada") -> None:
        """A bulk change: its webhooks are of the Secondary flow and come late."""
        for id in ids:
            labels = [*self.issues[id]["labels"], label]
            self.change(self.issues[id], {"labels": labels}, self.account(by), flow="Secondary")

    def snapshot(self, id: str) -> dict[str, Any]:
        """The issue in Jira's own words, texts plain."""
        i = self.issues[id]
        fields = {
            k: i[k] for k in ("key", "summary", "status", "priority", "labels", "components", "assignee", "resolution")
        }
        comments = [self.text(c["body"]) for c in i["comments"].values()]
        return {**copy.deepcopy(fields), "description": self.text(i["description"]), "comments": comments}


def _clicks(now: str, target: str) -> list[tuple[str, str]]:
    """The shortest way through the workflow: (transition id, status)."""
    ways: list[tuple[str, list[tuple[str, str]]]] = [(now, [])]
    seen = {now}
    while ways:
        at, way = ways.pop(0)
        if at == target:
            return way
        for id, _, to in WORKFLOW[at]:
            if to not in seen:
                seen.add(to)
                ways.append((to, [*way, (id, to)]))
    raise Refusal(400, f"no way from {now} to {target}")
