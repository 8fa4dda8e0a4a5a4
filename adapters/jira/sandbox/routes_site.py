"""Routes of the stand-in Jira for the site: server, account, permissions, issue types, fields, priorities, users."""

from __future__ import annotations

from typing import Any

from flask import Flask, jsonify, request

from adapters.jira.sandbox.payloads import field_bean
from adapters.jira.sandbox.routes import routes
from adapters.jira.sandbox.state import BOT, ISSUE_TYPES, PRIORITIES, Refusal, State
from adapters.jira.sandbox.validation import CREATE_FIELDS


def add(app: Flask, state: State) -> None:
    route = routes(app)

    @route("serverInfo")
    def server_info(version: int) -> Any:
        kind = "Cloud" if state.cloud else "Server"
        return {
            "baseUrl": state.base_url,
            "version": "1001.0.0" if state.cloud else "9.12.4",
            "deploymentType": kind,
            "serverTime": state.stamp(state.now()),
            "serverTitle": "Jira",
        }

    @route("myself")
    def myself(version: int) -> Any:
        return state.person(state.account(BOT))

    @route("mypermissions")
    def my_permissions(version: int) -> Any:
        keys = request.args.get("permissions", "")
        if state.cloud and not keys:
            raise Refusal(400, "The permissions query parameter is required")
        may = {"havePermission": True}
        return {"permissions": {k: {"id": "1", "key": k, "name": k, "type": "PROJECT", **may} for k in keys.split(",")}}

    @route("issue/createmeta/<project>/issuetypes")
    def issue_types(version: int, project: str) -> Any:
        types = [{"id": id, "name": name, "subtask": False} for name, id in ISSUE_TYPES.items()]
        return {"startAt": 0, "maxResults": 50, "total": len(types), "issueTypes" if state.cloud else "values": types}

    @route("issue/createmeta/<project>/issuetypes/<id>")
    def create_screen(version: int, project: str, id: str) -> Any:
        required = ("summary", "project", "issuetype")
        fields = [{"fieldId": name, **field_bean(name, name in required)} for name in CREATE_FIELDS]
        return {"startAt": 0, "maxResults": 50, "total": len(fields), "fields" if state.cloud else "values": fields}

    @route("field")
    def fields(version: int) -> Any:
        system = [{"id": n, "key": n, "name": n.capitalize(), "custom": False} for n in CREATE_FIELDS]
        custom = [
            {"id": f"customfield_{10_100 + i}", "key": f"customfield_{10_100 + i}", "name": name, "custom": True}
            for i, name in enumerate(state.custom_fields)
        ]
        return jsonify(system + custom)

    @route("priority/search")
    def priorities(version: int) -> Any:
        found = [{"id": id, "name": name} for name, id in PRIORITIES.items()]
        return {"startAt": 0, "maxResults": 50, "total": len(found), "isLast": True, "values": found}

    @route("user")
    def user(version: int) -> Any:
        key = request.args.get("key")
        for name in state.names:
            if not state.cloud and key == state.user_key(name):
                return state.person(name)
        raise Refusal(404, "The user does not exist.")
