"""The checks of `lockstep doctor` for a Teams connection of route "graph", and the platform's public keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import requests

from adapters.http import error_for, error_from
from adapters.registry import Spec
from adapters.teams import wire
from adapters.teams.channel import Channel
from adapters.teams.incoming import KEYS_PAGE
from adapters.teams.settings import Settings
from adapters.teams.subscriptions import Subscriptions
from hub.domain.errors import RetryLater, Unauthorised, VendorError
from hub.domain.values import Finding

KEYS_LIVE = timedelta(hours=24)


def note_keys(spec: Spec, settings: Settings) -> None:
    """Stores the identity platform's public keys in the notebook, at most a day old, if encrypted content is in use.

    Called where vendor calls are allowed (subscribing, renewing), never while a webhook waits. Raises VendorErrors.
    """
    if not settings.certificates:
        return
    page, now = spec.notebook.read(KEYS_PAGE), spec.clock.now()
    noted = wire.when(page.get("at")) if isinstance(page, dict) else None
    if noted is not None and now - noted < KEYS_LIVE:
        return
    try:
        response = spec.wire.session().get(settings.keys_url)
        keys = response.json().get("keys") if response.status_code == 200 else None
    except requests.exceptions.JSONDecodeError:
        keys = None
    except requests.RequestException as exc:
        raise error_from(exc, write=False) from None
    if response.status_code >= 400:
        raise error_for(response.status_code, "signing keys", write=False, headers=response.headers, now=now)
    if not isinstance(keys, list):
        raise RetryLater("the identity platform returned no signing keys")
    spec.notebook.write(KEYS_PAGE, {"at": now.isoformat(), "keys": keys})


def examine(spec: Spec, settings: Settings, channel: Channel, subscriptions: Subscriptions) -> Sequence[Finding]:
    """The findings, each with a remedy. A check that fails is a finding itself; the others still run."""
    found = []
    try:
        name = str(channel.itself().get("displayName") or settings.channel)
        found.append(Finding("ok", f"the service account can read channel {name!r}"))
    except VendorError as exc:
        remedy = "check team, channel and account, and that the account is a member of the team and has signed in"
        if isinstance(exc, Unauthorised):
            remedy = "set a valid client_secret; if it is valid, sign the service account in again; then " + remedy
        found.append(Finding("error", exc.words, remedy))
    try:
        live = subscriptions.ours()
        if live:
            ends = min(str(s.get("expirationDateTime")) for s in live)
            found.append(Finding("ok", f"{len(live)} live subscription(s) on this channel, the first until {ends}"))
        else:
            found.append(Finding("warn", "no live subscription on this channel: changes are found by polling alone",
                                 f"create one: lockstep connections subscribe {spec.name}"))  # fmt: skip
        if any(not s.get("lifecycleNotificationUrl") for s in live):
            found.append(Finding("warn", "a subscription has no lifecycle URL and ends within the hour",
                                 "delete it; the hub creates one with a lifecycle URL"))  # fmt: skip
    except VendorError as exc:
        found.append(Finding("warn", f"subscriptions cannot be listed: {exc.words}", "grant ChannelMessage.Read.All"))
    if not spec.secrets.all("outgoing_webhook_secret"):
        found.append(Finding("warn", "no outgoing webhook: people cannot type commands",
                             "create one in the team and set the secret outgoing_webhook_secret"))  # fmt: skip
    return found
