"""The webhook subscription of a connection: creates, adopts or re-enables it.

PagerDuty shows its signing secret once, in the response to its creation. A crash before the secret is stored in the
vault would leave a subscription whose deliveries cannot be verified, so the notebook records beforehand that one is
about to be created.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from adapters.pagerduty.capability import Settings
from adapters.pagerduty.client import Client, Missing, Payload, unreadable
from adapters.pagerduty.webhooks import EVENTS
from hub.domain.values import Json
from hub.ports import Notebook, Secrets

PAGE = "webhook_subscription"
"""Key in the connection's notebook: {"id": the subscription whose secret is stored, or None while one is created}."""

PATH = "webhook_subscriptions"


class Subscription:
    """See `hub.ports.Subscribes`."""

    def __init__(self, client: Client, settings: Settings, notebook: Notebook) -> None:
        self._client = client
        self._settings = settings
        self._notebook = notebook

    def subscribe(self, url: str, secrets: Secrets) -> Json:
        """Adopts the subscription for `url` if its secret is stored; replaces one whose deliveries cannot be
        verified."""
        noted = self._notebook.read(PAGE)
        for found in self._ours(url):
            if secrets.all("webhook_secret") and (noted is None or noted.get("id") == found.get("id")):
                return self._enabled(found, url)
            self._client.request("DELETE", f"{PATH}/{quote(str(found.get('id')), safe='')}")
        self._notebook.write(PAGE, {"id": None})
        made = self._client.one("POST", PATH, "webhook_subscription", body={"webhook_subscription": self._wanted(url)})
        secret = (made.get("delivery_method") or {}).get("secret")
        if not isinstance(secret, str) or not secret or not isinstance(made.get("id"), str):
            raise unreadable(True)
        secrets.put("webhook_secret", secret)
        self._notebook.write(PAGE, {"id": made["id"]})
        return _form(made, url)

    def renew(self, subscription: Json, secrets: Secrets) -> Json:
        """Re-enables the subscription if PagerDuty has disabled it; creates a new one if it no longer exists."""
        known = subscription if isinstance(subscription, dict) else {}
        url = str(known.get("url") or "")
        try:
            found = self._client.one("GET", f"{PATH}/{quote(str(known.get('id')), safe='')}", "webhook_subscription")
        except Missing:
            return self.subscribe(url, secrets)
        return self._enabled(found, url)

    def _ours(self, url: str) -> list[Payload]:
        return [s for s in self._client.pages(PATH, PATH) if address(s) == url]

    def _enabled(self, found: Payload, url: str) -> Json:
        if disabled(found):
            self._client.request("POST", f"{PATH}/{quote(str(found.get('id')), safe='')}/enable")
        return _form(found, url)

    def _wanted(self, url: str) -> Payload:
        """The wanted subscription: of the whole account, or of one service or team if the settings name exactly
        one."""
        services, teams = self._settings.service_ids, self._settings.team_ids
        about: dict[str, Any] = {"type": "account_reference"}
        if len(services) == 1:
            about = {"type": "service_reference", "id": services[0]}
        elif len(teams) == 1 and not services:
            about = {"type": "team_reference", "id": teams[0]}
        return {
            "type": "webhook_subscription",
            "delivery_method": {"type": "http_delivery_method", "url": url},
            "description": "Lockstep",
            "events": sorted(EVENTS),
            "filter": about,
        }


def address(subscription: Payload) -> str:
    """Where a subscription delivers to."""
    method = subscription.get("delivery_method")
    return str(method.get("url") or "") if isinstance(method, dict) else ""


def disabled(subscription: Payload) -> bool:
    """Whether it is disabled: by a person (`active`), or by PagerDuty after three dropped deliveries in a row
    (`temporarily_disabled`)."""
    method = subscription.get("delivery_method")
    dropped = isinstance(method, dict) and method.get("temporarily_disabled") is True
    return dropped or subscription.get("active") is False


def _form(subscription: Payload, url: str) -> Json:
    return {"id": str(subscription.get("id")), "expires_at": None, "url": url}
