"""Secrets that arrive at run time (a webhook secret shown once, a rotating refresh token), encrypted in the database.

Guarantee: a value stands in the `vault` table only as ciphertext, and neither it nor the ciphertext is in any message.

The key comes from `LOCKSTEP_VAULT_KEY`: a Fernet key, or several parted by commas, newest first (the first encrypts, all
decrypt). `Vault.rotate` writes everything again with the first, after which the others may go.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import delete, insert, select, update

from hub.domain.errors import Unauthorised
from hub.ports import Clock, Ids, Secrets
from hub.redaction import known
from hub.store.tables import vault
from hub.store.unit import Store

VARIABLE = "LOCKSTEP_VAULT_KEY"
_HOW = "make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"

KEPT = 2
"""Values kept for each connection and name: the newest, and the one that it replaces while a vendor still uses it."""

FRESH = 2.0
"""Seconds that a value is believed without looking again, so that a webhook costs no read of the vault."""


class VaultLocked(Unauthorised):
    """The vault cannot be read: no key, an invalid key, or the wrong key. Adapters see a missing credential."""


def _fernet(key: str | bytes) -> MultiFernet | None:
    text = key.decode("ascii", "replace") if isinstance(key, bytes) else key
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        return None
    known.learn(*parts)
    try:
        return MultiFernet([Fernet(part) for part in parts])
    except ValueError:
        raise VaultLocked(f"{VARIABLE} is not a Fernet key (32 bytes in URL-safe base64); {_HOW}") from None


@dataclass(frozen=True)
class Vault:
    """The vault of one database. key: as in `LOCKSTEP_VAULT_KEY`, may be empty as long as nothing is put or kept.

    Raises VaultLocked when the key is malformed.
    """

    store: Store
    clock: Clock
    ids: Ids
    key: str | bytes = field(default=b"", repr=False)
    _seen: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _fernet: MultiFernet | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_fernet", _fernet(self.key))

    def put(self, connection: str, name: str, value: str) -> None:
        """Adds a value and forgets all but the `KEPT` newest. Raises VaultLocked, StoreUnavailable."""
        known.learn(value)
        ciphertext = self._open().encrypt(value.encode())
        mine = (vault.c.connection == connection) & (vault.c.name == name)
        with self.store.unit() as tx:
            tx.execute(
                insert(vault).values(
                    id=self.ids.new(),
                    connection=connection,
                    name=name,
                    ciphertext=ciphertext,
                    created_at=self.clock.now(),
                )
            )
            newest = (vault.c.created_at.desc(), vault.c.id.desc())
            kept = tx.scalars(select(vault.c.id).where(mine).order_by(*newest).limit(KEPT)).all()
            tx.execute(delete(vault).where(mine, vault.c.id.not_in(kept)))
        self.forget(connection)

    def all(self, connection: str, name: str) -> tuple[str, ...]:
        """The values, newest first; up to `FRESH` seconds old. Raises VaultLocked when there are some and no key fits."""
        now = self.clock.monotonic()
        seen = self._seen.get((connection, name))
        if seen and now - seen[0] < FRESH:
            return seen[1]
        values = self._read(connection, name)
        with self._lock:
            self._seen[connection, name] = now, values
        return values

    def forget(self, connection: str) -> None:
        """Drops cached values, because another process may have stored a newer secret."""
        with self._lock:
            for key in [key for key in self._seen if key[0] == connection]:
                del self._seen[key]

    def rotate(self) -> int:
        """Encrypts every value again with the first key; returns how many. Raises VaultLocked, and then changes nothing."""
        with self.store.unit() as tx:
            rows = tx.execute(select(vault.c.id, vault.c.connection, vault.c.name, vault.c.ciphertext)).all()
            for id, connection, name, ciphertext in rows:
                again = self._open().encrypt(self._plain(connection, name, ciphertext).encode())
                tx.execute(update(vault).where(vault.c.id == id).values(ciphertext=again))
        return len(rows)

    def secrets(self, connection: str, base: Secrets) -> VaultSecrets:
        """A connection's secrets: those in the vault before those from the configuration."""
        return VaultSecrets(self, connection, base)

    def _read(self, connection: str, name: str) -> tuple[str, ...]:
        query = (
            select(vault.c.ciphertext)
            .where(vault.c.connection == connection, vault.c.name == name)
            .order_by(vault.c.created_at.desc(), vault.c.id.desc())
            .limit(KEPT)
        )
        with self.store.reading() as tx:
            rows = tx.scalars(query).all()
        return tuple(self._plain(connection, name, row) for row in rows)

    def _plain(self, connection: str, name: str, ciphertext: bytes) -> str:
        try:
            value = self._open().decrypt(ciphertext).decode()
        except InvalidToken:
            words = f"{VARIABLE} does not open {name!r} of connection {connection!r}: it was stored under another key"
        else:
            known.learn(value)
            return value
        raise VaultLocked(f"{words}; add that key after a comma, or store the secret again")

    def _open(self) -> MultiFernet:
        if self._fernet is None:
            raise VaultLocked(
                f"{VARIABLE} is not set: secrets that arrive at run time can be neither stored nor read; {_HOW}"
            )
        return self._fernet


@dataclass(frozen=True)
class VaultSecrets:
    """`hub.ports.Secrets` of one connection: the vault's values, then those of `base` (environment, files)."""

    vault: Vault
    connection: str
    base: Secrets

    def get(self, name: str) -> str:
        """The newest in the vault, else the configured one. Raises Unauthorised that names what is missing."""
        kept = self.vault.all(self.connection, name)
        return kept[0] if kept else self.base.get(name)

    def all(self, name: str) -> Sequence[str]:
        """Every value valid now, newest first, each once."""
        return list(dict.fromkeys((*self.vault.all(self.connection, name), *self.base.all(name))))

    def put(self, name: str, value: str) -> None:
        """Into the vault. Raises VaultLocked without a key."""
        self.vault.put(self.connection, name, value)

    def refresh(self) -> None:
        """Drops cached values: called before a signature is judged invalid, because another process may have stored a
        newer secret."""
        self.vault.forget(self.connection)
