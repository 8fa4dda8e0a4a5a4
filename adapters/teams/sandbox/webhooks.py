"""The webhooks of the Teams stand-in: change notifications to subscribers, and outgoing-webhook calls."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import requests

from adapters.teams.sandbox.payloads import shown
from adapters.teams.sandbox.state import Message, State, Subscription
from adapters.teams.wire import stamp

SENDER = "0bf30f3b-4a52-48df-9a82-234910c4a086"

Emit = Callable[[str, bytes, Mapping[str, str], str, str | None], None]
"""(url, body, headers, id of the changed object, delivery id): puts one webhook into `outgoing`."""

Shake = Callable[[str, str], tuple[int, str, str]]
"""(url, token) → (status, content type, body): sends the validation token to the subscriber's URL."""


def over_http(url: str, token: str) -> tuple[int, str, str]:
    """Sends it over HTTP with a time-out of 10 s, as Graph does. Returns (0, "", "") without a response."""
    try:
        answer = requests.post(f"{url}?{urlencode({'validationToken': token})}", timeout=10)
    except requests.RequestException:
        return 0, "", ""
    return answer.status_code, answer.headers.get("Content-Type", ""), answer.text


class Push:
    """Sends what subscribers and the team's outgoing webhook get. subscriptions: those of `state`. outgoing_url,
    outgoing_secret: of the outgoing webhook (the secret in base64, as Teams shows it)."""

    def __init__(self, state: State, emit: Emit) -> None:
        self.state = state
        self.emit = emit
        self.subscriptions = state.subscriptions
        self.shake: Shake = over_http
        self.outgoing_url: str | None = None
        self.outgoing_secret = base64.b64encode(b"stand-in outgoing webhook secret").decode()
        self._key: Any = None

    # --- change notifications ---------------------------------------------------------------------------------------

    def notify(self, message: Message, change: str) -> None:
        """Queues one delivery for each live subscription to this kind of change."""
        state, now = self.state, self.state.clock.now()
        path = f"teams('{state.team}')/channels('{state.channel}')/messages('{message.root or message.id}')"
        if message.root:
            path += f"/replies('{message.id}')"
        for one in [s for s in self.subscriptions.values() if s.ends > now and change in s.changes]:
            item: dict[str, Any] = {
                "subscriptionId": one.id,
                "subscriptionExpirationDateTime": stamp(one.ends),
                "clientState": one.state,
                "changeType": change,
                "resource": path,
                "tenantId": state.tenant,
                "resourceData": {
                    "@odata.type": "#Microsoft.Graph.chatMessage", "@odata.id": path, "id": message.id,
                    "@odata.etag": str(message.etag),
                },
            }  # fmt: skip
            delivery: dict[str, Any] = {"value": [item]}
            if one.certificate:
                item["encryptedContent"] = self._seal(shown(state, message), one)
                delivery["validationTokens"] = [self.validation_token()]
            self._emit(one.url, delivery, message.id)

    def lifecycle(self, event: str) -> None:
        """Sends "missed", "reauthorizationRequired" or "subscriptionRemoved" to every subscriber; the last one also
        removes the subscriptions."""
        for one in list(self.subscriptions.values()):
            item = {
                "subscriptionId": one.id, "subscriptionExpirationDateTime": stamp(one.ends), "clientState": one.state,
                "tenantId": self.state.tenant, "lifecycleEvent": event,
            }  # fmt: skip
            if event == "subscriptionRemoved":
                del self.subscriptions[one.id]
            if one.lifecycle_url:
                self._emit(one.lifecycle_url, {"value": [item]}, one.id)

    def _emit(self, url: str, delivery: dict[str, Any], about: str) -> None:
        body = json.dumps(delivery).encode()
        self.emit(url, body, {"Content-Type": "application/json; charset=utf-8"}, about, None)

    # --- encryption -------------------------------------------------------------------------------------------------

    def _private(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric import rsa

        if self._key is None:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    def jwk(self) -> dict[str, str]:
        """The public key that verifies the validation tokens."""
        numbers = self._private().public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        words = {"n": numbers.n.to_bytes(size, "big"), "e": numbers.e.to_bytes(3, "big")}
        packed = {k: base64.urlsafe_b64encode(v).rstrip(b"=").decode() for k, v in words.items()}
        return {"kty": "RSA", "use": "sig", "kid": "stand-in-1", "alg": "RS256", **packed}

    def validation_token(self, **claims: Any) -> str:
        """A signed validation token. claims: replace those of a valid token."""
        import jwt

        now = int(self.state.clock.now().timestamp())
        good = {
            "aud": self.state.client_id, "iss": f"https://sts.windows.net/{self.state.tenant}/", "appid": SENDER,
            "nbf": now, "exp": now + 3600, "tid": self.state.tenant,
        }  # fmt: skip
        return jwt.encode({**good, **claims}, self._private(), algorithm="RS256", headers={"kid": "stand-in-1"})

    def _seal(self, resource: dict[str, Any], one: Subscription) -> dict[str, str]:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, padding
        from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        public = x509.load_der_x509_certificate(base64.b64decode(one.certificate or "")).public_key()
        key = hashlib.sha256(self.state.ids.token(32).encode()).digest()
        padder = padding.PKCS7(128).padder()
        padded = padder.update(json.dumps(resource).encode()) + padder.finalize()
        sealer = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        data = sealer.update(padded) + sealer.finalize()
        oaep = rsa_padding.OAEP(mgf=rsa_padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
        wrapped = public.encrypt(key, oaep)  # type: ignore[union-attr]
        parts = {"data": data, "dataKey": wrapped, "dataSignature": hmac.new(key, data, hashlib.sha256).digest()}
        packed = {k: base64.b64encode(v).decode() for k, v in parts.items()}
        return {**packed, "encryptionCertificateId": one.certificate_id or ""}

    # --- outgoing webhook -------------------------------------------------------------------------------------------

    def activity(self, message: Message, text: str, person: str) -> dict[str, Any]:
        state = self.state
        return {
            "type": "message",
            "id": message.id,
            "timestamp": stamp(state.clock.now()),
            "serviceUrl": "https://smba.trafficmanager.net/emea/",
            "channelId": "msteams",
            "from": {"id": f"29:{person}", "name": state.people.get(person, "?"), "aadObjectId": person},
            "conversation": {
                "isGroup": True, "conversationType": "channel", "tenantId": state.tenant,
                "id": f"{state.channel};messageid={message.root or message.id}",
            },
            "recipient": {"id": "28:lockstep", "name": "Lockstep"},
            "text": f"<at>Lockstep</at>&nbsp;{html.escape(text, quote=False)}\n",
            "textFormat": "plain",
            "channelData": {
                "teamsChannelId": state.channel, "channel": {"id": state.channel}, "tenant": {"id": state.tenant},
            },
        }  # fmt: skip

    def command(self, message: Message, text: str, person: str) -> None:
        """Calls the team's outgoing webhook, if it has one."""
        if self.outgoing_url:
            body = json.dumps(self.activity(message, text, person), ensure_ascii=False).encode()
            self.emit(self.outgoing_url, body, self.signed(body), message.id, message.id)

    def signed(self, body: bytes) -> dict[str, str]:
        mac = hmac.new(base64.b64decode(self.outgoing_secret), body, hashlib.sha256).digest()
        return {"Content-Type": "application/json", "Authorization": f"HMAC {base64.b64encode(mac).decode()}"}
