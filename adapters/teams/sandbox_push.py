"""What the stand-in sends: change notifications to subscribers, and outgoing-webhook calls; with the subscriptions' routes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests
from flask import Response, jsonify, request

from adapters.teams.sandbox_graph import error, shown, who
from adapters.teams.wire import stamp, when

if TYPE_CHECKING:
    from adapters.teams.sandbox import Message, TeamsSandbox

SENDER = "0bf30f3b-4a52-48df-9a82-234910c4a086"
LONGEST = timedelta(minutes=4320)

Shake = Callable[[str, str], tuple[int, str, str]]
"""(url, token) → (status, content type, body): asks the subscriber's URL."""


def over_http(url: str, token: str) -> tuple[int, str, str]:
    """Really asks, within 10 s, as Graph does. (0, "", "") when nobody answers."""
    try:
        answer = requests.post(f"{url}?{urlencode({'validationToken': token})}", timeout=10)
    except requests.RequestException:
        return 0, "", ""
    return answer.status_code, answer.headers.get("Content-Type", ""), answer.text


@dataclass
class Subscription:
    id: str
    url: str
    lifecycle_url: str | None
    resource: str
    changes: frozenset[str]
    state: str
    ends: datetime
    certificate: str | None
    certificate_id: str | None

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id, "resource": self.resource, "changeType": ",".join(sorted(self.changes)), "clientState": None,
            "notificationUrl": self.url, "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": stamp(self.ends), "includeResourceData": self.certificate is not None,
        }  # fmt: skip


