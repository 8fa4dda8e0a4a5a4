"""Teams for the contract suite: one channel over each of the three routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from adapters.registry import Spec
from adapters.teams.adapter import build
from adapters.teams.sandbox import ACCOUNT, APP, CHANNEL, ROBIN, TEAM, TENANT, TeamsSandbox
from hub.clock import ManualClock
from hub.domain.values import COMMENT, INCIDENT, Desired, Json, Mark, Ref, Request
from hub.ports import Adapter
from mappings.vocabulary import overlay
from tests.contract.world import MemorySecrets, Parts

BASE = "https://graph.teams.test"
HOOK = "https://hub.example.com/webhooks/teams"
CARD: dict[str, Json] = {
    "status": "triggered",
    "severity": "SEV2",
    "title": "Payments fail *sometimes*",
    "description": "Error rate 12 % <since> the deploy.\nLooking into it.",
    "services": ["checkout"],
    "assignees": ["ada"],
    "roles": {"commander": "ada"},
    "tags": ["payments"],
    "owner_team": "team-pay",
    "impacts": {"checkout": "degraded"},
}
NEXT: dict[str, list[str]] = {
    "status": ["triggered", "acknowledged", "identified", "monitoring", "resolved"],
    "severity": ["SEV1", "SEV2", "SEV3", "SEV4", "SEV5"],
}


class TeamsWorld:
    contract = "msgraph-v1.0-trimmed.openapi.json"
    contract_base = f"{BASE}/v1.0"

    def __init__(self, route: str = "graph", **more: Any) -> None:
        self.name = f"teams-{route}"
        parts = Parts()
        self.parts = parts
        self.clock: ManualClock = parts.clock
        self.sandbox = TeamsSandbox(parts.clock, parts.ids, base_url=BASE, rate_limited=False)
        self.secrets = MemorySecrets(
            client_secret=self.sandbox.client_secret,
            refresh_token=self.sandbox.refresh_tokens[0],
            outgoing_webhook_secret=self.sandbox.push.outgoing_secret,
            workflow_url=self.sandbox.workflow_url,
        )
        people = [["ada", ROBIN]]
        settings: dict[str, Any] = {
            "route": route, "tenant": TENANT, "client_id": APP, "team": TEAM, "channel": CHANNEL, "account": ACCOUNT,
            "graph_url": self.sandbox.graph_url, "login_url": self.sandbox.login_url,
            "reactions": [["like", "ack"], ["✅", "resolve"]], "people_names": {"ada": "Ada Lovelace"}, **more,
        }  # fmt: skip
        self.spec = Spec(
            name="ops-channel",
            settings=settings,
            vocabulary=overlay("teams", {"people": people, "services": [["checkout", "checkout"]]}),
            secrets=self.secrets,
            notebook=parts.notebook,
            wire=parts.wire(self.sandbox, BASE),
            clock=parts.clock,
            ids=parts.ids,
            service_names={"checkout": "Check-out"},
            base_url="https://hub.example.com",
        )
        self.adapter: Adapter = build(self.spec)
        self.sandbox.push.shake = self.shake
        self.sandbox.push.outgoing_url = HOOK
        if route == "graph":
            self.subscription = self.adapter.subscribe(HOOK, self.secrets)  # type: ignore[attr-defined]

    def shake(self, url: str, token: str) -> tuple[int, str, str]:
        """The hub's answer to Graph's validation request."""
        request = Request("POST", "/webhooks/teams", {"validationToken": token}, {}, b"", self.clock.now())
        reply = self.adapter.handshake(request)  # type: ignore[attr-defined]
        return (404, "", "") if reply is None else (reply.status, reply.content_type, reply.body.decode())

    def sample(self, kind: str) -> Desired:
        context = {"number": "INC-12", "url": "https://hub.example.com/incidents/INC-12"}
        if kind == COMMENT:
            parent = None if self.name == "teams-workflow" else self._card()
            return Desired(COMMENT, {"text": "It is the *certificate* <again>."}, parent=parent, context=context)
        return Desired(INCIDENT, dict(CARD), context=context)

    def _card(self) -> Ref:
        mark = Mark(INCIDENT, "parent" + self.parts.ids.new()[:10], self.clock.now())
        written = self.adapter.create(Desired(INCIDENT, dict(CARD)), mark)
        assert written.ref
        return written.ref

    def another(self, kind: str, field: str, now: Json) -> Json:
        if field in NEXT:
            words = NEXT[field]
            return words[(words.index(now) + 1) % len(words)]
        if isinstance(now, dict):
            return {**now, "search": "major_outage"} if field == "impacts" else {**now, "scribe": "grace"}
        if isinstance(now, list):
            return sorted({*now, "grace" if field == "assignees" else "search"})
        return True if isinstance(now, bool) else f"{now or ''} (more)"

    def person_makes(self, kind: str, parent: Ref | None = None) -> Ref:
        if kind == COMMENT and parent:
            return Ref(COMMENT, self.sandbox.people_reply(parent.id, "I see it too."), parent.id)
        return Ref(INCIDENT, self.sandbox.people_post("Is anybody else seeing errors?"))

    def person_edits(self, ref: Ref, field: str, value: Json) -> None:
        """People edit their own messages and react to any; only the hub's account can edit what it sent."""
        if ref.kind == COMMENT and field == "text" and self.sandbox.messages[ref.id].user != ACCOUNT:
            self.sandbox.people_edit(ref.id, value)
        elif field == "reactions":
            for one in value:
                self.sandbox.people_react(ref.id, *str(one).split(":"))
        else:
            raise NotImplementedError(f"nobody can edit {field!r} of somebody else's message in Teams")

    def person_deletes(self, ref: Ref) -> None:
        self.sandbox.people_delete(ref.id)

    def webhooks(self) -> Sequence[Request]:
        taken, self.sandbox.outgoing[:] = list(self.sandbox.outgoing), []
        return [
            Request(
                "POST",
                out.url.removeprefix("https://hub.example.com"),
                {},
                {k.lower(): v for k, v in out.headers.items()},
                out.body,
                self.clock.now(),
            )
            for out in taken
        ]

    def badly_signed(self, request: Request) -> Sequence[tuple[str, Request]]:
        if "authorization" in request.headers:
            return [
                ("another body", replace(request, body=request.body + b" ")),
                ("a false HMAC", self._with(request, authorization="HMAC AAAA")),
                ("an HMAC that is not base64", self._with(request, authorization="HMAC \u00e9\u00e9")),
                ("no HMAC", self._with(request, authorization="")),
            ]
        data = json.loads(request.body)
        item = data["value"][0]
        bare = {k: v for k, v in item.items() if k != "clientState"}
        return [
            ("no client state", self._saying(request, [bare])),
            ("an empty client state", self._saying(request, [{**bare, "clientState": ""}])),
            ("a false client state", self._saying(request, [{**bare, "clientState": "guess"}])),
            ("a client state that is no text", self._saying(request, [{**bare, "clientState": ["x"]}])),
            ("one false item among true ones", self._saying(request, [item, {**bare, "clientState": "\udcff"}])),
            ("no items", self._saying(request, [])),
        ]

    @staticmethod
    def _with(request: Request, **headers: str) -> Request:
        return replace(request, headers={**request.headers, **headers})

    @staticmethod
    def _saying(request: Request, items: list[Any]) -> Request:
        return replace(request, body=json.dumps({"value": items}).encode())

    def rotate(self) -> None:
        """A client state cannot be changed: the subscription is made again with the new one."""
        self.secrets.put("client_state", self.parts.ids.token(32))
        if self.name == "teams-graph":
            self.sandbox.push.subscriptions.clear()
            self.subscription = self.adapter.subscribe(HOOK, self.secrets)  # type: ignore[attr-defined]
        fresh = "bmV3IHN0YW5kLWluIHNlY3JldA=="
        self.secrets.put("outgoing_webhook_secret", fresh)
        self.sandbox.push.outgoing_secret = fresh

    def forbid(self) -> None:
        self.sandbox.forbidden = True


WORLDS: dict[str, Callable[[], TeamsWorld]] = {
    "teams-graph": lambda: TeamsWorld("graph"),
    "teams-workflow": lambda: TeamsWorld("workflow"),
    "teams-activity": lambda: TeamsWorld("activity"),
}
