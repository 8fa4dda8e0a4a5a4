"""Graph's change notifications: the validation handshake, their authenticity, and which message changed.

There is no signature. Every item carries the `clientState` that we chose when we subscribed, which only Graph and we
know; items with encrypted content are proved by their validation tokens too. Not ordered, at least once, several
subscriptions in one delivery, within 3 s (Microsoft Graph, "Receive change notifications through webhooks").
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
"""Bytes. Real validation tokens are shorter; nothing longer is sent back."""

LIFECYCLE: Mapping[str, Hint] = {
    "missed": Hint(event="missed", resync=True),
    "reauthorizationRequired": Hint(event="reauthorizationRequired", subscription="renew"),
    "subscriptionRemoved": Hint(event="subscriptionRemoved", subscription="recreate", resync=True),
}

CHANGES = frozenset({"created", "updated", "deleted"})


def handshake(request: Request) -> Reply | None:
    """Graph proves that the URL is ours by having a token sent back, as plain text. A token that could be markup is
    refused: this endpoint reflects no script."""
    token = request.query.get("validationToken")
    if token is None or request.method.upper() != "POST":
        return None
    raw = token.encode("utf-8", "replace")
    if "<" in token or len(raw) > TOKEN_LIMIT or not token.isprintable():
        return Reply(400, b"not a validation token", "text/plain", store=False)
    return Reply(200, raw, "text/plain", store=False)


def items(body: bytes) -> list[dict[str, Any]] | None:
    """The items of a delivery, or None when it is something else."""
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
    """The same for a repeated delivery: a hash over what each item names.

    An "updated" item without an etag or id cannot be told from the next change of the same message; such a delivery is
    new each time it comes (reading twice is cheap, losing an edit is not).
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
    """One channel's notifications. team, channel: ids; notifications of others are ignored.

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
        """Every item must carry one of our client states. Raises InvalidSignature."""
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
        """Raises Unusable when it is no change notification at all."""
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
            alone=change == "updated" and where.ref.kind == INCIDENT,  # what is said under it is announced by itself
        )  # fmt: skip

    def _actor(self, item: Mapping[str, Json]) -> Any:
        """Who sent the message, where the content came along (that is its author, not always who changed it)."""
        if "encryptedContent" not in item:
            return None
        try:
            return wire.author(decrypt(item["encryptedContent"], self._pems(self.secrets)))
        except InvalidSignature:
            return None
