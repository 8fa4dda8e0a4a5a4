"""Requests from Teams, for every route: change notifications and signed commands come to one URL and are distinguished
by their form."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.registry import Spec
from adapters.teams import commands, notifications
from adapters.teams.encrypted import KeySource
from adapters.teams.settings import Settings
from hub.domain.errors import Unusable
from hub.domain.values import Hint, Reply, Request
from hub.ports import Ask, Secrets

KEYS_PAGE = "signing-keys"
"""Key in the notebook of the platform's public keys: fetched by `probe` and on subscribing, never while a webhook
waits."""


class Incoming:
    """The part of an adapter that handles requests from Teams. Pure, except that it reads keys from the notebook.

    keys: the source of the identity platform's public keys; by default the notebook.
    """

    def __init__(self, spec: Spec, settings: Settings, keys: KeySource | None = None) -> None:
        self.spec, self.settings = spec, settings
        self._changes = notifications.ChangeNotifications(
            team=settings.team,
            channel=settings.channel,
            tenant=settings.tenant,
            client_id=settings.client_id,
            sender=settings.notification_app,
            certificates=settings.certificates,
            secrets=spec.secrets,
            keys=keys or self._noted_key,
        )

    def _noted_key(self, kid: str) -> dict[str, str] | None:
        page = self.spec.notebook.read(KEYS_PAGE)
        keys = page.get("keys") if isinstance(page, dict) else None
        found = [k for k in keys or () if isinstance(k, dict) and k.get("kid") == kid]
        return found[0] if found else None

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        """Raises InvalidSignature."""
        if commands.is_signed(request):
            return commands.authenticate(request, secrets)
        return self._changes.authenticate(request, secrets)

    def hints(self, request: Request) -> Sequence[Hint]:
        """Raises Unusable."""
        try:
            if commands.is_signed(request):
                return commands.hints(request)
            return self._changes.hints(request)
        except RecursionError:
            raise Unusable("nested too deeply") from None

    def handshake(self, request: Request) -> Reply | None:
        return notifications.handshake(request)

    def reply(self, request: Request, ask: Ask) -> Reply | None:
        """The immediate response to a command; None for everything else, which gets a plain 202."""
        return commands.reply(request, ask) if commands.is_signed(request) else None
