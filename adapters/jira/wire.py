"""Jira's payloads ↔ plain values. Pure.

| ours | Jira |
|---|---|
| title | summary |
| description, comment text | ADF (Cloud, v3) or wiki markup (Data Center, v2) |
| status | status.name (never written as a field: see workflow.py) |
| severity | priority.name |
| tags | labels, without our mark |
| services | components, by name |
| assignees | assignee: accountId (Cloud) or name (Data Center) |
| mark | entity property `lockstep`, written by the same POST that creates |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters import marks
from adapters.jira import adf, wiki
from adapters.jira.labels import mark_label, visible
from adapters.times import utc
from hub.domain.values import COMMENT, INCIDENT, Actor, Fields, Json, Observation, Ref

PROPERTY = "lockstep"
"""Key of the hub's entity property of issues and comments: {"mark": key, "author": name of a comment's author}."""

_FOOTER = re.compile(r"^— ([^\n]+?) \[ls:[a-z0-9]{6,64}\]\s*\Z", re.M)

FIELD_NAMES: Mapping[str, str] = {
    "summary": "title",
    "description": "description",
    "comment": "text",
    "body": "text",
    "status": "status",
    "priority": "severity",
    "labels": "tags",
    "components": "services",
    "Component": "services",
    "component": "services",
    "assignee": "assignees",
}
"""Jira's field id, or its name in the changelog → the hub's field."""

READ = (
    "summary",
    "description",
    "status",
    "priority",
    "labels",
    "components",
    "assignee",
    "issuetype",
    "created",
    "updated",
)
"""The fields that an observation needs."""


@dataclass(frozen=True)
class Dialect:
    """The differences between Cloud and Data Center in a payload: the text format, and a person's id."""

    cloud: bool

    @property
    def person(self) -> str:
        return "accountId" if self.cloud else "name"

    def rich(self, text: str) -> Json:
        """A text in Jira's format; None for an empty one (Jira has no empty description)."""
        if not text.strip():
            return None
        return adf.from_plain(text) if self.cloud else wiki.from_plain(text)

    def plain(self, rich: Json) -> str:
        """A rich text of the API as plain text. A string is always wiki markup."""
        if rich is None:
            return ""
        return wiki.to_plain(rich) if isinstance(rich, str) else adf.to_plain(rich)


def when(text: Json) -> datetime | None:
    """`2019-03-13T06:14:40.000-0400` (no colon in the offset) as UTC; None if it cannot be parsed."""
    return utc(text, without_zone=False)


def actor(user: Json) -> Actor | None:
    """A user in an API response or a webhook."""
    if not isinstance(user, dict):
        return None
    name, mail = _words(user.get("displayName")), _words(user.get("emailAddress"))
    account = _words(user.get("accountId")) or _words(user.get("name")) or _words(user.get("key"))
    return Actor(name, mail, account) if name or mail or account else None


def _words(value: Json) -> str | None:
    """The string without characters that a database refuses; None for any other value."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").encode("utf-8", "replace").decode() or None


def _name(value: Json, key: str = "name") -> str | None:
    return value.get(key) if isinstance(value, dict) else None


def property_of(thing: Mapping[str, Json]) -> Mapping[str, Json]:
    """The hub's entity property of an issue (a map in responses) or of a comment (a list of keys and values)."""
    found = thing.get("properties")
    if isinstance(found, list):
        found = {p.get("key"): p.get("value") for p in found if isinstance(p, dict)}
    value = found.get(PROPERTY) if isinstance(found, dict) else None
    return value if isinstance(value, dict) else {}


def id_of(payload: Mapping[str, Json]) -> str:
    """The id of an issue or comment. Raises ValueError if the response has none."""
    id = str(payload["id"])
    if not (id.isascii() and id.isdigit()):
        raise ValueError("no id")
    return id


def issue(payload: Mapping[str, Json], dialect: Dialect, browse: str, issue_type: str) -> Observation:
    """One issue as the API shows it. browse: URL in front of its key. issue_type: the name of the type that is
    adopted."""
    f: Mapping[str, Json] = payload.get("fields") or {}
    mark = property_of(payload).get("mark")
    return Observation(
        ref=Ref(INCIDENT, id_of(payload)),
        fields={
            "title": f.get("summary") or "",
            "description": dialect.plain(f.get("description")),
            "status": _name(f.get("status")),
            "severity": _name(f.get("priority")),
            "tags": visible(f.get("labels")),
            "services": sorted(n for c in f.get("components") or () if (n := _name(c))),
            "assignees": _name(f.get("assignee"), dialect.person),
        },
        version=f.get("updated"),
        url=browse + str(payload.get("key", "")),
        mark=mark if isinstance(mark, str) else None,
        type="incident" if _name(f.get("issuetype")) == issue_type else "other",
        created_at=when(f.get("created")),
    )


