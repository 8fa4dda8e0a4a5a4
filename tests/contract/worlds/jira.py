"""Jira for the contract suite, Cloud and Data Center: one project with three components, a signed webhook by an administrator."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from adapters.jira.adapter import Jira, build
from adapters.jira.sandbox import JiraSandbox
from adapters.jira.sandbox.state import WORKFLOW
from adapters.registry import Spec
from hub.clock import ManualClock
from hub.domain.values import COMMENT, INCIDENT, Desired, Json, Ref, Request
from mappings.vocabulary import overlay
from tests.contract.world import MemorySecrets, Parts

SITES = {True: "https://acme.atlassian.net", False: "https://jira.example.com/jira"}
HUB = "https://hub.example.com"


class JiraWorld:
    """cloud: Cloud, else Data Center. settings: replace the usual ones."""

    def __init__(self, cloud: bool, **settings: Any) -> None:
        parts = Parts()
        self.name = "jira-cloud" if cloud else "jira-dc"
        self.contract = "jira-cloud-v3.openapi.json" if cloud else None
        self.contract_base = SITES[cloud]
        self.clock: ManualClock = parts.clock
        self.secrets = MemorySecrets(token="sandbox-token", webhook_secret="hook-secret-1")
        self.sandbox = JiraSandbox(
            parts.clock, parts.ids, base_url=SITES[cloud], cloud=cloud, search_lag=8.0 if cloud else 1.0
        )
        self.hook = self.sandbox.register(f"{HUB}/webhooks/jira", "hook-secret-1")
        account = self.sandbox.account
        own = {
            "services": [["checkout", "Checkout"], ["payments", "Payments"], ["search", "Search"]],
            "people": [["ada", account("ada")], ["ben", account("ben")]],
        }
        usual: dict[str, Any] = {
            "url": SITES[cloud],
            "deployment": "cloud" if cloud else "dc",
            "project": "OPS",
            "issue_type": "Incident",
            **({"email": "bot@example.com"} if cloud else {}),
        }
        self.notebook = parts.notebook
        self.spec = Spec(
            name="jira-ops",
            settings=usual | settings,
            vocabulary=overlay("jira", own),
            secrets=self.secrets,
            notebook=parts.notebook,
            wire=parts.wire(self.sandbox, SITES[cloud], "https://api.atlassian.com", "https://auth.atlassian.com"),
            clock=parts.clock,
            ids=parts.ids,
            base_url=HUB,
        )
        self.adapter: Jira = build(self.spec)  # type: ignore[assignment]

    def sample(self, kind: str) -> Desired:
        if kind == COMMENT:
            parent = self.person_makes(INCIDENT)
            return Desired(COMMENT, {"text": "Looking at it."}, parent=parent, context={"author": "Ada"})
        fields: dict[str, Json] = {
            "title": "Payments fail",
            "description": "Every third card is declined.\n\nSee https://status.example.com/x",
            "status": "To Do",
            "severity": "High",
            "tags": ["payments", "eu-west"],
            "services": ["Checkout"],
            "assignees": self.sandbox.account("ada"),
        }
        return Desired(INCIDENT, fields)

    def another(self, kind: str, field: str, now: Json) -> Json:
        if field == "status":
            return WORKFLOW[now][0][2]
        if field == "severity":
            return "Low" if now != "Low" else "Highest"
        if field == "assignees":
            return self.sandbox.account("ben" if now != self.sandbox.account("ben") else "ada")
        if field == "tags":
            return [*[t for t in now if t != "payments"], "new-tag" if "new-tag" not in now else "newer-tag"]
        if field == "services":
            return ["Search"] if "Search" not in now else ["Payments"]
        return f"{now} (more)"

    def person_makes(self, kind: str, parent: Ref | None = None) -> Ref:
        if kind == COMMENT:
            issue = (parent or self.person_makes(INCIDENT)).id
            return Ref(COMMENT, self.sandbox.people_comment(issue, "I am on it."), issue)
        return Ref(INCIDENT, self.sandbox.people_create("Search is slow", "It takes *long*.", components=["Search"]))

    def person_edits(self, ref: Ref, field: str, value: Json) -> None:
        box = self.sandbox
        if ref.kind == COMMENT:
            box.people_edit_comment(str(ref.parent), ref.id, value)
            return
        edits: dict[str, Callable[[Any], Any]] = {
            "title": lambda v: box.people_set(ref.id, summary=v),
            "description": lambda v: box.people_set(ref.id, description=v),
            "status": lambda v: box.people_move(ref.id, v),
            "severity": lambda v: box.people_set(ref.id, priority=v),
            "tags": self._edit_tags(ref.id),
            "services": lambda v: box.people_set(ref.id, components=list(v)),
            "assignees": lambda v: box.people_set(ref.id, assignee=v),
        }
        edits[field](value)

    def _edit_tags(self, id: str) -> Callable[[Any], None]:
        """A person edits the labels and keeps the hub's."""
        marks = [x for x in self.sandbox.issues[id]["labels"] if x.startswith("lockstep-")]
        return lambda v: self.sandbox.people_set(id, labels=[*v, *marks])

    def person_deletes(self, ref: Ref) -> None:
        if ref.kind == COMMENT:
            self.sandbox.people_delete_comment(str(ref.parent), ref.id)
        else:
            self.sandbox.people_delete(ref.id)

    def webhooks(self) -> Sequence[Request]:
        self.sandbox.hooks.release(everything=True)
        taken, self.sandbox.outgoing[:] = list(self.sandbox.outgoing), []
        return [
            Request(
                "POST",
                out.url.removeprefix(HUB),
                {},
                {k.lower(): v for k, v in out.headers.items()},
                out.body,
                self.clock.now(),
            )
            for out in taken
        ]

    def badly_signed(self, request: Request) -> Sequence[tuple[str, Request]]:
        def signed(value: str | None) -> Request:
            rest = {k: v for k, v in request.headers.items() if k != "x-hub-signature"}
            return replace(request, headers=rest if value is None else rest | {"x-hub-signature": value})

        good = request.headers["x-hub-signature"]
        false = hmac.new(b"guess", request.body, hashlib.sha256).hexdigest()
        return [
            ("no signature", signed(None)),
            ("an empty signature", signed("")),
            ("another key", signed(f"sha256={false}")),
            ("no method", signed(good.removeprefix("sha256="))),
            ("a weak method", signed("sha1=" + hmac.new(b"hook-secret-1", request.body, hashlib.sha1).hexdigest())),
            ("no hexadecimal", signed("sha256=\u00fc\udcff")),
            ("another body", replace(request, body=request.body + b" ")),
        ]

    def rotate(self) -> None:
        self.secrets.put("webhook_secret", "hook-secret-2")
        self.hook.secret = "hook-secret-2"

    def forbid(self) -> None:
        self.sandbox.tokens.clear()


WORLDS: dict[str, Callable[[], JiraWorld]] = {
    "jira-cloud": partial(JiraWorld, True),
    "jira-dc": partial(JiraWorld, False),
}
