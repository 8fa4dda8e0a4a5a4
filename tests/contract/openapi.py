"""Checks every exchange, requests and the stand-ins' answers, against the vendors' own OpenAPI documents.

A document is used unchanged, except where it contradicts itself or its vendor (`MENDS`, each with the reason), and for paths that
it lacks (`NOT_IN_IT`). Both tables are checked: a line that is no longer needed fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.paths.exceptions import PathNotFound
from openapi_core.templating.responses.exceptions import ResponseNotFound
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.contract.line import Exchange

PAGERDUTY, JIRA = "pagerduty-rest.openapi.json", "jira-cloud-v3.openapi.json"
STATUSPAGE, GRAPH = "statuspage-v1.openapi.json", "msgraph-v1.0-trimmed.openapi.json"

Document = dict[str, Any]

NOT_IN_IT: Mapping[str, Mapping[str, str]] = {
    PAGERDUTY: {},
    JIRA: {
        "GET /rest/webhooks/1.0/webhook": "the administrator's webhooks have a documented API of their own, without a schema",
    },
    STATUSPAGE: {},
    GRAPH: {
        "POST /login/[^/]+/oauth2/v2.0/token": "the sign-in service is not Graph",
        "POST /workflows/.*": "a flow's own URL: Power Automate publishes no document for it",
    },
}
"""document → "METHOD path" (a pattern for the whole) → why the document lacks it."""


# ---------------------------------------------------------------- corrections of the documents


def _details_are_text(d: Document) -> None:
    d["components"]["schemas"]["IncidentBody"]["properties"]["details"] = {"type": "string"}


def _log_entry_type(d: Document) -> None:
    d["components"]["schemas"]["AcknowledgeLogEntry"]["allOf"][1]["properties"]["type"]["enum"] = [
        "acknowledge_log_entry"
    ]


def _custom_value(d: Document) -> None:
    d["components"]["schemas"]["CustomFieldsFieldValue"]["properties"]["value"]["oneOf"].append({"type": "string"})


def _custom_name_or_id(d: Document) -> None:
    choices = d["components"]["schemas"]["CustomFieldsEditableFieldValue"]["oneOf"]
    for choice, name in zip(choices, ("name", "id"), strict=True):
        choice["required"], choice["properties"]["value"] = [name, "value"], {"type": "string"}


def _reference_is_sent(d: Document) -> None:
    for part in d["components"]["schemas"]["Tag"]["allOf"]:
        for prop in part.get("properties", {}).values():
            prop.pop("readOnly", None)


def _remote_links(d: Document) -> None:
    answer = d["paths"]["/rest/api/3/issue/{issueIdOrKey}/remotelink"]["get"]["responses"]["200"]
    media = answer["content"]["application/json"]
    media["schema"] = {"type": "array", "items": media["schema"]}
    media.pop("example", None)


def _unnamed_properties(d: Document) -> None:
    def loosened(node: Any) -> Any:
        if isinstance(node, dict):
            kept = {k: v for k, v in node.items() if not (k == "additionalProperties" and v == {"type": "object"})}
            return {k: loosened(v) for k, v in kept.items()}
        return [loosened(v) for v in node] if isinstance(node, list) else node

    for name, part in list(d.items()):
        d[name] = loosened(part)


MENDS: Mapping[str, Mapping[Callable[[Document], None], str]] = {
    PAGERDUTY: {
        _details_are_text: "`IncidentBody.details` is an object in the schema, a text in every example",
        _log_entry_type: "an acknowledgement's log entry must be of a type that no log entry may have",
        _custom_value: "a custom field's value must be an object; the example shows the value itself",
        _custom_name_or_id: "a custom field is set by its name or its id, which the schema cannot tell apart",
        _reference_is_sent: "`id` and `type` of a reference are read-only, and required in what is sent",
    },
    JIRA: {_remote_links: "the remote links of an issue are a list; the document shows one of them"},
    STATUSPAGE: {},
    GRAPH: {
        _unnamed_properties: "every property that a type does not name is an object: then no derived type could have a text",
    },
}
"""document → what is corrected → why."""


class _Sent:
    """A request in the form that openapi-core needs."""

    def __init__(self, exchange: Exchange) -> None:
        parts = urlsplit(exchange.url)
        headers = Headers(dict(exchange.headers))
        self.host_url, self.path, self.method = f"{parts.scheme}://{parts.netloc}", parts.path, exchange.method.lower()
        self.body = exchange.body or None
        self.content_type = headers.get("Content-Type", "application/json")
        query = ImmutableMultiDict(parse_qsl(parts.query, keep_blank_values=True))
        self.parameters = RequestParameters(query=query, header=headers, cookie=ImmutableMultiDict())


class _Answered:
    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status_code, self.headers, self.data = status, Headers(headers), body
        self.content_type = self.headers.get("Content-Type", "application/json")


@dataclass
class Judge:
    """One vendor's document, served under `base`. used: the lines of `NOT_IN_IT` that were needed."""

    name: str
    api: OpenAPI
    used: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, folder: Path, name: str, base: str, *, without: Callable[[Document], None] | None = None) -> Judge:
        """without: a correction that is left out."""
        document: Document = json.loads((folder / name).read_text(encoding="utf-8"))
        for mend in MENDS[name]:
            if mend is not without:
                mend(document)
        document["servers"] = [{"url": _server(document, base)}]
        # Jira and Statuspage write time offsets without a colon, which the format `date-time` does not allow.
        config = Config(extra_format_validators={"date-time": lambda value: True})
        return cls(name, OpenAPI.from_dict(document, config=config))

    def judge(self, exchange: Exchange) -> None:
        """Raises openapi-core's error if the exchange does not fit the document."""
        place = f"{exchange.method} {exchange.path}"
        for line in NOT_IN_IT[self.name]:
            if re.fullmatch(line, place):
                self.used.add(line)
                return
        sent = _Sent(exchange)
        try:
            self.api.validate_request(sent)  # type: ignore[arg-type]
        except PathNotFound as unknown:
            raise AssertionError(f"{place} is in no line of NOT_IN_IT and not in {self.name}") from unknown
        if exchange.answer is None or not exchange.answer[2]:
            return
        try:
            self.api.validate_response(sent, _Answered(*exchange.answer))  # type: ignore[arg-type]
        except ResponseNotFound:
            if exchange.answer[0] < 400:  # no document lists all failures
                raise


def _server(document: Document, base: str) -> str:
    """The server's address that the document's paths follow: some paths include the API's version, some do not."""
    first = next(iter(document["paths"]))
    return base if not first.startswith("/rest/") else base.removesuffix("/rest")
