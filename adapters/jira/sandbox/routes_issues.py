"""Routes of the stand-in Jira for issues: create, read, edit, transitions, comments, properties, links, changelog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, jsonify, request

from adapters.jira.sandbox.payloads import comment_bean, history_bean, issue_bean, transition_bean
from adapters.jira.sandbox.routes import read_body, read_page, routes
from adapters.jira.sandbox.state import BOT, Issue, Refusal, State
from adapters.jira.sandbox.validation import Input

Json = Any
_NO_CONTENT = ("", 204)


def add(app: Flask, state: State) -> None:
    """Registers the routes, for /rest/api/2 and /rest/api/3 alike."""
    me = state.account(BOT)
    route = routes(app)

    @route("issue", "POST")
    def create(version: int) -> Any:
        body = read_body()
        fields = Input(state, version).fields(body.get("fields") or {}, new=True)
        issue = state.make(fields, _properties(body), me)
        state.writes.pop(issue["id"], None)
        return {
            "id": issue["id"],
            "key": issue["key"],
            "self": f"{state.base_url}/rest/api/{version}/issue/{issue['id']}",
        }, 201

    @route("issue/<id>", "GET")
    def read(version: int, id: str) -> Any:
        wanted = request.args.get("fields", "*all").split(",")
        expand, properties = request.args.get("expand", ""), request.args.get("properties", "")
        return issue_bean(state, state.issue(id), version, wanted, expand, properties)

    @route("issue/<id>", "PUT")
    def edit(version: int, id: str) -> Any:
        issue, body = state.issue(id), read_body()
        fields, verbs = body.get("fields") or {}, body.get("update") or {}
        if both := sorted(set(fields) & set(verbs)):
            raise Refusal(400, **{both[0]: f"Field '{both[0]}' cannot appear in both 'fields' and 'update'"})
        asked = Input(state, version)
        changed = asked.fields(fields, new=False) | asked.verbs(verbs, issue)
        state.change(issue, changed, me)
        issue["properties"].update(_properties(body))
        return _NO_CONTENT

    @route("issue/<id>", "DELETE")
    def delete(version: int, id: str) -> Any:
        state.drop(state.issue(id), me)
        return _NO_CONTENT

    @route("issue/<id>/transitions", "GET")
    def transitions(version: int, id: str) -> Any:
        offered = state.workflow[state.issue(id)["status"]]
        with_fields = "transitions.fields" in request.args.get("expand", "")
        return {
            "expand": "transitions",
            "transitions": [transition_bean(t, state.base_url, with_fields) for t in offered],
        }

    @route("issue/<id>/transitions", "POST")
    def transit(version: int, id: str) -> Any:
        issue, body = state.issue(id), read_body()
        chosen = str((body.get("transition") or {}).get("id"))
        state.transit(issue, chosen, ((body.get("fields") or {}).get("resolution") or {}).get("name"), me)
        return _NO_CONTENT

    @route("issue/<id>/comment", "GET")
    def comments(version: int, id: str) -> Any:
        found = list(state.issue(id)["comments"].values())
        start, size = read_page()
        page = [comment_bean(state, c, version, request.args.get("expand", "")) for c in found[start : start + size]]
        return {"startAt": start, "maxResults": size, "total": len(found), "comments": page}

    @route("issue/<id>/comment", "POST")
    def add_comment(version: int, id: str) -> Any:
        issue, body = state.issue(id), read_body()
        stored = Input(state, version).stored(body.get("body"), "comment")
        if stored in (None, "") or not state.text(stored):
            raise Refusal(400, comment="Comment body can not be empty!")
        made = state.add_comment(issue, stored, me, body.get("visibility"), _properties(body))
        return comment_bean(state, made, version, request.args.get("expand", "")), 201

    @route("issue/<id>/comment/<number>", "GET")
    def read_comment(version: int, id: str, number: str) -> Any:
        return comment_bean(state, _comment(state.issue(id), number), version, request.args.get("expand", ""))

    @route("issue/<id>/comment/<number>", "PUT")
    def edit_comment(version: int, id: str, number: str) -> Any:
        issue, body = state.issue(id), read_body()
        comment = _comment(issue, number)
        stored = Input(state, version).stored(body.get("body"), "comment")
        if stored in (None, ""):
            raise Refusal(400, comment="Comment body can not be empty!")
        comment["properties"].update(_properties(body))
        state.edit_comment(issue, comment, stored, me)
        return comment_bean(state, comment, version, request.args.get("expand", ""))

    @route("issue/<id>/comment/<number>", "DELETE")
    def drop_comment(version: int, id: str, number: str) -> Any:
        issue = state.issue(id)
        state.drop_comment(issue, _comment(issue, number), me)
        return _NO_CONTENT

    @route("issue/<id>/properties/<key>", "GET")
    def read_property(version: int, id: str, key: str) -> Any:
        properties = state.issue(id)["properties"]
        if key not in properties:
            raise Refusal(404, "The property does not exist.")
        return {"key": key, "value": properties[key]}

    @route("issue/<id>/properties/<key>", "PUT")
    def write_property(version: int, id: str, key: str) -> Any:
        properties = state.issue(id)["properties"]
        status = 200 if key in properties else 201
        properties[key] = request.get_json()
        return jsonify({}), status

    @route("issue/<id>/remotelink", "GET")
    def links(version: int, id: str) -> Any:
        return jsonify(list(state.issue(id)["links"].values()))

    @route("issue/<id>/remotelink", "POST")
    def link(version: int, id: str) -> Any:
        """A link with the same globalId is replaced whole: fields that the request leaves out are removed."""
        issue, body = state.issue(id), read_body()
        thing = body.get("object") or {}
        if not thing.get("url") or not thing.get("title"):
            raise Refusal(400, url="'url' and 'title' are required.")
        key = str(body.get("globalId") or state.next_id())
        known = issue["links"].get(key)
        number = known["id"] if known else int(state.next_id())
        self = f"{state.base_url}/rest/api/{version}/issue/{issue['id']}/remotelink/{number}"
        kept: dict[str, Json] = {k: body[k] for k in ("globalId", "application", "relationship", "object") if k in body}
        issue["links"][key] = {"id": number, "self": self} | kept
        return {"id": number, "self": self}, 200 if known else 201

    @route("issue/<id>/changelog", "GET")
    def changelog(version: int, id: str) -> Any:
        if not state.cloud:
            raise Refusal(404, "null for uri")
        found = [history_bean(state, h) for h in state.issue(id)["histories"]]
        start, size = read_page()
        page = found[start : start + size]
        last = start + size >= len(found)
        return {"startAt": start, "maxResults": size, "total": len(found), "isLast": last, "values": page}


def _comment(issue: Issue, number: str) -> dict[str, Any]:
    if number not in issue["comments"]:
        raise Refusal(404, f"Can not find a comment for the id: {number}.")
    found: dict[str, Any] = issue["comments"][number]
    return found


def _properties(body: Mapping[str, Json]) -> dict[str, Json]:
    return {p["key"]: p["value"] for p in body.get("properties") or ()}
