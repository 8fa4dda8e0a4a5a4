"""The stand-in's HTTP side for all but issues: who may, how often, search, the site's facts, webhooks, OAuth tokens."""

from __future__ import annotations

import base64
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from flask import Response, g, jsonify, request

from adapters.jira.sandbox_issues import answer, bean, routes
from adapters.jira.sandbox_jql import Picture, Query
from adapters.jira.sandbox_rules import CREATE_FIELDS, ISSUE_TYPES, PRIORITIES, Refusal, field_bean

if TYPE_CHECKING:
    from adapters.jira.sandbox import JiraSandbox

Json = Any
BURST = (100, 1.0)
"""Requests, seconds: of one account."""

ISSUE_LIMITS = ((20, 2.0), (100, 30.0))
"""Writes, seconds: to one issue."""

MAIL = "bot@example.com"
OAUTH_SECRET = "the-app-secret-of-the-stand-in-jira"  # noqa: S105 - of a stand-in


def add(box: JiraSandbox) -> None:
    """Registers the routes and the guards in front of all of them."""
    app = box.app

    @app.before_request
    def guard() -> Response | None:
        parts = request.path.split("/")
        g.version = (
            int(parts[3])
            if request.path.startswith("/rest/api/") and parts[3].isascii() and parts[3].isdecimal()
            else 2
        )
        if request.path == "/oauth/token":
            return None
        if g.version == 3 and not box.cloud:
            return answer(Refusal(404, "null for uri"))
        if not _known(box):
            return answer(Refusal(401, "Client must be authenticated to access this resource."))
        return _throttled(box)

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        return answer(refusal)

    route = routes(box)

    @route("serverInfo")
    def server_info(version: int) -> Any:
        kind = "Cloud" if box.cloud else "Server"
        return {
            "baseUrl": box.base_url,
            "version": "1001.0.0" if box.cloud else "9.12.4",
            "deploymentType": kind,
            "serverTime": box.stamp(box.now()),
            "serverTitle": "Jira",
        }

    @route("myself")
    def myself(version: int) -> Any:
        return box.person(box.account("lockstep"))

    @route("mypermissions")
    def my_permissions(version: int) -> Any:
        keys = request.args.get("permissions", "")
        if box.cloud and not keys:
            raise Refusal(400, "The permissions query parameter is required")
        may = {"havePermission": True}
        return {"permissions": {k: {"id": "1", "key": k, "name": k, "type": "PROJECT", **may} for k in keys.split(",")}}

    @route("issue/createmeta/<project>/issuetypes")
    def issue_types(version: int, project: str) -> Any:
        types = [{"id": id, "name": name, "subtask": False} for name, id in ISSUE_TYPES.items()]
        return {"startAt": 0, "maxResults": 50, "total": len(types), "issueTypes" if box.cloud else "values": types}

    @route("issue/createmeta/<project>/issuetypes/<id>")
    def create_screen(version: int, project: str, id: str) -> Any:
        required = ("summary", "project", "issuetype")
        fields = [{"fieldId": name, **field_bean(name, name in required)} for name in CREATE_FIELDS]
        return {"startAt": 0, "maxResults": 50, "total": len(fields), "fields" if box.cloud else "values": fields}

    @route("field")
    def fields(version: int) -> Any:
        system = [{"id": n, "key": n, "name": n.capitalize(), "custom": False} for n in CREATE_FIELDS]
        custom = [
            {"id": f"customfield_{10_100 + i}", "key": f"customfield_{10_100 + i}", "name": name, "custom": True}
            for i, name in enumerate(box.custom_fields)
        ]
        return jsonify(system + custom)

    @route("priority/search")
    def priorities(version: int) -> Any:
        found = [{"id": id, "name": name} for name, id in PRIORITIES.items()]
        return {"startAt": 0, "maxResults": 50, "total": len(found), "isLast": True, "values": found}

    @route("user")
    def user(version: int) -> Any:
        key = request.args.get("key")
        for name in box.names:
            if not box.cloud and key == box.user_key(name):
                return box.person(name)
        raise Refusal(404, "The user does not exist.")

    @route("search", "GET")
    @route("search", "POST")
    def search(version: int) -> Any:
        if box.cloud:
            raise Refusal(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
        asked = request.get_json(silent=True) or {}
        start, size = int(asked.get("startAt", 0)), min(int(asked.get("maxResults", 50)), 100)
        found = _matches(box, asked.get("jql", ""), set())
        wanted = asked.get("fields") or ["*all"]
        page = [_shown(box, p, wanted) for p in found[start : start + size]]
        return {"startAt": start, "maxResults": size, "total": len(found), "issues": page}

    @route("search/jql", "POST")
    def search_jql(version: int) -> Any:
        if not box.cloud:
            raise Refusal(404, "null for uri")
        asked = request.get_json(silent=True) or {}
        reconciled = asked.get("reconcileIssues") or []
        if len(reconciled) > 50:
            raise Refusal(400, "At most 50 issues can be reconciled.")
        found = _matches(box, asked.get("jql", ""), {str(i) for i in reconciled})
        start, size = int(asked.get("nextPageToken") or 0), min(int(asked.get("maxResults", 50)), 100)
        wanted = asked.get("fields") or ["id"]
        properties = ",".join(asked.get("properties") or ())
        page = [_shown(box, p, wanted, asked.get("expand", ""), properties) for p in found[start : start + size]]
        last = start + size >= len(found)
        return {"issues": page, "isLast": last, **({} if last else {"nextPageToken": str(start + size)})}

    @app.get("/rest/webhooks/1.0/webhook")
    def admin_webhooks() -> Any:
        if not box.administrator:
            raise Refusal(403, "You are not authorized to perform this action.")
        shown = [h for h in box.hooks.hooks if not h.dynamic]
        return jsonify(
            [{"name": f"hook {h.id}", "url": h.url, "events": list(h.events), "enabled": h.enabled} for h in shown]
        )

    _add_dynamic(box)
    _add_tokens(box)


def _add_dynamic(box: JiraSandbox) -> None:
    route = routes(box)

    def app_only() -> None:
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            raise Refusal(403, "Only Connect and OAuth 2.0 apps can use this operation.")

    @route("webhook", "POST")
    def register(version: int) -> Any:
        app_only()
        asked = request.get_json()
        made = [
            box.hooks.add_dynamic(asked["url"], OAUTH_SECRET, w["events"], w["jqlFilter"]) for w in asked["webhooks"]
        ]
        return {"webhookRegistrationResult": [{"createdWebhookId": h.id} for h in made]}

    @route("webhook")
    def registered(version: int) -> Any:
        app_only()
        live = [h for h in box.hooks.hooks if h.dynamic and h.expires and h.expires > box.now()]
        values = [
            {
                "id": h.id,
                "url": h.url,
                "events": list(h.events),
                "jqlFilter": h.jql,
                "expirationDate": _millis(h.expires),
            }
            for h in live
        ]
        return {"startAt": 0, "maxResults": 100, "total": len(values), "isLast": True, "values": values}

    @route("webhook/refresh", "PUT")
    def refresh(version: int) -> Any:
        app_only()
        until = box.now() + timedelta(days=30)
        for hook in box.hooks.hooks:
            if hook.id in request.get_json()["webhookIds"]:
                hook.expires = until
        return {"expirationDate": _millis(until)}


def _add_tokens(box: JiraSandbox) -> None:
    """auth.atlassian.com: an access token for an hour; the refresh token is replaced on every use."""

    @box.app.post("/oauth/token")
    def token() -> Any:
        asked = request.get_json(silent=True) or {}
        if asked.get("refresh_token") not in box.tokens or asked.get("client_secret") != OAUTH_SECRET:
            return {"error": "invalid_grant"}, 400
        box.tokens.remove(asked["refresh_token"])
        access, refresh = f"access-{box.ids.new()}", f"refresh-{box.ids.new()}"
        box.tokens.update({access, refresh})
        return {"access_token": access, "refresh_token": refresh, "expires_in": 3600, "token_type": "Bearer"}


def _millis(when: Any) -> int:
    return int(when.timestamp() * 1000)


def _known(box: JiraSandbox) -> bool:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer":
        return value in box.tokens
    if scheme != "Basic" or not box.cloud:
        return False
    try:
        mail, _, token = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return False
    return mail == MAIL and token in box.tokens


def _throttled(box: JiraSandbox) -> Response | None:
    """The burst limit, and the limit on writes to one issue. A 429 tells both the seconds and the moment."""
    if not box.rate_limited:
        return None
    now = box.clock.now()
    parts = request.path.split("/")
    writes = request.method in ("POST", "PUT", "DELETE") and len(parts) > 5 and parts[4] == "issue"
    queues: list[tuple[deque[datetime], tuple[tuple[int, float], ...]]] = [(box.requests_at, (BURST,))]
    if writes:
        queues.append((box.writes.setdefault(parts[5], deque()), ISSUE_LIMITS))
    for times, limits in queues:
        for count, seconds in limits:
            if sum(1 for t in times if (now - t).total_seconds() < seconds) >= count:
                until = now + timedelta(seconds=seconds)
                headers = {
                    "Retry-After": str(int(seconds) or 1),
                    "X-RateLimit-Limit": str(count),
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": until.strftime("%Y-%m-%dT%H:%MZ"),
                    "RateLimit-Reason": "jira-per-issue-on-write"
                    if times is not box.requests_at
                    else "jira-burst-based",
                }
                return answer(Refusal(429, "Rate limit exceeded."), headers)
    for times, limits in queues:
        times.append(now)
        while (now - times[0]).total_seconds() > limits[-1][1]:
            times.popleft()
    return None


def _matches(box: JiraSandbox, jql: str, reconciled: set[str]) -> list[Picture]:
    """What the index shows now; for `reconciled` issues, what is true."""
    query = Query(jql, box.now(), ZoneInfo(box.time_zone))
    pictures: list[Picture] = []
    for id, entries in box.index.items():
        seen = entries if id in reconciled else [e for e in entries if e[0] <= box.clock.now()]
        if seen and seen[-1][1] is not None and id not in box.hidden:
            pictures.append(seen[-1][1])
    return query.sorted([p for p in pictures if query.fits(p)])


def _shown(box: JiraSandbox, picture: Picture, wanted: list[str], expand: str = "", properties: str = "") -> Json:
    """A line of a search: times as the index has them, the rest as the issue is; a deleted issue is still listed a while."""
    issue = box.issues.get(picture["id"])
    if issue is None:
        return {"id": picture["id"], "key": picture["key"], "fields": {}}
    line = bean(box, issue, wanted, expand, properties)
    if "updated" in line.get("fields", {}):
        line["fields"]["updated"] = box.stamp(picture["updated"])
    return line
