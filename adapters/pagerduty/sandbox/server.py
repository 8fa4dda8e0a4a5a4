"""The PagerDuty stand-in as one object: its routes on one Flask application, and people's actions in PagerDuty's pages.

It serves one request at a time. Time-outs and delayed events take effect at every request, in `tick()` and in
`settle()`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.pagerduty.sandbox.access import Access
from adapters.pagerduty.sandbox.lifecycle import Lifecycle
from adapters.pagerduty.sandbox.routes_account import AccountRoutes
from adapters.pagerduty.sandbox.routes_events import EventRoutes
from adapters.pagerduty.sandbox.routes_incidents import IncidentRoutes
from adapters.pagerduty.sandbox.routes_subscriptions import SubscriptionRoutes
from adapters.pagerduty.sandbox.routing import run
from adapters.pagerduty.sandbox.state import Payload, State, Subscription
from adapters.pagerduty.sandbox.webhooks import Webhooks
from adapters.sandboxing import Outgoing, Sandbox


@dataclass
class PagerDutySandbox(State, Sandbox):
    """The state, served over HTTP. `lock` is held during every request and every action of a person."""

    lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.webhooks = Webhooks(self, self.emit)
        self.lifecycle = Lifecycle(self, self.webhooks)
        access = Access(self)
        self.app.before_request(access.admit)
        self.app.after_request(access.stamp)
        for method, path, act in (
            *IncidentRoutes(self, self.lifecycle).routes(),
            *AccountRoutes(self, self.lifecycle).routes(),
            *SubscriptionRoutes(self, self.webhooks).routes(),
            *EventRoutes(self, self.lifecycle).routes(),
        ):
            self.app.add_url_rule(path, f"{method} {path}", functools.partial(run, act), methods=[method])
        answer = self.app.wsgi_app

        def one_at_a_time(environ: Any, start_response: Any) -> Iterable[bytes]:
            with self.lock:
                self.tick()
                return answer(environ, start_response)

        self.app.wsgi_app = one_at_a_time  # type: ignore[method-assign]

    # Time-outs and delayed events.

    def tick(self) -> None:
        """Applies what is due: accepted events, acknowledgement time-outs, escalations, re-enabled subscriptions."""
        with self.lock:
            now = self.clock.now()
            self.lifecycle.apply_events(now)
            self.webhooks.enable_again(now)
            self.lifecycle.pass_time()

    def settle(self) -> None:
        super().settle()
        with self.lock:
            self.lifecycle.apply_events()
            self.tick()

    # Actions of people in PagerDuty's pages.

    def people_create(
        self, title: str, service: str = "PCHECKO", *, user: str = "PADA001", priority: str | None = None,
        urgency: str = "high", key: str | None = None, assignees: Sequence[str] = (),
    ) -> str:  # fmt: skip
        """Creates an incident by hand; returns its id."""
        with self.lock:
            made = self.lifecycle.create(
                self.services[service], title, self.agent(user), assignees=assignees, priority=priority, urgency=urgency,
                key=key or self.ids.new(), by_hand=True,
            )  # fmt: skip
            return made.id

    def people_set_status(self, id: str, status: str, user: str = "PADA001", note: str | None = None) -> None:
        """Acknowledges, resolves (with `note` as its resolution note) or reopens the incident."""
        with self.lock:
            if status == "resolved":
                self.lifecycle.resolve_with(self.incidents[id], self.agent(user), note)
            else:
                self.lifecycle.set_status(self.incidents[id], status, self.agent(user), user)

    def people_set_title(self, id: str, title: str) -> None:
        with self.lock:
            self.lifecycle.set_title(self.incidents[id], title)

    def people_set_severity(self, id: str, priority: str | None, urgency: str, user: str = "PADA001") -> None:
        with self.lock:
            self.lifecycle.set_priority(self.incidents[id], priority, self.agent(user))
            self.lifecycle.set_urgency(self.incidents[id], urgency, self.agent(user))

    def people_assign(self, id: str, users: Sequence[str], user: str = "PADA001") -> None:
        with self.lock:
            self.lifecycle.assign(self.incidents[id], users, self.agent(user))

    def people_escalate(self, id: str, level: int, user: str = "PADA001") -> None:
        with self.lock:
            self.lifecycle.escalate(self.incidents[id], level, self.agent(user))

    def people_move(self, id: str, service: str, user: str = "PADA001") -> None:
        with self.lock:
            self.lifecycle.set_service(self.incidents[id], service, self.agent(user))

    def people_snooze(self, id: str, seconds: float, user: str = "PADA001") -> None:
        with self.lock:
            self.lifecycle.snooze(self.incidents[id], seconds, self.agent(user))

    def people_merge(self, target: str, sources: Sequence[str], user: str = "PADA001") -> None:
        with self.lock:
            self.lifecycle.merge(self.incidents[target], [self.incidents[s] for s in sources], self.agent(user))

    def people_note(self, id: str, text: str, user: str = "PADA001") -> str:
        with self.lock:
            return self.lifecycle.note(self.incidents[id], text, self.agent(user)).id

    def people_edit_note(self, id: str, note: str, text: str) -> None:
        with self.lock:
            self.lifecycle.edit_note(self.incidents[id], note, text)

    def people_delete_note(self, id: str, note: str) -> None:
        with self.lock:
            self.lifecycle.delete_note(self.incidents[id], note)

    def people_publish(self, id: str, message: str, user: str = "PADA001") -> None:
        with self.lock:
            self.lifecycle.publish(self.incidents[id], message, self.agent(user))

    def people_subscribe(self, url: str, events: Sequence[str] = (), about: Payload | None = None) -> Subscription:
        """Creates a V3 subscription to `events`, or to all events if there are none. Its secret is in `secrets[0]`."""
        with self.lock:
            return self.webhooks.subscribe(url, events, about)

    def rotate_secret(self, id: str) -> str:
        """Returns a new signing secret. Deliveries are signed with the old and the new one until the next rotation."""
        with self.lock:
            return self.webhooks.rotate_secret(id)

    def snapshot(self, id: str) -> Payload:
        """What a person sees of an incident, in PagerDuty's values. Comments include the line with the hub's mark."""
        with self.lock:
            i = self.incidents[id]
            return {
                "id": i.id,
                "url": i.ref()["html_url"],
                "title": i.title,
                "status": i.status,
                "severity": [i.priority, i.urgency],
                "services": i.service,
                "assignees": list(i.assignees),
                "comments": [n.content for n in i.notes],
                "updates": [u["message"] for u in i.updates],
                "custom_fields": dict(i.custom_fields),
            }

    # PagerDuty's delivery rules, for the sender of `outgoing`: the demo's thread, the simulation, or a test.

    def ready(self) -> list[Outgoing]:
        """See `Webhooks.ready`."""
        with self.lock:
            return self.webhooks.ready()

    def retry_after(self, outgoing: Outgoing, status: int | None) -> float | None:
        """See `Webhooks.retry_after`."""
        return self.webhooks.retry_after(outgoing, status)

    def delivered(self, outgoing: Outgoing) -> None:
        """See `Webhooks.delivered`."""
        with self.lock:
            self.webhooks.delivered(outgoing)

    def dropped(self, outgoing: Outgoing) -> None:
        """See `Webhooks.dropped`."""
        with self.lock:
            self.webhooks.dropped(outgoing)
