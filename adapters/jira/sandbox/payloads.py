"""The JSON of the stand-in Jira's API, made from its state. Pure functions; `version` is that of the API (2 or 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.jira.sandbox.state import ASKS_RESOLUTION, ISSUE_TYPES, PRIORITIES, STATUSES, Issue, State

Json = Any
_CATEGORY = {"new": (2, "To Do"), "indeterminate": (4, "In Progress"), "done": (3, "Done")}


def status_bean(name: str, base: str) -> Json:
    id, category = STATUSES[name]
    number, title = _CATEGORY[category]
    return {
        "self": f"{base}/rest/api/3/status/{id}",
        "name": name,
        "id": id,
        "statusCategory": {"id": number, "key": category, "name": title},
    }


def transition_bean(transition: tuple[str, str, str], base: str, with_fields: bool) -> Json:
    id, name, to = transition
    shown: dict[str, Json] = {
        "id": id,
        "name": name,
        "to": status_bean(to, base),
        "hasScreen": id in ASKS_RESOLUTION,
        "isGlobal": False,
        "isInitial": False,
        "isAvailable": True,
        "isConditional": False,
    }
    if with_fields:
        shown["fields"] = {"resolution": field_bean("resolution", True)} if id in ASKS_RESOLUTION else {}
    return shown


_TYPES = {
    "labels": {"type": "array", "items": "string", "system": "labels"},
    "components": {"type": "array", "items": "component", "system": "components"},
    "assignee": {"type": "user", "system": "assignee"},
    "summary": {"type": "string", "system": "summary"},
    "description": {"type": "string", "system": "description"},
}


def field_bean(name: str, required: bool) -> Json:
    return {
        "required": required,
        "schema": _TYPES.get(name, {"type": name, "system": name}),
        "name": name.capitalize(),
        "key": name,
        "hasDefaultValue": name in ("priority",),
        "operations": ["add", "set", "remove"] if name in ("labels", "components") else ["set"],
    }


def history_bean(state: State, entry: Mapping[str, Any]) -> Json:
    """A changelog entry as the API shows it."""
    return {
        "id": entry["id"],
        "author": state.person(entry["author"]),
        "created": state.stamp(entry["created"]),
        "items": entry["items"],
    }


def issue_bean(state: State, issue: Issue, version: int, wanted: list[str], expand: str, properties: str = "") -> Json:
    """An issue as the API shows it. With expand=changelog, Cloud shows the latest 100 changes, newest first; Data
    Center shows all changes, oldest first."""
    made: dict[str, Json] = {
        "id": issue["id"],
        "self": f"{state.base_url}/rest/api/{version}/issue/{issue['id']}",
        "key": issue["key"],
    }
    fields = _fields(state, issue, version)
    if wanted != ["id"]:
        made["fields"] = {k: v for k, v in fields.items() if "*all" in wanted or k in wanted}
    if properties:
        made["properties"] = {k: issue["properties"][k] for k in properties.split(",") if k in issue["properties"]}
    if "changelog" in expand:
        entries = [history_bean(state, h) for h in issue["histories"]]
        shown = entries[-100:][::-1] if state.cloud else entries
        made["changelog"] = {"startAt": 0, "maxResults": len(shown), "total": len(entries), "histories": shown}
    if "transitions" in expand:
        made["transitions"] = [transition_bean(t, state.base_url, False) for t in state.workflow[issue["status"]]]
    return made


def _fields(state: State, issue: Issue, version: int) -> dict[str, Json]:
    return {
        "summary": issue["summary"],
        "description": _text(state, issue["description"], version),
        "status": status_bean(issue["status"], state.base_url),
        "priority": {"name": issue["priority"], "id": PRIORITIES[issue["priority"]]} if issue["priority"] else None,
        "labels": list(issue["labels"]),
        "components": [{"id": str(20_000 + state.components.index(c)), "name": c} for c in issue["components"]],
        "assignee": state.person(issue["assignee"]),
        "reporter": state.person(issue["reporter"]),
        "issuetype": {"id": ISSUE_TYPES[issue["issuetype"]], "name": issue["issuetype"]},
        "project": {"key": issue["project"]},
        "resolution": {"name": issue["resolution"]} if issue["resolution"] else None,
        "created": state.stamp(issue["created"]),
        "updated": state.stamp(issue["updated"]),
        "comment": {
            "comments": [comment_bean(state, c, version) for c in issue["comments"].values()],
            "total": len(issue["comments"]),
        },
    }


def _text(state: State, stored: Json, version: int) -> Json:
    """A stored text as the API shows it: ADF in version 3, wiki markup in version 2."""
    return stored if version == 3 else state.markup(stored)


def comment_bean(state: State, comment: Mapping[str, Any], version: int, expand: str = "") -> Json:
    shown = {
        "self": f"{state.base_url}/rest/api/{version}/issue/{comment['issue']}/comment/{comment['id']}",
        "id": comment["id"],
        "author": state.person(comment["author"]),
        "body": _text(state, comment["body"], version),
        "updateAuthor": state.person(comment["editor"]),
        "created": state.stamp(comment["created"]),
        "updated": state.stamp(comment["updated"]),
    }
    if comment["visibility"]:
        shown["visibility"] = comment["visibility"]
    if state.service_desk:
        shown["jsdPublic"] = not (comment["properties"].get("sd.public.comment") or {}).get("internal", False)
    if "properties" in expand:
        shown["properties"] = [{"key": k, "value": v} for k, v in comment["properties"].items()]
    return shown
