"""The V3 webhooks of the PagerDuty stand-in: signed, in order, with PagerDuty's rules for retries and drops."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from adapters.pagerduty.sandbox.state import Payload, State, Subscription
from adapters.sandboxing import Outgoing

ANNOUNCED = (
    "incident.triggered", "incident.acknowledged", "incident.unacknowledged", "incident.escalated", "incident.delegated",
    "incident.reassigned", "incident.reopened", "incident.resolved", "incident.priority_updated",
    "incident.service_updated", "incident.annotated", "incident.status_update_published",
    "incident.custom_field_values.updated",
)  # fmt: skip
"""Every event type about an incident that PagerDuty sends."""

GIVES_UP_AFTER = timedelta(hours=48)
DISABLED_FOR = timedelta(hours=24)
DROPS_UNTIL_DISABLED = 3

Emit = Callable[[str, bytes, Mapping[str, str], str, str | None], None]
"""(url, body, headers, id of the changed object, delivery id): puts one webhook into `outgoing`."""


class Webhooks:
    """The webhook subscriptions of `state`, and the deliveries to them."""

    def __init__(self, state: State, emit: Emit) -> None:
        self._state = state
        self._emit = emit

    def subscribe(self, url: str, events: Sequence[str] = (), about: Payload | None = None) -> Subscription:
        """Creates a subscription to `events`, or to all event types if there are none."""
        state = self._state
        made = Subscription(
            state.id("P"), url, [state.ids.token(24)], list(events or ANNOUNCED), about or {"type": "account_reference"}
        )
        state.subscriptions[made.id] = made
        return made

    def rotate_secret(self, id: str) -> str:
        """Returns a new signing secret. Deliveries are signed with the old and the new one until the next rotation."""
        secrets = self._state.subscriptions[id].secrets
        secrets[:] = [self._state.ids.token(24), secrets[0]]
        return secrets[0]

    def enable_again(self, now: datetime) -> None:
        """Enables the subscriptions whose `disabled_until` has passed."""
        for subscription in self._state.subscriptions.values():
            if subscription.disabled_until and subscription.disabled_until <= now:
                subscription.disabled_until, subscription.drops = None, 0

    def announce(self, event: str, data: Payload, agent: Payload | None, *, about: str, service: str = "") -> None:
        """Queues the event for every subscription whose filter and event types match."""
        for subscription in self._state.subscriptions.values():
            wanted = subscription.filter
            if wanted["type"] == "service_reference" and wanted.get("id") != service:
                continue
            if event in subscription.events:
                self.queue_delivery(subscription, event, data, agent, about)

    def queue_delivery(
        self, subscription: Subscription, event: str, data: Payload, agent: Payload | None, about: str
    ) -> None:
        if not subscription.active or subscription.disabled_until:
            return
        happened = self._state.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        envelope = {
            "id": self._state.ids.new().upper(),
            "event_type": event,
            "resource_type": event.split(".")[0],
            "occurred_at": happened,
            "agent": agent,
            "client": None,
            "data": data,
        }
        body = json.dumps({"event": envelope}).encode()
        signed = [hmac.new(s.encode(), body, hashlib.sha256).hexdigest() for s in subscription.secrets]
        id = self._state.ids.new()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "PagerDuty-Webhook/V3.0",
            "X-PagerDuty-Signature": ",".join(f"v1={s}" for s in signed),
            "X-Webhook-Id": id,
            "X-Webhook-Subscription": subscription.id,
        }
        self._emit(subscription.url, body, headers, about, id)

    # PagerDuty's delivery rules, for the sender of `outgoing`.

    def ready(self) -> list[Outgoing]:
        """The webhooks that may be sent now: the oldest one of each subscription and incident, so that order is
        kept."""
        heads: dict[tuple[str, str], Outgoing] = {}
        for outgoing in self._state.outgoing:
            heads.setdefault((outgoing.headers["X-Webhook-Subscription"], outgoing.about), outgoing)
        return list(heads.values())

    def retry_after(self, outgoing: Outgoing, status: int | None) -> float | None:
        """Seconds until the next attempt, or None if there is none. status: of the response; None = none within 5 s.

        Time-outs, 5xx and 429 are retried for 48 hours; after any other response but 2xx the webhook is dropped at
        once.
        """
        if status is not None and status != 429 and not 500 <= status < 600:
            return None
        if self._state.clock.now() - outgoing.made_at >= GIVES_UP_AFTER:
            return None
        return float(min(3600, 5 * 2 ** min(outgoing.attempt, 12)))

    def delivered(self, outgoing: Outgoing) -> None:
        """The receiver answered 2xx: removes the webhook from the queue and resets the count of drops."""
        self._forget(outgoing)
        subscription = self._state.subscriptions.get(outgoing.headers["X-Webhook-Subscription"])
        if subscription:
            subscription.drops = 0

    def dropped(self, outgoing: Outgoing) -> None:
        """The webhook is given up. The third in a row disables its subscription for a day and empties its queue."""
        self._forget(outgoing)
        subscription = self._state.subscriptions.get(outgoing.headers["X-Webhook-Subscription"])
        if subscription is None:
            return
        subscription.drops += 1
        if subscription.drops >= DROPS_UNTIL_DISABLED:
            subscription.disabled_until = self._state.clock.now() + DISABLED_FOR
            self._state.outgoing[:] = [
                o for o in self._state.outgoing if o.headers["X-Webhook-Subscription"] != subscription.id
            ]

    def _forget(self, outgoing: Outgoing) -> None:
        self._state.outgoing[:] = [o for o in self._state.outgoing if o is not outgoing]
