"""Graph's change notifications: the validation handshake, their authenticity, and which message changed.

There is no signature. Every item carries the `clientState` that the hub chose when it subscribed, which only Graph and
the hub know; items with encrypted content are verified by their validation tokens too. Deliveries are not ordered, come
at least once, may combine several subscriptions, and must be answered within 3 s (Microsoft Graph, "Receive change
notifications through webhooks").
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.teams import wire
from adapters.teams.encrypted import KeySource, check_token, decrypt
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import INCIDENT, Hint, Json, Reply, Request
from hub.ports import Secrets

TOKEN_LIMIT = 4096
"""Most bytes of a validation token. Real ones are shorter; nothing longer is sent back."""

LIFECYCLE: Mapping[str, Hint] = {
    "missed": Hint(event="missed", resync=True),
    "reauthorizationRequired": Hint(event="reauthorizationRequired", subscription="renew"),
    "subscriptionRemoved": Hint(event="subscriptionRemoved", subscription="recreate", resync=True),
}

CHANGES = frozenset({"created", "updated", "deleted"})


def handshake(request: Request) -> Reply | None:
    """The response to Graph's validation request: Graph checks the URL by having a token sent back as plain text. A
    token that could be markup is refused, so that this endpoint never reflects a script."""
    token = request.query.get("validationToken")
    if token is None or request.method.upper() != "POST":
        return None
    raw = token.encode("utf-8", "replace")
    if "<" in token or len(raw) > TOKEN_LIMIT or not token.isprintable():
        return Reply(400, b"not a validation token", "text/plain", store=False)
    return Reply(200, raw, "text/plain", store=False)


def items(body: bytes) -> list[dict[str, Any]] | None:
    """The items of a delivery; None if the body is no delivery."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = data.get("value") if isinstance(data, dict) else None
    if not isinstance(found, list) or not found:
        return None
    return [i if isinstance(i, dict) else {} for i in found]


def _text(item: Mapping[str, Json], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _resource_data(item: Mapping[str, Json]) -> Mapping[str, Json]:
    data = item.get("resourceData")
    return data if isinstance(data, Mapping) else {}


def _names_its_version(item: Mapping[str, Json]) -> bool:
    return bool(
        item.get("id") or _resource_data(item).get("@odata.etag") or _text(item, "changeType") in ("created", "deleted")
    )


def delivery_id(found: Sequence[Mapping[str, Json]], request: Request) -> str:
    """An id that is the same for a repeated delivery: a hash over the change that each item names.

    An "updated" item without an etag or id cannot be distinguished from the next change of the same message, so such a
    delivery counts as new each time (reading twice is cheap, losing an edit is not).
    """
    keys = sorted(
        json.dumps(
            [
                item.get("id"), item.get("subscriptionId"), item.get("resource"), item.get("changeType"),
                _resource_data(item).get("@odata.etag"), item.get("lifecycleEvent"),
                item.get("subscriptionExpirationDateTime") if item.get("lifecycleEvent") else None,
            ],
            default=str,
        )
        for item in found
    )  # fmt: skip
    if not all(_names_its_version(i) or i.get("lifecycleEvent") for i in found):
        keys.append(request.received_at.isoformat())
    return "graph-" + hashlib.sha256("\n".join(keys).encode()).hexdigest()[:40]


@dataclass(frozen=True)
class ChangeNotifications:
    """Notifications for one channel. team, channel: ids; notifications for others are ignored.

    certificates: certificate id → name of the secret that holds its private key. keys: see `KeySource`.
    """

    team: str
    channel: str
    tenant: str
    client_id: str
    sender: str
    certificates: Mapping[str, str]
    secrets: Secrets
    keys: KeySource

    def _pems(self, secrets: Secrets) -> Callable[[str], Sequence[str]]:
        return lambda name: secrets.all(self.certificates[name]) if name in self.certificates else ()

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        """The delivery id. Every item must carry one of the hub's client states. Raises InvalidSignature."""
        found = items(request.body)
        if found is None:
            raise InvalidSignature("neither a change notification nor a signed command")
        known = [s.encode() for s in secrets.all("client_state")]
        if not known:
            raise InvalidSignature("the secret client_state is not set: notifications cannot be verified")
        for item in found:
            given = _text(item, "clientState").encode("utf-8", "surrogatepass")
            if not any(hmac.compare_digest(given, state) for state in known):
                raise InvalidSignature("client state is missing or wrong")
        if any("encryptedContent" in i for i in found):
            self._prove(request, found, secrets)
        return delivery_id(found, request)

    def _prove(self, request: Request, found: Sequence[Mapping[str, Json]], secrets: Secrets) -> None:
        tokens = json.loads(request.body).get("validationTokens")
        if not isinstance(tokens, list) or not tokens:
            raise InvalidSignature("encrypted content without a validation token")
        for token in tokens:
            check_token(token, self.keys, self.client_id, self.tenant, self.sender, request.received_at)
        for item in found:
            if "encryptedContent" in item:
                decrypt(item["encryptedContent"], self._pems(secrets))

    def hints(self, request: Request) -> Sequence[Hint]:
        """The hints in a delivery. Raises Unusable if it is not a change notification."""
        found = items(request.body)
        if found is None:
            raise Unusable('no JSON object with a list "value"')
        return tuple(self._hint(item) for item in found)

    def _hint(self, item: Mapping[str, Json]) -> Hint:
        lifecycle = item.get("lifecycleEvent")
        if lifecycle is not None:
            word = str(lifecycle)[:60]
            return LIFECYCLE.get(word, Hint(event=word, ignored=f"unknown lifecycle event {word!r}"))
        change = _text(item, "changeType")[:60]
        where = wire.place(_text(item, "resource")) or wire.place(_text(_resource_data(item), "@odata.id"))
        if where is None:
            return Hint(event=change or "?", ignored="not about a message of a channel")
        if (where.team.lower(), where.channel) != (self.team.lower(), self.channel):
            return Hint(event=change, ignored="about another channel")
        if change not in CHANGES:
            return Hint(event=change or "?", ref=where.ref)
        return Hint(
            event=change, ref=where.ref, deleted=change == "deleted", actor=self._actor(item), born=change == "created",
            alone=change == "updated" and where.ref.kind == INCIDENT,  # replies have notifications of their own
        )  # fmt: skip

    def _actor(self, item: Mapping[str, Json]) -> Any:
        """The author of the message, if its content was included (not always the person who changed it)."""
        if "encryptedContent" not in item:
            return None
        try:
            return wire.author(decrypt(item["encryptedContent"], self._pems(self.secrets)))
        except InvalidSignature:
            return None
