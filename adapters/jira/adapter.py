"""Jira, Cloud and Data Center: the calls.

An issue is referred to by its numeric id: its key changes when it is moved to another project, and is used only in the
url. Jira has no conditional write, but keeps a changelog (`Historian`); its status changes by transitions (`Walks`).
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.http import pages, parsing, understood
from adapters.jira import capability, examine, jql, remote_links, settings, webhooks, wire
from adapters.jira.changelog import Changelog
from adapters.jira.client import Client
from adapters.jira.labels import mark_label
from adapters.jira.oauth import Tokens
from adapters.jira.subscriptions import Subscriptions
from adapters.jira.workflow import Transition, Workflow, pick, screen
from adapters.registry import Spec
from hub.domain.errors import OutcomeUnknown, Refused, VendorError
from hub.domain.values import (
    COMMENT,
    INCIDENT,
    Change,
    Changed,
    Changes,
    Desired,
    Fields,
    Finding,
    Hint,
    Json,
    Mark,
    Observation,
    Ref,
    Request,
    Update,
    Written,
)
from hub.ports import Adapter, Secrets

PROTOCOL = 1
NAME = "jira"
PLACE = ("url", "jql", "project")
ANY_CASE = ("project",)
SETTINGS = settings.SETTINGS

_ID = re.compile(r"[0-9]{1,19}\Z", re.A)
_PAGE = 100
_READ = ",".join(wire.READ)
_RECONCILED = 50
"""How many of the issues written last a search passes to Jira to be reconciled: Jira's maximum."""


def needs(settings: Mapping[str, Any]) -> Mapping[str, str]:
    """See `adapters.registry`."""
    return {"jira": "lockstep-hub[jira]", "jwt": "lockstep-hub[jira]"}


def build(spec: Spec) -> Adapter:
    """Raises ValueError (or VocabularyGap) that names the setting or table. Makes no request."""
    chosen = settings.read(spec.name, spec.settings)
    return OAuthJira(spec, chosen) if chosen.oauth else Jira(spec, chosen)


