"""The API, called as its own OpenAPI document allows and as it forbids: no 500, no answer that the document does not describe.

The requests are made from the document (Schemathesis), and sent to the whole application over a hub with an incident, links,
comments, updates, failed writes and unmatched objects in it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub import services
from hub.web.api import OPERATIONS
from hub.web.operations import Operation
from tests.unit.web.contract import Checked
from tests.unit.web.hub import bearer, make_hub

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install -e '.[test]'")

EXAMPLES = 8
"""Number of valid requests for each operation, and of invalid ones."""


class Application:
    """The application, and ids of objects that exist in it."""

    def __init__(self) -> None:
        self.hub = make_hub()
        self.api = Checked(self.hub)
        self.header = bearer(self.hub)
        self.renew()

    def renew(self) -> None:
        """Makes an incident with every kind of object that can belong to one."""
        self.incident = str(services.open_incident(self.hub, {"title": "down"}, actor="ada")["id"])
        self.comment = str(services.add_comment(self.hub, self.incident, "looking", actor="ada")["id"])
        self.update = str(services.draft_update(self.hub, self.incident, "we look", actor="ada")["id"])
        self.link = str(services.list_links(self.hub)["items"][0]["id"])

    def path(self, operation: Operation, given: dict[str, str], real: bool) -> str:
        """The operation's path. real: the segments name objects that exist."""
        by_path = {"/comments": self.comment, "/updates": self.update, "/links": self.link}
        there = next((id for start, id in by_path.items() if operation.path.startswith(start)), "0" * 26)
        names = {"ref": self.incident, "id": there, "name": "signed"}
        return operation.path.format(**(names if real else {k: given.get(k, "x") for k in names}))


@cache
def described() -> Any:
    """The hub's own document."""
    return schemathesis.openapi.from_dict(Checked(make_hub()).document)


def cases(operation: Operation, mode: Any) -> Any:
    """Requests to this operation, from the document."""
    return described()[f"/api/v1{operation.path}"][operation.method].as_strategy(generation_mode=mode)


def clean(segment: Any) -> str:
    """A path segment that a client could send in one piece."""
    text = str(segment)
    return "x" if not text or text in (".", "..") else re.sub(r"[/?#%\\\x00-\x1f\x7f-\uffff]", "x", text)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_every_answer_is_one_that_the_document_describes(operation: Operation, mode: str) -> None:
    application = Application()
    strategy = cases(operation, getattr(schemathesis.GenerationMode, mode))

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy, real=st.booleans())
    def calls(case: Any, real: bool) -> None:
        segments = {name: clean(value) for name, value in (case.path_parameters or {}).items()}
        query = {k: str(v) for k, v in (case.query or {}).items() if v is not None}
        sent: dict[str, Any] = {"headers": dict(application.header), "query_string": query}
        if operation.body is not None:
            if type(case.body).__name__ == "NotSet":
                sent |= {"data": b"", "content_type": case.media_type or "text/plain"}
            elif isinstance(case.body, bytes):
                sent |= {"data": case.body, "content_type": "application/json"}
            else:
                sent["json"] = case.body
        answer = application.api(operation.method, application.path(operation, segments, real), **sent)
        assert answer.status_code < 500, answer.text
        assert b"Traceback" not in answer.data

    calls()
