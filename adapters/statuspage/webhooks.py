"""Statuspage's webhook notifications: unsigned, so an unguessable path is their only authentication.

They are used as hints only; the values are read by REST. `meta.unsubscribe` in them is a working link that ends the
hub's subscription: nothing of `meta` goes into a hint, an id or a message.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from adapters.statuspage import wire
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import Hint, Request
from hub.ports import Secrets

PATH_TOKEN = "webhook_path_token"  # noqa: S105 - the name of a secret, not one
"""Name of the secret that is the last segment of the webhook's URL; several are valid while it is rotated."""


def parse(body: bytes) -> Any:
    """The parsed body. Raises only Unusable, for any bytes."""
    try:
        return json.loads(body)
    except RecursionError:
        raise Unusable("the body is nested too deeply") from None
    except ValueError:
        raise Unusable("the body is not JSON") from None


def authenticate(request: Request, secrets: Secrets) -> str:
    """The delivery id. Raises InvalidSignature."""
    given = request.path.rstrip("/").rsplit("/", 1)[-1].encode("utf-8", "surrogatepass")
    tokens = [token.encode() for token in secrets.all(PATH_TOKEN) if token]
    if not tokens:
        raise InvalidSignature(f"the secret {PATH_TOKEN} is not set: notifications cannot be verified")
    matches = [hmac.compare_digest(given, token) for token in tokens]
    if True not in matches:
        raise InvalidSignature("the path does not end in a valid token")
    try:
        named = wire.delivery_id(parse(request.body))
    except (Unusable, RecursionError):
        named = None
    return named or hashlib.sha256(request.body).hexdigest()


def hints(request: Request) -> Sequence[Hint]:
    """The hints in a notification. Pure. Raises Unusable."""
    return wire.hints(parse(request.body))