class Jira:
    """One connection to one Jira project."""

    def __init__(self, spec: Spec, chosen: settings.Settings) -> None:
        self.relations = capability.relations(spec, chosen)
        self.capabilities = capability.capabilities(chosen)
        self._spec, self._settings = spec, chosen
        self._dialect = wire.Dialect(chosen.cloud)
        self._client = Client(chosen.api, chosen.cloud, spec.wire, spec.clock, self._credential, wire.FIELD_NAMES)
        words = [theirs for _, theirs in spec.vocabulary.get("status", ())]
        self._workflow = Workflow(spec.notebook, chosen.walks, words)
        self._recent: deque[str] = deque(maxlen=_RECONCILED)
        self._changelog = Changelog(self._client, self._dialect)
        self._lock = threading.Lock()

    def _credential(self) -> tuple[str, ...]:
        token = self._spec.secrets.get("token")
        return ("basic", self._settings.email, token) if self._settings.cloud else ("bearer", token)

    # ------------------------------------------------------------------ incoming

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        return webhooks.authenticate(request, secrets, self._settings.webhook_auth)

    def hints(self, request: Request) -> Sequence[Hint]:
        return webhooks.hints(request)

    # ------------------------------------------------------------------ reading

    def observe(self, ref: Ref) -> Observation:
        return self._comment(ref) if ref.kind == COMMENT else self._issue(ref, children=True)

    def no_id(self, id: str) -> str | None:
        return None if _ID.match(id) else f"{id[:40]!r} is no id of a Jira issue: give its numeric id (PAY-77 is a key)"

    def read_fields(self, ref: Ref) -> Observation:
        return self._issue(ref, children=False)

    def _issue(self, ref: Ref, *, children: bool) -> Observation:
        if not _ID.match(ref.id):
            return Observation(ref, state="absent")
        found = self._client.get(
            f"issue/{ref.id}",
            "id",
            "fields",
            absent_ok=True,
            fields=_READ,
            properties=wire.PROPERTY,
            expand="transitions",
        )
        if found is None:
            return Observation(ref, state="absent")
        with parsing("the issue"):
            seen = wire.issue(found, self._dialect, f"{self._settings.url}/browse/", self._settings.issue_type)
            self._workflow.learn(seen.fields["status"], found.get("transitions") or ())
        comments = self._comments(seen.ref.id) if children else ()
        return _narrowed(seen, self._settings.without, tuple(comments or ()), children and comments is not None)

    def _comments(self, issue: str) -> list[Observation] | None:
        """All comments that the hub's account may read, oldest first; None if the issue cannot be read."""
        found: list[Observation] = []
        start = 0
        counted = pages()
        while True:
            next(counted)
            path = f"issue/{_safe(issue)}/comment"
            page = self._client.get(
                path, "comments", absent_ok=True, startAt=start, maxResults=_PAGE, expand="properties"
            )
            if page is None:
                return None
            comments = understood(page["comments"], list)
            with parsing("a comment"):
                found += [wire.comment(c, issue, self._dialect) for c in comments]
                start += len(comments)
                if not comments or start >= page["total"]:
                    return found

    def _raw_comment(self, ref: Ref) -> Mapping[str, Json] | None:
        path = f"issue/{_safe(ref.parent or '')}/comment/{_safe(ref.id)}"
        found: Mapping[str, Json] | None = self._client.get(path, "id", absent_ok=True, expand="properties")
        return found

    def _comment(self, ref: Ref) -> Observation:
        found = self._raw_comment(ref) if _ID.match(ref.id) and _ID.match(ref.parent or "") else None
        if found is None:
            return Observation(ref, state="absent")
        with parsing("the comment"):
            return wire.comment(found, ref.parent or "", self._dialect)

    def find(self, mark: Mark) -> Sequence[Observation]:
        """Finds candidates by their label in the search index, then checks the issue's own property: cloning an issue
        copies its labels, but not its properties."""
        if mark.kind == COMMENT:
            listed = self._comments(mark.parent.id) if mark.parent else None
            return [c for c in listed or () if c.mark == mark.key]
        found = (
            self._issue(Ref(INCIDENT, i), children=False) for i in self._search_all(jql.labelled(mark_label(mark.key)))
        )
        ours = [o for o in found if o.state == "present" and o.mark == mark.key]
        return sorted(ours, key=lambda o: (o.created_at is None, o.created_at, int(o.ref.id)))

    def _search_all(self, query: str) -> list[str]:
        ids: list[str] = []
        position: Json = None
        counted = pages()
        while True:
            next(counted)
            issues, position = self._search(query, position)
            with parsing("the search"):
                ids += [wire.id_of(i) for i in issues]
            if position is None:
                return list(dict.fromkeys(ids))

    def _search(self, query: str, position: Json) -> tuple[Sequence[Mapping[str, Json]], Json]:
        """(one page of ids and times, the position of the next page or None)."""
        if self._settings.cloud:
            with self._lock:
                recent = [int(i) for i in self._recent]
            body: dict[str, Json] = {
                "jql": query,
                "fields": ["updated"],
                "maxResults": _PAGE,
                "reconcileIssues": recent,
            }
            if position is not None:
                body["nextPageToken"] = position
            page = self._client.search("search/jql", body)
            return understood(page["issues"], list), page.get("nextPageToken")
        start = int(position or 0)
        body = {"jql": query, "fields": ["updated"], "maxResults": _PAGE, "startAt": start}
        page = self._client.search("search", body)
        issues = understood(page["issues"], list)
        after = start + len(issues)
        with parsing("the number of issues"):
            return issues, after if issues and after < page["total"] else None

    def changed_since(self, cursor: Json | None) -> Changes:
        """The listing returns ids without observations: the search index may be older than our own last write, and has
        no comments. An issue that was listed before with the same `updated` is omitted."""
        now = self._spec.clock.now()
        if not isinstance(cursor, dict) or not isinstance(cursor.get("seen"), dict):
            cursor = {"query": jql.open_now(self._settings.scope), "began": now.isoformat(), "seen": {}}
        elif not cursor.get("query"):
            since = datetime.fromisoformat(cursor["began"])
            query = jql.updated_since(self._settings.scope, since, now)
            cursor = {"query": query, "began": now.isoformat(), "seen": cursor["seen"]}
        issues, position = self._search(cursor["query"], cursor.get("position"))
        with parsing("the search"):
            listed = {wire.id_of(i): (i.get("fields") or {}).get("updated") for i in issues}
        before = cursor["seen"]
        items = tuple(Changed(Ref(INCIDENT, i)) for i, updated in listed.items() if before.get(i) != updated)
        fresh = {**cursor.get("fresh", {}), **listed}
        if position is None:
            return Changes(items, {"began": cursor["began"], "seen": fresh})
        return Changes(items, {**cursor, "position": position, "fresh": fresh}, more=True)

    def history(self, ref: Ref, since: Json | None) -> tuple[Sequence[Change], Json]:
        """The position is the id of the last changelog entry. Comments have no history."""
        if ref.kind != INCIDENT:
            return (), since
        return self._changelog.after(_safe(ref.id), since)

    # ------------------------------------------------------------------ writing

    def create(self, desired: Desired, mark: Mark) -> Written:
        if desired.kind == COMMENT:
            return self._create_comment(desired, mark)
        body = wire.new_issue(
            desired.fields, mark.key, self._dialect, self._settings.project, self._settings.issue_type,
            self._settings.create_fields,
        )  # fmt: skip
        made = self._client.post("issue", body)
        try:
            ref = Ref(INCIDENT, wire.id_of(made))
        except (KeyError, TypeError, ValueError):
            raise OutcomeUnknown("Jira's response to the create has no issue id") from None
        self._wrote(ref.id)
        return Written(ref, url=f"{self._settings.url}/browse/{made.get('key', '')}")

    def _create_comment(self, desired: Desired, mark: Mark) -> Written:
        if desired.parent is None:
            raise Refused("cannot create a comment without its issue")
        body = wire.comment_body(
            desired.fields["text"], mark.key, desired.context.get("author"), self._dialect,
            self._settings.comment_mark, self._settings.service_desk,
        )  # fmt: skip
        issue = desired.parent.id
        made = self._client.post(f"issue/{_safe(issue)}/comment", body, expand="properties")
        self._wrote(issue)
        with parsing("the comment", write=True):
            seen = wire.comment(made, issue, self._dialect)
        return Written(seen.ref, version=seen.version, observation=seen if seen.mark == mark.key else None)

    def update(self, ref: Ref, update: Update) -> Written:
        if ref.kind == COMMENT:
            return self._update_comment(ref, update)
        body = wire.changed_issue(update.changes, self._dialect)
        if body:
            self._client.put(f"issue/{_safe(ref.id)}", body)
            self._wrote(ref.id)
        if "status" in update.changes:
            try:
                self._move(ref, update.changes["status"])
            except VendorError as exc:
                if not body:
                    raise
                raise OutcomeUnknown(f"Jira changed the fields, but not the status: {exc.words}") from None
        return Written(ref)

    def _move(self, ref: Ref, target: str) -> None:
        """Makes one transition into `target`; none if the issue already has that status."""
        now, offered = self._standing(ref)
        if now == target:
            return
        with parsing("a transition"):
            chosen = pick(offered, target)
            if chosen is None:
                raise Refused(f"there is no transition from {now!r} to {target!r} for this account", field="status")
            filled, missing = screen(chosen, self._settings.resolution_for(target), self._settings.screen_fields)
        if missing:
            words = f"the transition to {target!r} requires {', '.join(missing)}; set values in `screen_fields`"
            raise Refused(words, field="status")
        body: dict[str, Json] = {"transition": {"id": str(chosen["id"])}}
        if filled:
            body["fields"] = filled
        try:
            self._client.post(f"issue/{_safe(ref.id)}/transitions", body)
        except Refused as exc:
            raise Refused(exc.words, field="status") from None
        self._wrote(ref.id)

    def _standing(self, ref: Ref) -> tuple[str, Sequence[Transition]]:
        """(the issue's status, the transitions that are available to the hub's account now, with their screens)."""
        found = self._client.get(f"issue/{_safe(ref.id)}", "fields", fields="status")
        page = self._client.get(f"issue/{_safe(ref.id)}/transitions", "transitions", expand="transitions.fields")
        with parsing("the status"):
            now = str(found["fields"]["status"]["name"])
            offered = understood(page["transitions"], list, "id")
            self._workflow.learn(now, offered)
        return now, offered

    def walk(self, ref: Ref, field: str, now: Json, target: Json) -> Sequence[Json]:
        """The statuses on the path to `target`; [] if no path is known."""
        standing, _ = self._standing(ref)
        return self._workflow.way(standing, str(target)) if field == "status" else [target]

    def _update_comment(self, ref: Ref, update: Update) -> Written:
        path = f"issue/{_safe(ref.parent or '')}/comment/{_safe(ref.id)}"
        if update.changes.get("deleted"):
            self._client.delete(path)
            return Written(ref)
        raw = self._raw_comment(ref)
        if raw is None:
            raise Refused(f"HTTP 404: comment {ref.id} was deleted, or the hub's account may not see it: grant access")
        with parsing("the comment"):
            before = wire.comment(raw, ref.parent or "", self._dialect)
            author = wire.author_of(raw, self._dialect) or update.context.get("author")
        body = self._edited(update.changes["text"], author, before.mark, bool(wire.property_of(raw)))
        made = self._client.put(path, body, expand="properties")
        with parsing("the comment", write=True):
            after = wire.comment(made, ref.parent or "", self._dialect)
        return Written(ref, version=after.version, observation=after)

    def _edited(self, text: str, author: str | None, mark: str | None, marked: bool) -> Fields:
        """A comment that the hub created keeps its mark and its author's line; one that a person wrote gets neither."""
        if mark is None:
            return {"body": self._dialect.rich(text)}
        by = "property" if marked and self._settings.comment_mark == "property" else "text"
        return wire.comment_body(text, mark, author, self._dialect, by, self._settings.service_desk)

    def link_back(self, ref: Ref, context: Fields) -> None:
        """Writes remote links to the same incident in the other systems (remote_links.py)."""
        wanted = list(remote_links.wanted(context))
        if not wanted:
            return
        path = f"issue/{_safe(ref.id)}/remotelink"
        present = self._client.get(path, form=list)
        with parsing("a link"):
            lacking = list(remote_links.lacking(wanted, present))
        for link in lacking:
            self._client.post(path, link)

    def _wrote(self, issue: str) -> None:
        with self._lock:
            if issue in self._recent:
                self._recent.remove(issue)
            self._recent.append(issue)

    # ------------------------------------------------------------------ doctor

    def probe(self) -> None:
        self._client.get("myself")

    def examine(self) -> Sequence[Finding]:
        with parsing("the response to a check of doctor"):
            return examine.all_findings(self._client, self._settings, self._spec)


class OAuthJira(Jira):
    """A connection as an OAuth 2.0 app on Cloud: the only kind that may register its own (dynamic) webhook."""

    def __init__(self, spec: Spec, chosen: settings.Settings) -> None:
        self._tokens = Tokens(spec, chosen)
        super().__init__(spec, chosen)
        self._subscriptions = Subscriptions(self._client, chosen)

    def _credential(self) -> tuple[str, ...]:
        return ("bearer", self._tokens.access())

    def subscribe(self, url: str, secrets: Secrets) -> Json:
        return self._subscriptions.subscribe(url)

    def renew(self, subscription: Json, secrets: Secrets) -> Json:
        return self._subscriptions.renew(subscription)


def _safe(id: str) -> str:
    """The id, checked for use in a URL path. Raises Refused."""
    if not _ID.match(id):
        raise Refused(f"{id[:40]!r} is no id of a Jira issue or comment")
    return id


def _narrowed(
    seen: Observation, without: frozenset[str], children: tuple[Observation, ...], complete: bool
) -> Observation:
    """The observation without the fields in `without`, and with `comments`."""
    fields = {name: value for name, value in seen.fields.items() if name not in without}
    return replace(seen, fields=fields, children=children, children_complete=complete)
