"""Encrypted content of change notifications, and the tokens that prove its sender.

Graph wraps a fresh key with our certificate (RSA-OAEP, SHA-1), signs the data with it (HMAC-SHA256) and encrypts them
with AES-256-CBC, PKCS7, the initialisation vector being the first 16 bytes of the key (Microsoft Graph, "Set up change
notifications that include resource data"). The signature is checked before anything is decrypted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.domain.errors import InvalidSignature
from hub.domain.values import Json

KeySource = Callable[[str], Any]
"""Key id → public key of the identity platform (a JWK as a dict, or a PEM), or None when it is unknown."""

SENDER = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""The application id of Graph's change tracking service, by Microsoft's documents (setting `notification_app`)."""

LEEWAY = 300.0
"""Seconds by which Microsoft's clock may differ from the hub's."""


def _bytes(content: Mapping[str, Json], name: str) -> bytes:
    try:
        return base64.b64decode(str(content.get(name) or ""), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSignature(f"encrypted content: {name} is not base64") from None


def decrypt(content: Json, pem_of: Callable[[str], Sequence[str]]) -> dict[str, Json]:
    """The resource in an `encryptedContent`. pem_of: certificate id → the hub's private keys (PEM). Raises
    InvalidSignature."""
    from cryptography.hazmat.primitives import hashes, padding, serialization
    from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if not isinstance(content, Mapping):
        raise InvalidSignature("encrypted content: not an object")
    pems = pem_of(str(content.get("encryptionCertificateId") or ""))
    if not pems:
        raise InvalidSignature("encrypted content: no private key for its certificate")
    wrapped, signature, data = (_bytes(content, n) for n in ("dataKey", "dataSignature", "data"))
    oaep = rsa_padding.OAEP(mgf=rsa_padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303
    for pem in pems:
        try:
            private = serialization.load_pem_private_key(pem.encode(), password=None)
            key = private.decrypt(wrapped, oaep) if isinstance(private, RSAPrivateKey) else b""
        except (ValueError, TypeError):
            continue
        if len(key) != 32 or not hmac.compare_digest(hmac.new(key, data, hashlib.sha256).digest(), signature):
            continue
        try:
            opened = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
            padded = opened.update(data) + opened.finalize()
            remover = padding.PKCS7(128).unpadder()
            resource = json.loads(remover.update(padded) + remover.finalize())
        except (ValueError, RecursionError):
            break
        return resource if isinstance(resource, dict) else {}
    raise InvalidSignature("encrypted content: it cannot be decrypted with our key")


def check_token(token: Json, keys: KeySource, audience: str, tenant: str, sender: str, now: datetime) -> None:
    """Checks one of `validationTokens`: RS256, the hub's application as the audience, its tenant as the issuer, Graph
    as the authorised party. Raises InvalidSignature."""
    import jwt

    try:
        kid = jwt.get_unverified_header(str(token)).get("kid")
        found = keys(str(kid))
        if found is None:
            raise InvalidSignature("validation token: unknown signing key")
        key = jwt.PyJWK(dict(found), algorithm="RS256") if isinstance(found, Mapping) else found
        claims = jwt.decode(
            str(token), key, algorithms=["RS256"], audience=audience,
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp", "aud", "iss"]},
        )  # fmt: skip
    except (jwt.PyJWTError, ValueError, TypeError) as exc:
        raise InvalidSignature(f"validation token: {type(exc).__name__}") from None
    try:
        lives = float(claims.get("nbf", 0)) - LEEWAY <= now.timestamp() <= float(claims["exp"]) + LEEWAY
    except (TypeError, ValueError):
        lives = False
    if not lives:
        raise InvalidSignature("validation token: expired or not yet valid")
    if tenant not in str(claims["iss"]).strip("/").split("/"):
        raise InvalidSignature("validation token: issued for another tenant")
    if sender not in (claims.get("azp"), claims.get("appid")):
        raise InvalidSignature("validation token: not from Graph's change tracking")
