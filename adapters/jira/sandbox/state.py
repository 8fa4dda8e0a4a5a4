"""The state of the stand-in Jira (site, users, workflow, issues, changelogs, search index) and the rules of its
changes.

It includes Jira's awkward rules: the status changes by transitions only, and some transitions are missing; the search
index lags; 404 also means "not allowed". Each function in `listeners` is called at once with every change.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.jira import adf, wiki
from hub.ports import Clock, Ids

Json = Any
Issue = dict[str, Any]
Workflow = Mapping[str, tuple[tuple[str, str, str], ...]]
BOT = "lockstep"

STATUSES: Mapping[str, tuple[str, str]] = {
    "To Do": ("10000", "new"),
    "In Progress": ("3", "indeterminate"),
    "Done": ("10001", "done"),
}
"""status → (id, key of its category)"""

WORKFLOW: Workflow = {
    "To Do": (("11", "Done with triage", "In Progress"),),
    "In Progress": (("21", "Finish", "Done"), ("31", "Put back", "To Do")),
    "Done": (("41", "Take up again", "In Progress"),),
}
"""status → its transitions: (id, name, target status). No transition is named like a status; none leads from To Do
straight to Done."""

ASKS_RESOLUTION = frozenset({"21"})
"""Ids of the transitions whose screen requires a resolution."""

PRIORITIES: Mapping[str, str] = {"Highest": "1", "High": "2", "Medium": "3", "Low": "4", "Lowest": "5"}
RESOLUTIONS: Mapping[str, str] = {"Done": "10000", "Won't Do": "10001", "Duplicate": "10002"}
ISSUE_TYPES: Mapping[str, str] = {"Incident": "10100", "Task": "10101"}


class Refusal(Exception):
    """An error response of Jira. errors: field → message."""

    def __init__(self, status: int, /, *messages: str, **errors: str) -> None:
        super().__init__(status, messages, errors)
        self.status, self.messages, self.errors = status, list(messages), errors

    def body(self) -> Json:
        return {"errorMessages": self.messages, "errors": self.errors}


@dataclass(frozen=True)
class Event:
    """One change of an issue. name: the webhook event ("jira:issue_updated", "comment_created"). by: an account id.
    kind: its `issue_event_type_name`. history: the changelog entry of the change. comment: the changed comment.
    flow: "Primary", or "Secondary" for a bulk change."""

    name: str
    issue: Issue
    by: str
    kind: str = ""
    history: Mapping[str, Any] | None = None
    comment: Mapping[str, Any] | None = None
    flow: str = "Primary"


@dataclass
class State:
    """cloud: Cloud or Data Center. names: short names of the users. tokens: accepted credentials. search_lag: seconds
    until a write shows in searches. skew: seconds that Jira's clock is ahead of the hub's. time_zone: of the hub's
    account. administrator: the hub's account may list webhooks. workflow: status → transitions. hidden: ids of issues
    that the hub's account may not see. index: issue id → entries of the search index, each with the time from which it
    shows (None: deleted). writes: issue id → times of its latest writes. requests_at: times of the account's latest
    requests."""

    clock: Clock
    ids: Ids
    base_url: str = "https://acme.atlassian.net"
    rate_limited: bool = True
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
    workflow: Workflow = field(default_factory=lambda: WORKFLOW, init=False)
    listeners: list[Callable[[Event], None]] = field(default_factory=list, init=False, repr=False)
    last_id: int = field(default=10_000, init=False)

    # ------------------------------------------------------------------ time, ids, users

    def now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.skew)

    def stamp(self, when: datetime) -> str:
        """A time as Jira writes it: in the time zone of the hub's account, with an offset without a colon."""
        local = when.astimezone(ZoneInfo(self.time_zone))
        return local.strftime("%Y-%m-%dT%H:%M:%S.") + f"{local.microsecond // 1000:03d}" + local.strftime("%z")

    def next_id(self) -> str:
        self.last_id += 1
        return str(self.last_id)

    def account(self, name: str) -> str:
        """The id by which the API identifies a user."""
        return f"557058:{name}-0000" if self.cloud else name

    def user_key(self, account: str) -> str:
        """The id of a user in a changelog: on Data Center this is the user key, not the name."""
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
        """Plain text, converted to the form in which it is stored."""
        if not text:
            return None
        return adf.from_plain(text) if self.cloud else wiki.from_plain(text)

    def markup(self, stored: Any) -> Any:
        """A stored text as wiki markup, as API v2 and all webhooks show it."""
        if stored is None or isinstance(stored, str):
            return stored
        return wiki.from_plain(adf.to_plain(stored))

    def text(self, stored: Any) -> str:
        return "" if stored is None else wiki.to_plain(stored) if isinstance(stored, str) else adf.to_plain(stored)

    # ------------------------------------------------------------------ changes, by the API or by a person

    def issue(self, id_or_key: str) -> Issue:
        """Raises Jira's 404, which does not distinguish "does not exist" from "no permission"."""
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
        self._emit(Event("jira:issue_created", issue, by, "issue_created"))
        return issue

    def change(
        self, issue: Issue, fields: Mapping[str, Any], by: str, flow: str = "Primary", kind: str = "issue_updated"
    ) -> None:
        """Writes the fields and a changelog entry and sends the webhook; does nothing if no field differs."""
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
        self._emit(Event("jira:issue_updated", issue, by, kind, history=history, flow=flow))

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
        """Performs a transition. Raises Jira's 400 if it is not available, or lacks a required resolution."""
        chosen = next((t for t in self.workflow[issue["status"]] if t[0] == id), None)
        if chosen is None:
            raise Refusal(400, "It seems that you have tried to perform a workflow operation that is not valid now.")
        if id in ASKS_RESOLUTION and resolution not in RESOLUTIONS:
            raise Refusal(400, resolution="Resolution is required.")
        after = resolution if id in ASKS_RESOLUTION else None
        self.change(issue, {"status": chosen[2], "resolution": after}, by, kind="issue_generic")

    def add_comment(
        self, issue: Issue, stored: Any, by: str, visibility: Any = None, properties: Any = None
    ) -> dict[str, Any]:
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
        self._emit(Event("comment_created", issue, by, comment=comment))
        return comment

    def edit_comment(self, issue: Issue, comment: dict[str, Any], stored: Any, by: str) -> None:
        later = max(self.now(), comment["updated"] + timedelta(milliseconds=1))
        comment.update(body=stored, editor=by, updated=later)
        self.touch(issue)
        self._emit(Event("comment_updated", issue, by, comment=comment))

    def drop_comment(self, issue: Issue, comment: dict[str, Any], by: str) -> None:
        del issue["comments"][comment["id"]]
        self.touch(issue)
        self._emit(Event("comment_deleted", issue, by, comment=comment))

    def drop(self, issue: Issue, by: str) -> None:
        del self.issues[issue["id"]]
        self.index.setdefault(issue["id"], []).append((self.clock.now() + timedelta(seconds=self.search_lag), None))
        self._emit(Event("jira:issue_deleted", issue, by, "issue_deleted"))

    def touch(self, issue: Issue) -> None:
        """Records that the issue has changed: the search index shows it after `search_lag`."""
        issue["updated"] = max(self.now(), issue["updated"] + timedelta(milliseconds=1))
        seen = ("id", "key", "project", "issuetype", "status", "created", "updated")
        picture = {k: issue[k] for k in seen} | {"labels": list(issue["labels"])}
        entries = self.index.setdefault(issue["id"], [])
        entries.append((self.clock.now() + timedelta(seconds=self.search_lag), picture))
        visible = [e for e in entries if e[0] <= self.clock.now()]
        self.index[issue["id"]] = visible[-1:] + [e for e in entries if e[0] > self.clock.now()]

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
