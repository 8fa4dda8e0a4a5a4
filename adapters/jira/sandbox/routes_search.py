"""Routes of the stand-in Jira for searches. They read an index that lags behind writes, its times included."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, request

from adapters.jira.sandbox.jql import Picture, Query
from adapters.jira.sandbox.payloads import issue_bean
from adapters.jira.sandbox.routes import routes
from adapters.jira.sandbox.state import Refusal, State

Json = Any


def add(app: Flask, state: State) -> None:
    route = routes(app)

    @route("search", "GET")
    @route("search", "POST")
    def search(version: int) -> Any:
        if state.cloud:
            raise Refusal(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
        asked = request.get_json(silent=True) or {}
        start, size = int(asked.get("startAt", 0)), min(int(asked.get("maxResults", 50)), 100)
        found = _matches(state, asked.get("jql", ""), set())
        wanted = asked.get("fields") or ["*all"]
        page = [_shown(state, p, version, wanted) for p in found[start : start + size]]
        return {"startAt": start, "maxResults": size, "total": len(found), "issues": page}

    @route("search/jql", "POST")
    def search_jql(version: int) -> Any:
        if not state.cloud:
            raise Refusal(404, "null for uri")
        asked = request.get_json(silent=True) or {}
        reconciled = asked.get("reconcileIssues") or []
        if len(reconciled) > 50:
            raise Refusal(400, "At most 50 issues can be reconciled.")
        found = _matches(state, asked.get("jql", ""), {str(i) for i in reconciled})
        start, size = int(asked.get("nextPageToken") or 0), min(int(asked.get("maxResults", 50)), 100)
        wanted = asked.get("fields") or ["id"]
        properties = ",".join(asked.get("properties") or ())
        page = [
            _shown(state, p, version, wanted, asked.get("expand", ""), properties) for p in found[start : start + size]
        ]
        last = start + size >= len(found)
        return {"issues": page, "isLast": last, **({} if last else {"nextPageToken": str(start + size)})}


def _matches(state: State, jql: str, reconciled: set[str]) -> list[Picture]:
    """The entries that match: as the index shows them now, or as the issue is now if it is in `reconciled`."""
    query = Query(jql, state.now(), ZoneInfo(state.time_zone))
    pictures: list[Picture] = []
    for id, entries in state.index.items():
        seen = entries if id in reconciled else [e for e in entries if e[0] <= state.clock.now()]
        if seen and seen[-1][1] is not None and id not in state.hidden:
            pictures.append(seen[-1][1])
    return query.sorted([p for p in pictures if query.fits(p)])


def _shown(
    state: State, picture: Picture, version: int, wanted: list[str], expand: str = "", properties: str = ""
) -> Json:
    """One issue of a search result: times from the index, everything else as the issue is now. A deleted issue stays
    listed until the index has caught up."""
    issue = state.issues.get(picture["id"])
    if issue is None:
        return {"id": picture["id"], "key": picture["key"], "fields": {}}
    line = issue_bean(state, issue, version, wanted, expand, properties)
    if "updated" in line.get("fields", {}):
        line["fields"]["updated"] = state.stamp(picture["updated"])
    return line
