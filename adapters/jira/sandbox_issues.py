"""The stand-in's HTTP side for issues: create, read, edit, transitions, comments, properties, remote links, changelog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Response, g, jsonify, request

from adapters.jira import wiki
from adapters.jira.sandbox_rules import (
    CREATE_FIELDS,
    ISSUE_TYPES,
    LONGEST_TEXT,
    PRIORITIES,
    WORKFLOW,
    Refusal,
    check_adf,
    check_label,
    check_summary,
    status_bean,
    transition_bean,
)

if TYPE_CHECKING:
    from adapters.jira.sandbox import Issue, JiraSandbox

Json = Any
_NO_CONTENT = ("", 204)


View = TypeVar("View", bound=Callable[..., Any])


def routes(box: JiraSandbox) -> Callable[..., Callable[[View], View]]:
    """The decorator for a route below /rest/api/<version>: (rule, method)."""

    def route(rule: str, method: str = "GET") -> Callable[[View], View]:
        def register(view: View) -> View:
            path = f"/rest/api/<int:version>/{rule}"
            box.app.add_url_rule(path, endpoint=f"{method} {rule}", view_func=view, methods=[method])
            return view

        return register

    return route


def add(box: JiraSandbox) -> None:
    """Registers the routes, for /rest/api/2 and /rest/api/3 alike."""
    texts = Texts(box)
    me = box.account("lockstep")
    route = routes(box)

    @route("issue", "POST")
    def create(version: int) -> Any:
        body = _body()
        fields = texts.fields(body.get("fields") or {}, new=True)
        issue = box.make(fields, _properties(body), me)
        box.writes.pop(issue["id"], None)
        return {
            "id": issue["id"],
            "key": issue["key"],
            "self": f"{box.base_url}/rest/api/{version}/issue/{issue['id']}",
        }, 201

    @route("issue/<id>", "GET")
    def read(version: int, id: str) -> Any:
        wanted = request.args.get("fields", "*all").split(",")
        return bean(box, box.issue(id), wanted, request.args.get("expand", ""), request.args.get("properties", ""))

    @route("issue/<id>", "PUT")
    def edit(version: int, id: str) -> Any:
        issue, body = box.issue(id), _body()
        fields, verbs = body.get("fields") or {}, body.get("update") or {}
        if both := sorted(set(fields) & set(verbs)):
            raise Refusal(400, **{both[0]: f"Field '{both[0]}' cannot appear in both 'fields' and 'update'"})
        changed = texts.fields(fields, new=False) | texts.verbs(verbs, issue)
        box.change(issue, changed, me)
        issue["properties"].update(_properties(body))
        return _NO_CONTENT

    @route("issue/<id>", "DELETE")
    def delete(version: int, id: str) -> Any:
        box.drop(box.issue(id), me)
        return _NO_CONTENT

    @route("issue/<id>/transitions", "GET")
    def transitions(version: int, id: str) -> Any:
        offered = WORKFLOW[box.issue(id)["status"]]
        with_fields = "transitions.fields" in request.args.get("expand", "")
        return {
            "expand": "transitions",
            "transitions": [transition_bean(t, box.base_url, with_fields) for t in offered],
        }

    @route("issue/<id>/transitions", "POST")
    def transit(version: int, id: str) -> Any:
        issue, body = box.issue(id), _body()
        chosen = str((body.get("transition") or {}).get("id"))
        box.transit(issue, chosen, ((body.get("fields") or {}).get("resolution") or {}).get("name"), me)
        return _NO_CONTENT

    @route("issue/<id>/comment", "GET")
    def comments(version: int, id: str) -> Any:
        found = list(box.issue(id)["comments"].values())
        start, size = _page()
        page = [texts.comment(c, request.args.get("expand", "")) for c in found[start : start + size]]
        return {"startAt": start, "maxResults": size, "total": len(found), "comments": page}

    @route("issue/<id>/comment", "POST")
    def say(version: int, id: str) -> Any:
        issue, body = box.issue(id), _body()
        stored = texts.stored(body.get("body"), "comment")
        if stored in (None, "") or not box.text(stored):
            raise Refusal(400, comment="Comment body can not be empty!")
        made = box.say(issue, stored, me, body.get("visibility"), _properties(body))
        return texts.comment(made, request.args.get("expand", "")), 201

    @route("issue/<id>/comment/<number>", "GET")
    def read_comment(version: int, id: str, number: str) -> Any:
        return texts.comment(_comment(box.issue(id), number), request.args.get("expand", ""))

    @route("issue/<id>/comment/<number>", "PUT")
    def edit_comment(version: int, id: str, number: str) -> Any:
        issue, body = box.issue(id), _body()
        comment = _comment(issue, number)
        stored = texts.stored(body.get("body"), "comment")
        if stored in (None, ""):
            raise Refusal(400, comment="Comment body can not be empty!")
        comment["properties"].update(_properties(body))
        box.edit_comment(issue, comment, stored, me)
        return texts.comment(comment, request.args.get("expand", ""))

    @route("issue/<id>/comment/<number>", "DELETE")
    def drop_comment(version: int, id: str, number: str) -> Any:
        issue = box.issue(id)
        box.drop_comment(issue, _comment(issue, number), me)
        return _NO_CONTENT

    @route("issue/<id>/properties/<key>", "GET")
    def read_property(version: int, id: str, key: str) -> Any:
        properties = box.issue(id)["properties"]
        if key not in properties:
            raise Refusal(404, "The property does not exist.")
        return {"key": key, "value": properties[key]}

    @route("issue/<id>/properties/<key>", "PUT")
    def write_property(version: int, id: str, key: str) -> Any:
        properties = box.issue(id)["properties"]
        status = 200 if key in properties else 201
        properties[key] = request.get_json()
        return jsonify({}), status

    @route("issue/<id>/remotelink", "GET")
    def links(version: int, id: str) -> Any:
        return jsonify(list(box.issue(id)["links"].values()))

    @route("issue/<id>/remotelink", "POST")
    def link(version: int, id: str) -> Any:
        """The same globalId replaces: what is not sent is gone."""
        issue, body = box.issue(id), _body()
        thing = body.get("object") or {}
        if not thing.get("url") or not thing.get("title"):
            raise Refusal(400, url="'url' and 'title' are required.")
        key = str(body.get("globalId") or box.next_id())
        known = issue["links"].get(key)
        number = known["id"] if known else int(box.next_id())
        self = f"{box.base_url}/rest/api/{version}/issue/{issue['id']}/remotelink/{number}"
        kept: dict[str, Json] = {k: body[k] for k in ("globalId", "application", "relationship", "object") if k in body}
        issue["links"][key] = {"id": number, "self": self} | kept
        return {"id": number, "self": self}, 200 if known else 201

    @route("issue/<id>/changelog", "GET")
    def changelog(version: int, id: str) -> Any:
        if not box.cloud:
            raise Refusal(404, "null for uri")
        found = [history(box, h) for h in box.issue(id)["histories"]]
        start, size = _page()
        page = found[start : start + size]
        last = start + size >= len(found)
        return {"startAt": start, "maxResults": size, "total": len(found), "isLast": last, "values": page}


def history(box: JiraSandbox, entry: Mapping[str, Any]) -> Json:
    """A changelog entry as the API shows it."""
    return {
        "id": entry["id"],
        "author": box.person(entry["author"]),
        "created": box.stamp(entry["created"]),
        "items": entry["items"],
    }


def bean(box: JiraSandbox, issue: Issue, wanted: list[str], expand: str, properties: str = "") -> Json:
    """An issue as the API shows it. Cloud tells its latest hundred changes, newest first; Data Center all, oldest first."""
    made: dict[str, Json] = {
        "id": issue["id"],
        "self": f"{box.base_url}/rest/api/{g.version}/issue/{issue['id']}",
        "key": issue["key"],
    }
    fields = _fields(box, issue)
    if wanted != ["id"]:
        made["fields"] = {k: v for k, v in fields.items() if "*all" in wanted or k in wanted}
    if properties:
        made["properties"] = {k: issue["properties"][k] for k in properties.split(",") if k in issue["properties"]}
    if "changelog" in expand:
        entries = [history(box, h) for h in issue["histories"]]
        shown = entries[-100:][::-1] if box.cloud else entries
        made["changelog"] = {"startAt": 0, "maxResults": len(shown), "total": len(entries), "histories": shown}
    if "transitions" in expand:
        made["transitions"] = [transition_bean(t, box.base_url, False) for t in WORKFLOW[issue["status"]]]
    return made


def _fields(box: JiraSandbox, issue: Issue) -> dict[str, Json]:
    texts = Texts(box)
    return {
        "summary": issue["summary"],
        "description": texts.shown(issue["description"]),
        "status": status_bean(issue["status"], box.base_url),
        "priority": {"name": issue["priority"], "id": PRIORITIES[issue["priority"]]} if issue["priority"] else None,
        "labels": list(issue["labels"]),
        "components": [{"id": str(20_000 + box.components.index(c)), "name": c} for c in issue["components"]],
        "assignee": box.person(issue["assignee"]),
        "reporter": box.person(issue["reporter"]),
        "issuetype": {"id": ISSUE_TYPES[issue["issuetype"]], "name": issue["issuetype"]},
        "project": {"key": issue["project"]},
        "resolution": {"name": issue["resolution"]} if issue["resolution"] else None,
        "created": box.stamp(issue["created"]),
        "updated": box.stamp(issue["updated"]),
        "comment": {
            "comments": [texts.comment(c, "") for c in issue["comments"].values()],
            "total": len(issue["comments"]),
        },
    }


class Texts:
    """Fields and rich texts between the API's form (v3: ADF, v2: markup) and the stored one."""

    def __init__(self, box: JiraSandbox) -> None:
        self.box = box

    def shown(self, stored: Json) -> Json:
        return stored if g.version == 3 else self.box.markup(stored)

    def stored(self, value: Json, field: str) -> Json:
        if value is None:
            return None
        if g.version == 3:
            check_adf(value, field)
        elif not isinstance(value, str):
            raise Refusal(400, **{field: "Operation value must be a string"})
        if len(value if isinstance(value, str) else self.box.text(value)) > LONGEST_TEXT:
            raise Refusal(
                400, **{field: f"The entered text is too long. It exceeds the allowed limit of {LONGEST_TEXT}."}
            )
        return self.box.rich(wiki.to_plain(value)) if self.box.cloud and isinstance(value, str) else value

    def comment(self, comment: Mapping[str, Any], expand: str) -> Json:
        box = self.box
        shown = {
            "self": f"{box.base_url}/rest/api/{g.version}/issue/{comment['issue']}/comment/{comment['id']}",
            "id": comment["id"],
            "author": box.person(comment["author"]),
            "body": self.shown(comment["body"]),
            "updateAuthor": box.person(comment["editor"]),
            "created": box.stamp(comment["created"]),
            "updated": box.stamp(comment["updated"]),
        }
        if comment["visibility"]:
            shown["visibility"] = comment["visibility"]
        if box.service_desk:
            shown["jsdPublic"] = not (comment["properties"].get("sd.public.comment") or {}).get("internal", False)
        if "properties" in expand:
            shown["properties"] = [{"key": k, "value": v} for k, v in comment["properties"].items()]
        return shown

    def fields(self, given: Mapping[str, Json], new: bool) -> dict[str, Json]:
        """Raises Refusal for what Jira does not take."""
        box, out = self.box, dict[str, Json]()
        for name in given:
            if name not in CREATE_FIELDS or (not new and name in ("project", "issuetype")):
                raise Refusal(
                    400, **{name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."}
                )
        if new:
            if (given.get("project") or {}).get("key") != box.project:
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
            out["components"] = [self._known(c.get("name"), box.components, "components") for c in given["components"]]
        if "assignee" in given:
            account = (given["assignee"] or {}).get("accountId" if box.cloud else "name")
            accounts = [box.account(n) for n in box.names]
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
                check_label(word) if name == "labels" else self._known(word, self.box.components, "components")
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


def _comment(issue: Issue, number: str) -> dict[str, Any]:
    if number not in issue["comments"]:
        raise Refusal(404, f"Can not find a comment for the id: {number}.")
    found: dict[str, Any] = issue["comments"][number]
    return found


def _properties(body: Mapping[str, Json]) -> dict[str, Json]:
    return {p["key"]: p["value"] for p in body.get("properties") or ()}


def _page() -> tuple[int, int]:
    return request.args.get("startAt", 0, type=int), min(request.args.get("maxResults", 50, type=int), 100)


def _body() -> dict[str, Json]:
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        raise Refusal(400, "There was an error parsing JSON. Check that your request body is valid.")
    return found


def answer(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """The body that Jira sends with an error."""
    response = jsonify(refusal.body())
    response.status_code = refusal.status
    response.headers.update(headers or {})
    return response