class Push:
    """subscriptions by id. outgoing_url, outgoing_secret: the team's outgoing webhook (secret as Teams shows it: base64)."""

    def __init__(self, world: TeamsSandbox) -> None:
        self.world = world
        self.subscriptions: dict[str, Subscription] = {}
        self.shake: Shake = over_http
        self.outgoing_url: str | None = None
        self.outgoing_secret = base64.b64encode(b"stand-in outgoing webhook secret").decode()
        self._key: Any = None

    # --- change notifications ---------------------------------------------------------------------------------------

    def notify(self, message: Message, change: str) -> None:
        """One delivery for each live subscription that asked for this change."""
        world, now = self.world, self.world.clock.now()
        path = f"teams('{world.team}')/channels('{world.channel}')/messages('{message.root or message.id}')"
        if message.root:
            path += f"/replies('{message.id}')"
        for one in [s for s in self.subscriptions.values() if s.ends > now and change in s.changes]:
            item: dict[str, Any] = {
                "subscriptionId": one.id,
                "subscriptionExpirationDateTime": stamp(one.ends),
                "clientState": one.state,
                "changeType": change,
                "resource": path,
                "tenantId": world.tenant,
                "resourceData": {
                    "@odata.type": "#Microsoft.Graph.chatMessage", "@odata.id": path, "id": message.id,
                    "@odata.etag": str(message.etag),
                },
            }  # fmt: skip
            delivery: dict[str, Any] = {"value": [item]}
            if one.certificate:
                item["encryptedContent"] = self._seal(shown(world, message), one)
                delivery["validationTokens"] = [self.validation_token()]
            self._emit(one.url, delivery, message.id)

    def lifecycle(self, event: str) -> None:
        """ "missed", "reauthorizationRequired" or "subscriptionRemoved" to every subscriber; the last one removes."""
        for one in list(self.subscriptions.values()):
            item = {
                "subscriptionId": one.id, "subscriptionExpirationDateTime": stamp(one.ends), "clientState": one.state,
                "tenantId": self.world.tenant, "lifecycleEvent": event,
            }  # fmt: skip
            if event == "subscriptionRemoved":
                del self.subscriptions[one.id]
            if one.lifecycle_url:
                self._emit(one.lifecycle_url, {"value": [item]}, one.id)

    def _emit(self, url: str, delivery: dict[str, Any], about: str) -> None:
        body = json.dumps(delivery).encode()
        self.world.emit(url, body, {"Content-Type": "application/json; charset=utf-8"}, about)

    # --- encryption -------------------------------------------------------------------------------------------------

    def _private(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric import rsa

        if self._key is None:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    def jwk(self) -> dict[str, str]:
        """The public key that validation tokens are signed with."""
        numbers = self._private().public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        words = {"n": numbers.n.to_bytes(size, "big"), "e": numbers.e.to_bytes(3, "big")}
        packed = {k: base64.urlsafe_b64encode(v).rstrip(b"=").decode() for k, v in words.items()}
        return {"kty": "RSA", "use": "sig", "kid": "stand-in-1", "alg": "RS256", **packed}

    def validation_token(self, **claims: Any) -> str:
        """claims: replace those of a good token."""
        import jwt

        now = int(self.world.clock.now().timestamp())
        good = {
            "aud": self.world.client_id, "iss": f"https://sts.windows.net/{self.world.tenant}/", "appid": SENDER,
            "nbf": now, "exp": now + 3600, "tid": self.world.tenant,
        }  # fmt: skip
        return jwt.encode({**good, **claims}, self._private(), algorithm="RS256", headers={"kid": "stand-in-1"})

    def _seal(self, resource: dict[str, Any], one: Subscription) -> dict[str, str]:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, padding
        from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        public = x509.load_der_x509_certificate(base64.b64decode(one.certificate or "")).public_key()
        key = hashlib.sha256(self.world.ids.token(32).encode()).digest()
        padder = padding.PKCS7(128).padder()
        padded = padder.update(json.dumps(resource).encode()) + padder.finalize()
        sealer = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        data = sealer.update(padded) + sealer.finalize()
        oaep = rsa_padding.OAEP(mgf=rsa_padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303
        wrapped = public.encrypt(key, oaep)  # type: ignore[union-attr]
        parts = {"data": data, "dataKey": wrapped, "dataSignature": hmac.new(key, data, hashlib.sha256).digest()}
        packed = {k: base64.b64encode(v).decode() for k, v in parts.items()}
        return {**packed, "encryptionCertificateId": one.certificate_id or ""}

    # --- outgoing webhook -------------------------------------------------------------------------------------------

    def activity(self, message: Message, text: str, person: str) -> dict[str, Any]:
        world = self.world
        return {
            "type": "message",
            "id": message.id,
            "timestamp": stamp(world.clock.now()),
            "serviceUrl": "https://smba.trafficmanager.net/emea/",
            "channelId": "msteams",
            "from": {"id": f"29:{person}", "name": world.people.get(person, "?"), "aadObjectId": person},
            "conversation": {
                "isGroup": True, "conversationType": "channel", "tenantId": world.tenant,
                "id": f"{world.channel};messageid={message.root or message.id}",
            },
            "recipient": {"id": "28:lockstep", "name": "Lockstep"},
            "text": f"<at>Lockstep</at>&nbsp;{html.escape(text, quote=False)}\n",
            "textFormat": "plain",
            "channelData": {
                "teamsChannelId": world.channel, "channel": {"id": world.channel}, "tenant": {"id": world.tenant},
            },
        }  # fmt: skip

    def command(self, message: Message, text: str, person: str) -> None:
        """Teams calls the outgoing webhook, if the team has one."""
        if self.outgoing_url:
            body = json.dumps(self.activity(message, text, person), ensure_ascii=False).encode()
            self.world.emit(self.outgoing_url, body, self.signed(body), message.id, id=message.id)

    def signed(self, body: bytes) -> dict[str, str]:
        mac = hmac.new(base64.b64decode(self.outgoing_secret), body, hashlib.sha256).digest()
        return {"Content-Type": "application/json", "Authorization": f"HMAC {base64.b64encode(mac).decode()}"}


def routes(world: TeamsSandbox) -> None:
    """`/subscriptions`: made only after a handshake with the subscriber's URL."""
    app, push = world.app, world.push

    def ends(data: dict[str, Any]) -> datetime | Response:
        until = when(data.get("expirationDateTime"))
        now = world.clock.now()
        if until is None or not now < until <= now + LONGEST:
            return error(400, "InvalidRequest", "Subscription expiration can only be 4320 minutes in the future.")
        return until

    def shaken(url: str) -> bool:
        token = f"Validation: Testing client application reachability for subscription Request-Id: {world.ids.new()}"
        status, kind, body = push.shake(url, token)
        return status == 200 and kind.startswith("text/plain") and body == token

    @app.get("/v1.0/subscriptions")
    def listed() -> Any:
        if who(world) is None:
            return error(401, "InvalidAuthenticationToken", "Access token is missing or over.")
        live = [s for s in push.subscriptions.values() if s.ends > world.clock.now()]
        return jsonify({"value": [s.shown() for s in live]})

    @app.post("/v1.0/subscriptions")
    def made() -> Any:
        if who(world) is None:
            return error(401, "InvalidAuthenticationToken", "Access token is missing or over.")
        data = request.get_json(silent=True) or {}
        until = ends(data)
        if isinstance(until, Response):
            return until
        url, second, state = data.get("notificationUrl"), data.get("lifecycleNotificationUrl"), data.get("clientState")
        if data.get("resource") != f"/teams/{world.team}/channels/{world.channel}/messages":
            return error(400, "InvalidRequest", "Resource is not supported.")
        if until > world.clock.now() + timedelta(hours=1) and not second:
            words = "lifecycleNotificationUrl is a required property for subscription creation on this resource when "
            return error(400, "InvalidRequest", words + "the expirationDateTime value is set to greater than 1 hour.")
        if not isinstance(url, str) or not isinstance(state, str) or len(state) > 128:
            return error(400, "InvalidRequest", "notificationUrl or clientState is missing or too long.")
        if any(s.resource == data["resource"] and s.ends > world.clock.now() for s in push.subscriptions.values()):
            return error(409, "Conflict", "A subscription on this resource exists.")
        if not all(shaken(u) for u in (url, second) if u):
            return error(400, "ValidationError", "Subscription validation request failed.")
        changes = frozenset(str(data.get("changeType")).split(","))
        certificate = data.get("encryptionCertificate") if data.get("includeResourceData") else None
        one = Subscription(
            world.ids.new(), url, second, data["resource"], changes, state, until, certificate,
            data.get("encryptionCertificateId"),
        )  # fmt: skip
        push.subscriptions[one.id] = one
        return jsonify(one.shown()), 201

    @app.route("/v1.0/subscriptions/<name>", methods=["PATCH", "DELETE"])
    def one(name: str) -> Any:
        if who(world) is None:
            return error(401, "InvalidAuthenticationToken", "Access token is missing or over.")
        found = push.subscriptions.get(name)
        if found is None or found.ends <= world.clock.now():
            return error(404, "ResourceNotFound", "The object was not found.")
        if request.method == "DELETE":
            del push.subscriptions[name]
            return Response(status=204)
        until = ends(request.get_json(silent=True) or {})
        if isinstance(until, Response):
            return until
        found.ends = until
        return jsonify(found.shown())
