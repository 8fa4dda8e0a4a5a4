"""Tokens of the JSON API. A token is shown once, when it is made; the database holds only its SHA-256 (of 256 random bits,
so that no slower hash is needed), its scopes and its end."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, or_, select, update

from hub.ports import Clock, Ids
from hub.store.tables import tokens
from hub.store.unit import Store

PREFIX = "ls_"
"""Prefix by which secret scanners recognise a token."""

SCOPES = ("read", "write", "admin")
"""Each includes those before it: to read; to work on incidents; to publish, to retry, to change how the hub runs."""

LIFETIME = timedelta(days=90)

LONGEST_DAYS = 36_500
"""Longest lifetime in days; for longer use `lifetime=None`, which never expires."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a valid token allows. name: the token's, for the journal."""

    id: str
    name: str
    scopes: frozenset[str]

    def allows(self, scope: str) -> bool:
        return any(SCOPES.index(own) >= SCOPES.index(scope) for own in self.scopes)


def hashed(token: str) -> str:
    """What is stored instead of the token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def create(
    store: Store,
    clock: Clock,
    ids: Ids,
    name: str,
    scopes: Iterable[str] = ("read",),
    lifetime: timedelta | None = LIFETIME,
) -> tuple[str, str]:
    """(id, the token: it cannot be shown again). lifetime None: until it is revoked. Raises ValueError,
    StoreUnavailable."""
    wanted = sorted(set(scopes), key=lambda s: SCOPES.index(s) if s in SCOPES else -1)
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        raise ValueError(f"scopes must be some of {', '.join(SCOPES)}, not {', '.join(unknown) or 'none'}")
    if not name.strip() or len(name) > 80 or not name.isprintable():
        raise ValueError("a token needs a name of 1 to 80 printable characters")
    if lifetime is not None and lifetime <= timedelta(0):
        raise ValueError("a token's lifetime must be positive")
    if lifetime is not None and lifetime > timedelta(days=LONGEST_DAYS):
        raise ValueError(f"a token's lifetime ends after at most {LONGEST_DAYS} days")
    id, token, now = ids.new(), PREFIX + ids.token(32), clock.now()
    row = {
        "id": id,
        "name": name,
        "hash": hashed(token),
        "scopes": wanted,
        "created_at": now,
        "expires_at": now + lifetime if lifetime is not None else None,
    }
    with store.unit() as tx:
        tx.execute(insert(tokens).values(row))
    return id, token


def check(store: Store, clock: Clock, token: str) -> Grant | None:
    """What this token allows now, or None: unknown, expired or revoked. Raises StoreUnavailable."""
    if not token.startswith(PREFIX) or len(token) > 200:
        return None
    digest = hashed(token)
    with store.reading() as tx:
        row = tx.execute(select(tokens).where(tokens.c.hash == digest)).mappings().first()
    if row is None or not hmac.compare_digest(row["hash"], digest):
        return None
    if row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= clock.now()):
        return None
    return Grant(row["id"], row["name"], frozenset(row["scopes"]))


def listed(store: Store) -> list[dict[str, Any]]:
    """Every token, oldest first, without its hash: id, name, scopes, created_at, expires_at, revoked_at."""
    columns = [column for column in tokens.c if column.name != "hash"]
    with store.reading() as tx:
        rows = tx.execute(select(*columns).order_by(tokens.c.created_at, tokens.c.id)).mappings().all()
    return [dict(row) for row in rows]


def revoke(store: Store, clock: Clock, id_or_name: str) -> int:
    """Ends the token of this id, or every one of this name, now; returns how many were still valid."""
    mine = or_(tokens.c.id == id_or_name, tokens.c.name == id_or_name)
    with store.unit() as tx:
        done = tx.execute(update(tokens).where(mine, tokens.c.revoked_at.is_(None)).values(revoked_at=clock.now()))
    return done.rowcount
