"""What the stand-in Jira holds true: its workflow, its vocabularies, and what it refuses. Tables and pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Json = Any

STATUSES: Mapping[str, tuple[str, str]] = {
    "To Do": ("10000", "new"),
    "In Progress": ("3", "indeterminate"),
    "Done": ("10001", "done"),
}
"""status → (id, key of its category)"""

WORKFLOW: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "To Do": (("11", "Done with triage", "In Progress"),),
    "In Progress": (("21", "Finish", "Done"), ("31", "Put back", "To Do")),
    "Done": (("41", "Take up again", "In Progress"),),
}
"""status → (transition id, its name, which is no status's name, the status it leads to). No direct way To Do → Done."""

ASKS_RESOLUTION = frozenset({"21"})
"""Transitions whose screen demands a resolution."""

PRIORITIES: Mapping[str, str] = {"Highest": "1", "High": "2", "Medium": "3", "Low": "4", "Lowest": "5"}
RESOLUTIONS: Mapping[str, str] = {"Done": "10000", "Won't Do": "10001", "Duplicate": "10002"}
ISSUE_TYPES: Mapping[str, str] = {"Incident": "10100", "Task": "10101"}
CREATE_FIELDS = ("summary", "description", "priority", "labels", "components", "assignee", "project", "issuetype")

LONGEST_TEXT = 32_767
_CATEGORY = {"new": (2, "To Do"), "indeterminate": (4, "In Progress"), "done": (3, "Done")}


class Refusal(Exception):
    """An answer of Jira that is no success. errors: field → words."""

    def __init__(self, status: int, /, *messages: str, **errors: str) -> None:
        super().__init__(status, messages, errors)
        self.status, self.messages, self.errors = status, list(messages), errors

    def body(self) -> Json:
        return {"errorMessages": self.messages, "errors": self.errors}


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
    bean: dict[str, Json] = {
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
        bean["fields"] = {"resolution": field_bean("resolution", True)} if id in ASKS_RESOLUTION else {}
    return bean


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


_BLOCKS = {
    "paragraph", "heading", "bulletList", "orderedList", "listItem", "blockquote", "codeBlock", "panel", "rule", "table",
    "tableRow", "tableCell", "tableHeader", "mediaSingle", "mediaGroup", "media", "expand", "taskList", "taskItem",
}  # fmt: skip
_INLINE = {"text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status"}


def check_adf(value: Json, field: str) -> None:
    """Raises the 400 that Jira answers to a document that is none; an empty text node is enough."""

    def fail() -> Refusal:
        return Refusal(
            400, **{field: "Operation value must be an Atlassian Document (see the Atlassian Document Format)"}
        )

    def node(n: Json, inline: bool) -> None:
        if not isinstance(n, dict) or n.get("type") not in (_INLINE if inline else _BLOCKS):
            raise fail()
        if n["type"] == "text" and (not isinstance(n.get("text"), str) or not n["text"]):
            raise fail()
        for child in n.get("content") or ():
            node(child, n["type"] in ("paragraph", "heading", "codeBlock", "taskItem"))

    if not isinstance(value, dict) or value.get("type") != "doc" or value.get("version") != 1:
        raise fail()
    if not isinstance(value.get("content"), list):
        raise fail()
    for child in value["content"]:
        node(child, False)


def check_summary(value: Json) -> None:
    if not isinstance(value, str) or not value.strip():
        raise Refusal(400, summary="You must specify a summary of the issue.")
    if "\n" in value or "\r" in value:
        raise Refusal(400, summary="The summary is invalid because it contains newline characters.")
    if len(value) > 255:
        raise Refusal(400, summary="Summary can't exceed 255 characters.")


def check_label(value: Json) -> None:
    if not isinstance(value, str) or not value or re.search(r"\s", value):
        raise Refusal(400, labels=f"The label '{value}' contains spaces which is invalid.")
    if len(value) > 255:
        raise Refusal(400, labels="The label is longer than 255 characters.")
