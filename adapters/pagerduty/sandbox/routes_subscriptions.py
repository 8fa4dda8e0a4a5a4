"""The PagerDuty stand-in's REST v2 routes for webhook subscriptions (V3)."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response

from adapters.pagerduty.sandbox.payloads import rest_subscription
from adapters.pagerduty.sandbox.routing import Problem, Route, Routes, answer, invalid
from adapters.pagerduty.sandbox.state import Payload, State, Subscription
from adapters.pagerduty.sandbox.webhooks import Webhooks


class SubscriptionRoutes(Routes):
    """Routes for webhook subscriptions."""

    def __init__(self, state: State, webhooks: Webhooks) -> None:
        super().__init__(state)
        self.webhooks = webhooks

    def routes(self) -> Sequence[Route]:
        sub = "/webhook_subscriptions"
        return (
            ("GET", sub, self.list_subscriptions),
            ("POST", sub, self.create_subscription),
            ("GET", f"{sub}/<id>", self.get_subscription),
            ("DELETE", f"{sub}/<id>", self.delete_subscription),
            ("POST", f"{sub}/<id>/enable", self.enable_subscription),
            ("POST", f"{sub}/<id>/ping", self.ping_subscription),
        )

    def subscription(self, id: str) -> Subscription:
        if id not in self.state.subscriptions:
            raise Problem(404, 2100, "Not Found")
        return self.state.subscriptions[id]

    def list_subscriptions(self) -> Payload:
        return self.page("webhook_subscriptions", [rest_subscription(s) for s in self.state.subscriptions.values()])

    def create_subscription(self) -> Response:
        data = self.body("webhook_subscription")
        url, about, events = (data.get("delivery_method") or {}).get("url"), data.get("filter"), data.get("events")
        if not url or not isinstance(about, dict) or not about.get("type") or not events:
            raise invalid("delivery_method.url, filter and events are required")
        made = self.webhooks.subscribe(str(url), [str(e) for e in events], about)
        made.description = str(data.get("description") or "")
        return answer({"webhook_subscription": rest_subscription(made, show_secret=True)})

    def get_subscription(self, id: str) -> Payload:
        return {"webhook_subscription": rest_subscription(self.subscription(id))}

    def delete_subscription(self, id: str) -> Response:
        del self.state.subscriptions[self.subscription(id).id]
        return answer(None, 204)

    def enable_subscription(self, id: str) -> Payload:
        found = self.subscription(id)
        found.active, found.disabled_until, found.drops = True, None, 0
        return {"webhook_subscription": rest_subscription(found)}

    def ping_subscription(self, id: str) -> Response:
        data = {"message": "Hello from your friend Pagey!", "type": "ping"}
        self.webhooks.queue_delivery(self.subscription(id), "pagey.ping", data, None, id)
        return answer(None, 202)
