"""The hub's subscription to a channel's messages: creates, adopts and renews it (at half of its lifetime).

A lifetime of more than an hour needs a `lifecycleNotificationUrl`, which cannot be added later; both URLs are the same
here. The granted lifetime is read from Graph's response (Microsoft Graph, "subscription" and "Reduce missing change
notifications").
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from adapters.http import understood
from adapters.registry import Spec
from adapters.teams import wire
from adapters.teams.graph import Graph
from adapters.teams.settings import Settings
from hub.domain.errors import Refused
from hub.domain.values import Json
from hub.ports import Secrets

CHANGES = "created,updated,deleted"


def _kept(answer: Mapping[str, Json], url: str, asked_at: datetime) -> Json:
    """The subscription as the hub stores it. renew_at: at half of the remaining lifetime."""
    ends = wire.when(answer.get("expirationDateTime"))
    half = asked_at + (ends - asked_at) / 2 if ends else asked_at
    return {
        "id": str(answer.get("id") or ""),
        "expires_at": ends.isoformat() if ends else None,
        "renew_at": half.isoformat(),
        "url": url,
    }


class Subscriptions:
    """Calls to `/subscriptions`, with the connection's own credential."""

    def __init__(self, spec: Spec, settings: Settings, graph: Graph) -> None:
        self.spec, self.settings, self.graph = spec, settings, graph

    def _until(self, now: datetime) -> str:
        return wire.stamp(now + timedelta(minutes=self.settings.subscription_minutes))

    def ours(self) -> list[dict[str, Any]]:
        """The application's live subscriptions on this channel."""
        now = self.spec.clock.now()
        found = self.graph.get(lambda c: c.subscriptions).read("value")["value"]
        wanted = self.settings.resource.strip("/").lower()
        return [
            s
            for s in understood(found, list, "id")
            if str(s.get("resource") or "").strip("/").lower() == wanted
            and (wire.when(s.get("expirationDateTime")) or now) > now
        ]

    def subscribe(self, url: str, secrets: Secrets) -> Json:
        """Adopts a subscription to `url` if its client state is known, else creates one. Graph sends its validation
        request to `url` while this call runs. Raises VendorErrors."""
        for known in self.ours():
            if known.get("notificationUrl") != url:
                continue
            if secrets.all("client_state"):
                return self._extend(str(known["id"]), url)
            self._drop(str(known["id"]))
        return self._make(url, secrets)

    def _make(self, url: str, secrets: Secrets) -> Json:
        if not secrets.all("client_state"):
            secrets.put("client_state", self.spec.ids.token(32))
        now = self.spec.clock.now()
        body: dict[str, Json] = {
            "changeType": CHANGES,
            "notificationUrl": url,
            "lifecycleNotificationUrl": url,
            "resource": self.settings.resource,
            "expirationDateTime": self._until(now),
            "clientState": secrets.all("client_state")[0],
        }
        if self.settings.encryption_certificate:
            body["includeResourceData"] = True
            body["encryptionCertificate"] = self.settings.encryption_certificate
            body["encryptionCertificateId"] = self.settings.encryption_certificate_id
        answer = self.graph.call("POST", lambda c: c.subscriptions, body, write=True)
        return _kept(answer.json(), url, now)

    def _extend(self, name: str, url: str) -> Json:
        """Extends the subscription by a PATCH, which reauthorises it too."""
        now = self.spec.clock.now()
        body = {"expirationDateTime": self._until(now)}
        answer = self.graph.call("PATCH", lambda c: c.subscriptions.by_subscription_id(name), body, write=True)
        return _kept({"id": name, **answer.json()}, url, now)

    def _drop(self, name: str) -> None:
        self.graph.call("DELETE", lambda c: c.subscriptions.by_subscription_id(name), write=True)

    def renew(self, subscription: Json, secrets: Secrets) -> Json:
        """Extends the subscription; creates it again if Graph no longer has it. Raises VendorErrors."""
        name, url = str(subscription["id"]), str(subscription["url"])
        if secrets.all("client_state"):
            try:
                return self._extend(name, url)
            except Refused:
                pass
        return self.subscribe(url, secrets)