def comment(payload: Mapping[str, Json], parent: str, dialect: Dialect) -> Observation:
    """One comment as the API shows it. The line that names the author and the hub's mark are removed."""
    own = property_of(payload)
    text, key = marks.unsign(dialect.plain(payload.get("body")))
    key = own.get("mark") if isinstance(own.get("mark"), str) else key
    author = own.get("author")
    if isinstance(author, str) and author:
        text = text.removesuffix(_signature(author)).rstrip()
    return Observation(
        ref=Ref(COMMENT, id_of(payload), parent),
        fields={"text": text, "deleted": False},
        version=payload.get("updated"),
        mark=key,
        type="other",
        created_at=when(payload.get("created")),
        actor=actor(payload.get("author")),
        restricted=bool(payload.get("visibility")),
    )


def author_of(payload: Mapping[str, Json], dialect: Dialect) -> str | None:
    """The author's display name in a comment of the hub's: from its property, else from the line with the mark."""
    author = property_of(payload).get("author")
    if isinstance(author, str):
        return author
    line = _FOOTER.search(dialect.plain(payload.get("body")))
    return line[1] if line else None


def _signature(author: str) -> str:
    return f"— {author}"


def comment_body(text: str, key: str, author: str | None, dialect: Dialect, by: str, internal: bool) -> dict[str, Json]:
    """The body to POST or PUT. by: where the mark is, "property" or "text" (for servers that lose comment properties).
    internal: a note for agents only, in a service desk."""
    name = " ".join((author or "").split())
    if by == "text":
        signed = marks.sign(text, key, name)
    else:
        signed = f"{text.rstrip()}\n\n{_signature(name)}" if name else text
    properties: list[Json] = [{"key": PROPERTY, "value": {"mark": key, **({"author": name} if name else {})}}]
    if internal:
        properties.append({"key": "sd.public.comment", "value": {"internal": True}})
    return {"body": dialect.rich(signed), "properties": properties}


def _person(account: Json, dialect: Dialect) -> Json:
    return {dialect.person: account} if account else None


_SET: Mapping[str, tuple[str, Callable[[Json, Dialect], Json]]] = {
    "title": ("summary", lambda v, d: v),
    "description": ("description", lambda v, d: d.rich(v or "")),
    "severity": ("priority", lambda v, d: {"name": v}),
    "assignees": ("assignee", _person),
}
"""The hub's field → (Jira's field, how its value is written): fields that are overwritten as a whole."""

_VERBS: Mapping[str, tuple[str, Callable[[str], Json]]] = {
    "tags": ("labels", lambda word: word),
    "services": ("components", lambda word: {"name": word}),
}
"""The hub's field → (Jira's field, how one element is written): elements are added and removed one by one, so that
those of other people are kept."""


def new_issue(
    fields: Fields, key: str, dialect: Dialect, project: str, issue_type: str, extra: Mapping[str, Any]
) -> Json:
    """The body that creates an issue. The mark is in it twice: JQL finds the label, and the property confirms it."""
    made: dict[str, Json] = {"project": {"key": project}, "issuetype": {"name": issue_type}, **extra}
    for ours, (theirs, write) in _SET.items():
        if fields.get(ours) not in (None, ""):
            made[theirs] = write(fields[ours], dialect)
    made["labels"] = [*(fields.get("tags") or ()), mark_label(key)]
    if fields.get("services"):
        made["components"] = [{"name": word} for word in fields["services"]]
    return {"fields": made, "properties": [{"key": PROPERTY, "value": {"mark": key}}]}


def changed_issue(changes: Fields, dialect: Dialect) -> Json:
    """The body of one PUT with all changes of fields; {} if there are none (only the status changed)."""
    body: dict[str, dict[str, Json]] = {}
    for ours, value in changes.items():
        if ours in _SET:
            theirs, write = _SET[ours]
            body.setdefault("fields", {})[theirs] = write(value, dialect)
        elif ours in _VERBS:
            theirs, element = _VERBS[ours]
            verbs = [{verb: element(w)} for verb in ("add", "remove") for w in value.get(verb) or ()]
            if verbs:
                body.setdefault("update", {})[theirs] = verbs
    return body
