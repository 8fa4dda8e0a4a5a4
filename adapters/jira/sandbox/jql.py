"""The subset of JQL that the stand-in supports: conditions joined by AND, with or without brackets, and ORDER BY."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.jira.sandbox.state import STATUSES, Refusal

Picture = Mapping[str, Any]
"""One issue's entry in the search index: project, issuetype, status, labels, created, updated (Jira's clock, UTC)."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_CONDITION = re.compile(
    rf"\s*(?P<field>\w+)\s*(?P<op>!=|>=|<=|=|>|<)\s*(?P<value>{_STRING}|[\w.-]+)\s*", re.S
)  # fmt: skip
_RELATIVE = re.compile(r"-(\d+)([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _literal(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.S) if text.startswith('"') else text


class Query:
    """A parsed query. Raises Refusal (400) for unsupported JQL and for a query without a restriction."""

    def __init__(self, text: str, now: datetime, zone: ZoneInfo) -> None:
        where, _, order = (
            re.split(r"(\bORDER\s+BY\b)", text, maxsplit=1, flags=re.I) if _ordered(text) else (text, "", "")
        )
        self._now, self._zone = now, zone
        self._conditions = self._parse(where)
        if not self._conditions:
            raise Refusal(
                400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
            )
        field, _, direction = order.strip().partition(" ")
        self._field, self._down = field.lower() or "created", direction.strip().upper() == "DESC"

    def _parse(self, where: str) -> list[tuple[str, str, str]]:
        found = []
        rest = where.strip()
        while rest:
            rest = re.sub(r"^[\s()]+|^AND\b", "", rest, flags=re.I) if re.match(r"[\s()]|AND\b", rest, re.I) else rest
            if not rest:
                break
            if re.match(r"[\s()]|AND\b", rest, re.I):
                continue
            match = _CONDITION.match(rest)
            if not match:
                raise Refusal(400, f"Error in the JQL Query near '{rest[:30]}'.")
            found.append((match["field"], match["op"], _literal(match["value"])))
            rest = rest[match.end() :]
        return found

    def fits(self, picture: Picture) -> bool:
        return all(self._holds(picture, *condition) for condition in self._conditions)

    def _holds(self, picture: Picture, field: str, op: str, value: str) -> bool:
        if field in ("updated", "created"):
            limit, actual = self._time(value), picture[field].replace(second=0, microsecond=0)
            return bool({">=": actual >= limit, "<=": actual <= limit, ">": actual > limit, "<": actual < limit}[op])
        if op not in ("=", "!="):
            raise Refusal(400, f"The operator '{op}' is not supported by the '{field}' field.")
        return (value in self._words(picture, field)) == (op == "=")

    def _words(self, picture: Picture, field: str) -> list[str]:
        if field == "labels":
            return list(picture["labels"])
        if field == "statusCategory":
            category = STATUSES[picture["status"]][1]
            return [{"new": "To Do", "indeterminate": "In Progress", "done": "Done"}[category], category]
        if field in ("project", "issuetype", "status", "key", "id"):
            return [picture[field]]
        raise Refusal(400, f"Field '{field}' does not exist or you do not have permission to view it.")

    def _time(self, value: str) -> datetime:
        if relative := _RELATIVE.fullmatch(value):
            return self._now - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
        try:
            return datetime.strptime(value, "%Y-%m-%d %H:%M").replace(tzinfo=self._zone)
        except ValueError:
            raise Refusal(400, f"Date value '{value}' is invalid.") from None

    def sorted(self, pictures: list[Picture]) -> list[Picture]:
        key = "created" if self._field not in ("created", "updated") else self._field
        return sorted(pictures, key=lambda p: (p[key], int(p["id"])), reverse=self._down)


def _ordered(text: str) -> bool:
    return re.search(r"\bORDER\s+BY\b", text, re.I) is not None
