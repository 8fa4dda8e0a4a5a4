"""The stand-in Jira as one object: its state served over HTTP, its webhooks, and people's actions in Jira's own pages.

It has one project of a Cloud or Data Center site, and serves one request at a time.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from adapters.jira.sandbox import routes, routes_apps, routes_issues, routes_search, routes_site
from adapters.jira.sandbox.state import Issue, Refusal, State, Workflow
from adapters.jira.sandbox.validation import check_label
from adapters.jira.sandbox.webhooks import EVENTS, Hook, Hooks
from adapters.sandboxing import Outgoing, Sandbox


@dataclass
class JiraSandbox(State, Sandbox):
    """The state, served over HTTP. hooks: the webhooks that are registered in it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lock = threading.RLock()
        self.hooks = Hooks(state=self, outgoing=self.outgoing)
        self.listeners.append(self.hooks.publish)
        routes_issues.add(self.app, self)
        routes.guard(self.app, self)
        routes_site.add(self.app, self)
        routes_search.add(self.app, self)
        routes_apps.add(self.app, self, self.hooks)
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

    # ------------------------------------------------------------------ webhooks

    def register(self, url: str, secret: str | None = "", events: Sequence[str] = EVENTS) -> Hook:
        """Registers a webhook as an administrator does; an empty secret or None means unsigned."""
        return self.hooks.register(url, secret or None, events)

    def failed(self, sent: Outgoing, status: int | None) -> float | None:
        """The receiver answered with `status` (None: no response). Queues the next attempt and returns the seconds
        until it, or returns None if Jira makes no further attempt."""
        return self.hooks.failed(sent, status)

    def settle(self) -> None:
        super().settle()
        self.hooks.release(everything=True)

    # ------------------------------------------------------------------ people's actions in Jira's pages

    def people_create(self, summary: str, description: str = "", by: str = "ada", **fields: Any) -> str:
        stored = {"summary": summary, "description": self.rich(description), **fields}
        return str(self.make(stored, {}, self.account(by))["id"])

    def people_set(self, id: str, by: str = "ada", **fields: Any) -> None:
        """Edits fields by Jira's names; description as plain text, assignee as an account id."""
        if "description" in fields:
            fields["description"] = self.rich(fields["description"])
        for label in fields.get("labels", ()):
            check_label(label)
        self.change(self.issues[id], fields, self.account(by))

    def people_move(self, id: str, status: str, by: str = "ada") -> None:
        """Moves the issue to `status` through the workflow, by as many transitions as that takes."""
        for transition, to in _clicks(self.workflow, self.issues[id]["status"], status):
            self.transit(self.issues[id], transition, "Done" if to == "Done" else None, self.account(by))

    def people_comment(self, id: str, text: str, by: str = "ada", role: str | None = None) -> str:
        visibility = {"type": "role", "value": role} if role else None
        return str(self.add_comment(self.issues[id], self.rich(text), self.account(by), visibility)["id"])

    def people_edit_comment(self, id: str, comment: str, text: str, by: str = "ada") -> None:
        issue = self.issues[id]
        self.edit_comment(issue, issue["comments"][comment], self.rich(text), self.account(by))

    def people_delete_comment(self, id: str, comment: str, by: str = "ada") -> None:
        issue = self.issues[id]
        self.drop_comment(issue, issue["comments"][comment], self.account(by))

    def people_delete(self, id: str, by: str = "ada") -> None:
        self.drop(self.issues[id], self.account(by))

    def people_clone(self, id: str, by: str = "ada") -> str:
        """Clones the issue; labels are copied, entity properties are not. Returns the clone's id."""
        copied = ("description", "priority", "labels", "components")
        issue = self.issues[id]
        fields = {"summary": f"CLONE - {issue['summary']}", **{k: issue[k] for k in copied}}
        return str(self.make(fields, {}, self.account(by))["id"])

    def people_move_project(self, id: str, key: str, by: str = "ada") -> None:
        """Moves the issue to another project: its key changes, its id stays."""
        issue = self.issues[id]
        issue["key"] = f"{key}-{int(id) - 10_000}"
        self.change(issue, {"project": key}, self.account(by), kind="issue_moved")

    def people_hide(self, id: str) -> None:
        """The hub's account loses permission to browse the issue: Jira answers 404 from now on."""
        self.hidden.add(id)

    def people_bulk_label(self, ids: Sequence[str], label: str, by: str = "ada") -> None:
        """A bulk change: its webhooks have the flow "Secondary" and come late."""
        for id in ids:
            labels = [*self.issues[id]["labels"], label]
            self.change(self.issues[id], {"labels": labels}, self.account(by), flow="Secondary")

    def snapshot(self, id: str) -> dict[str, Any]:
        """What a person sees of an issue, in Jira's values, with texts as plain text."""
        i = self.issues[id]
        fields = {
            k: i[k] for k in ("key", "summary", "status", "priority", "labels", "components", "assignee", "resolution")
        }
        comments = [self.text(c["body"]) for c in i["comments"].values()]
        return {**copy.deepcopy(fields), "description": self.text(i["description"]), "comments": comments}


def _clicks(workflow: Workflow, now: str, target: str) -> list[tuple[str, str]]:
    """The shortest path through the workflow, as (transition id, status) pairs."""
    ways: list[tuple[str, list[tuple[str, str]]]] = [(now, [])]
    seen = {now}
    while ways:
        at, way = ways.pop(0)
        if at == target:
            return way
        for id, _, to in workflow[at]:
            if to not in seen:
                seen.add(to)
                ways.append((to, [*way, (id, to)]))
    raise Refusal(400, f"no way from {now} to {target}")
