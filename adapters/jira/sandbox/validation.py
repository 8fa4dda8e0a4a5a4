"""The stand-in Jira's validation: checks the fields and texts of a request and converts them to the stored form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.jira import wiki
from adapters.jira.sandbox.state import ISSUE_TYPES, PRIORITIES, Issue, Refusal, State

Json = Any
CREATE_FIELDS = ("summary", "description", "priority", "labels", "components", "assignee", "project", "issuetype")
LONGEST_TEXT = 32_767

_BLOCKS = {
    "paragraph", "heading", "bulletList", "orderedList", "listItem", "blockquote", "codeBlock", "panel", "rule", "table",
    "tableRow", "tableCell", "tableHeader", "mediaSingle", "mediaGroup", "media", "expand", "taskList", "taskItem",
}  # fmt: skip
_INLINE = {"text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status"}


def check_adf(value: Json, field: str) -> None:
    """Raises Jira's 400 for an invalid ADF document; a single empty text node makes it invalid."""

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


class Input:
    """Reads the fields that a request sets on an issue. version: of the API, 3 (texts in ADF) or 2 (in wiki markup)."""

    def __init__(self, state: State, version: int) -> None:
        self.state, self.version = state, version

    def stored(self, value: Json, field: str) -> Json:
        if value is None:
            return None
        if self.version == 3:
            check_adf(value, field)
        elif not isinstance(value, str):
            raise Refusal(400, **{field: "Operation value must be a string"})
        if len(value if isinstance(value, str) else self.state.text(value)) > LONGEST_TEXT:
            raise Refusal(
                400, **{field: f"The entered text is too long. It exceeds the allowed limit of {LONGEST_TEXT}."}
            )
        return self.state.rich(wiki.to_plain(value)) if self.state.cloud and isinstance(value, str) else value

    def fields(self, given: Mapping[str, Json], new: bool) -> dict[str, Json]:
        """The fields in their stored form. Raises Refusal for a field or value that Jira rejects."""
        state, out = self.state, dict[str, Json]()
        for name in given:
            if name not in CREATE_FIELDS or (not new and name in ("project", "issuetype")):
                raise Refusal(
                    400, **{name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."}
                )
        if new:
            if (given.get("project") or {}).get("key") != state.project:
                raise Refusal(400, project="Specify a valid project ID or key")
            if (given.get("issuetype") or {}).get("name") not in ISSUE_TYPES:
                raise Refusal(400, issuetype="Specify a valid issue type")
            out["issuetype"] = given["issuetype"]["name"]
        if new or "summary" in given:
            check_summary(given.get("summary"))
            out["summary"] = given["summary"]
        if "description" in given:
            out["description"] = self.stored(given["description"], "description")
        if "priority" in given:
            out["priority"] = self._known((given["priority"] or {}).get("name"), PRIORITIES, "priority")
        if "labels" in given:
            out["labels"] = self._labels(given["labels"])
        if "components" in given:
            out["components"] = [
                self._known(c.get("name"), state.components, "components") for c in given["components"]
            ]
        if "assignee" in given:
            account = (given["assignee"] or {}).get("accountId" if state.cloud else "name")
            accounts = [state.account(n) for n in state.names]
            out["assignee"] = account if account is None else self._known(account, accounts, "assignee")
        return out

    def verbs(self, update: Mapping[str, Json], issue: Issue) -> dict[str, Json]:
        out: dict[str, Json] = {}
        for name, operations in update.items():
            if name not in ("labels", "components"):
                raise Refusal(
                    400, **{name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."}
                )
            now = list(issue[name])
            for operation in operations:
                verb, value = next(iter(operation.items()))
                word = value if name == "labels" else (value or {}).get("name")
                check_label(word) if name == "labels" else self._known(word, self.state.components, "components")
                if verb == "add" and word not in now:
                    now.append(word)
                if verb == "remove" and word in now:
                    now.remove(word)
            out[name] = now
        return out

    def _labels(self, labels: Json) -> list[str]:
        for label in labels:
            check_label(label)
        return list(dict.fromkeys(labels))

    def _known(self, word: Json, known: Any, field: str) -> Json:
        if word not in known:
            raise Refusal(400, **{field: f"'{word}' is not a valid value for {field}."})
        return word
