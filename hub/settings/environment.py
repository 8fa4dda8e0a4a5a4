"""What comes from the environment: the secrets of each connection, and the few addresses that differ between
installations.

Every variable `X` may be given as `X_FILE`, the path of a file that holds the value (as Docker and Kubernetes mount
secrets). No value read here is ever logged or put into an error; only the variables' names are.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.domain.errors import Unauthorised
from hub.redaction import known

MAKE_VAULT_KEY = (
    "make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
)


class Unreadable(ValueError):
    """A `*_FILE` variable names a file that cannot be read. The message has the variable's name and the reason."""


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """The value of `name`, or the content of the file that `name`_FILE names; None when neither is set (or both are
    empty). The variable itself takes precedence. Raises Unreadable."""
    if value := environ.get(name, "").strip():
        return value
    path = environ.get(f"{name}_FILE", "").strip()
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as e:
        why = getattr(e, "strerror", None) or "it is not UTF-8"
        raise Unreadable(f"{name}_FILE names {path!r}, which cannot be read: {why}") from None


def vault_key_problem(key: bytes | None) -> str | None:
    """What is wrong with the vault key, or with one of several separated by commas; None = nothing, or there is no key.
    The vault accepts the same keys (`hub.store.vault`); this check needs neither its tables nor `cryptography`."""
    for part in (key or b"").split(b","):
        try:
            whole = not part.strip() or len(base64.urlsafe_b64decode(part.strip())) == 32
        except binascii.Error:
            whole = False
        if not whole:
            return f"LOCKSTEP_VAULT_KEY is not a Fernet key (32 bytes in URL-safe base64); {MAKE_VAULT_KEY}"
    return None


def prefix(connection: str) -> str:
    """The prefix of a connection's variables: `jira-payments` → `LOCKSTEP_JIRA_PAYMENTS`."""
    return "LOCKSTEP_" + re.sub(r"[^A-Z0-9]+", "_", connection.upper())


def secret_variable(connection: str, secret: str) -> str:
    """The variable that holds a connection's secret: (`jira-payments`, `token`) → `LOCKSTEP_JIRA_PAYMENTS_TOKEN`."""
    return f"{prefix(connection)}_{re.sub(r'[^A-Z0-9]+', '_', secret.upper())}"


def _values(text: str) -> list[str]:
    """One value a line. A key in PEM or a JSON document has several lines and is one value."""
    if text.startswith(("-----BEGIN", "{")):
        return [text]
    return [line.strip() for line in text.splitlines() if line.strip()]


class EnvSecrets:
    """A connection's secrets from the environment (`hub.ports.Secrets`).

    While a signing secret is rotated, two are valid: put them on two lines of one variable or file, the newer first, or
    into `..._1` (newer) and `..._2`. Files are read at each call, so that a replaced file takes effect at once.
    """

    def __init__(self, connection: str, environ: Mapping[str, str]) -> None:
        self._connection = connection
        self._environ = environ
        self._known: dict[str, Sequence[str]] = {}

    def __repr__(self) -> str:
        return f"EnvSecrets({self._connection!r})"

    def all(self, name: str) -> Sequence[str]:
        """Every value that is valid now, newest first; empty when there is none. Raises Unauthorised if a file cannot
        be read."""
        found: list[str] = []
        try:
            for each in self._variables(name):
                found += _values(variable(self._environ, each) or "")
        except Unreadable as e:
            raise Unauthorised(str(e)) from None
        known.learn(*found)
        return tuple(dict.fromkeys(found))

    def _variables(self, name: str) -> Sequence[str]:
        """The variables that may hold the secret, the newest value's first. Computed once: a process's environment is
        fixed."""
        if name not in self._known:
            base = secret_variable(self._connection, name)
            numbered = re.compile(re.escape(base) + r"_(\d+)(?:_FILE)?")
            numbers = sorted(int(m[1]) for k in self._environ if (m := numbered.fullmatch(k)))
            self._known[name] = (base, *(f"{base}_{n}" for n in numbers))
        return self._known[name]

    def get(self, name: str) -> str:
        """The newest value. Raises Unauthorised, whose message names the variable to set."""
        if values := self.all(name):
            return values[0]
        base = secret_variable(self._connection, name)
        raise Unauthorised(f"secret {name!r} is not set; set {base}, or {base}_FILE to a file that holds it")

    def refresh(self) -> None:
        return None

    def put(self, name: str, value: str) -> None:
        """Raises Unauthorised: the environment cannot be written to, and a vault is needed."""
        raise Unauthorised(
            f"secret {name!r} arrived at run time and there is no vault to keep it in; "
            "set LOCKSTEP_VAULT_KEY (or LOCKSTEP_VAULT_KEY_FILE)"
        )
