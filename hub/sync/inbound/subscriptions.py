"""Webhook subscriptions at the vendors: created when a connection is enabled, renewed after half their lifetime, and
created again when the vendor reports that one is gone."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from hub.domain.errors import Refused, VendorError
from hub.ports import Subscribes
from hub.store import connections as connection_rows
from hub.store.records import save
from hub.sync.hub import LEFT_OUT_AGAIN, Hub
from hub.sync.limits import breaker

log = logging.getLogger(__name__)

CHECK = timedelta(hours=6)
"""Interval between checks of a subscription that does not expire (PagerDuty disables one after three dropped
webhooks)."""

SETTLING_IN = timedelta(minutes=10)
"""For this long after a connection was enabled, a refused subscription is tried again sooner: the hub's own web may not
be reachable yet when the vendor checks the URL."""

PATH_TOKEN = "webhook_path_token"  # noqa: S105 - the name of a secret, not one


def webhook_url(hub: Hub, name: str) -> str:
    """The URL for the vendor's webhooks; "" while `base_url` is not configured."""
    base = hub.config.base_url.rstrip("/")
    if not base:
        return ""
    token = hub.secrets(name).all(PATH_TOKEN) if hub.capabilities(name).webhooks == "secret-path" else ()
    return f"{base}/in/{name}" + (f"/{token[0]}" if token else "")


def subscribe(hub: Hub, name: str) -> None:
    """Creates or renews the connection's subscription, if that is due and the vendor supports it."""
    now = hub.clock.now()
    with hub.store.reading() as tx:
        connection = connection_rows.get(tx, name)
    adapter = hub.adapters.get(name)
    if connection is None or connection.subscription_due is None or connection.subscription_due > now:
        return
    if name in hub.left_out:
        _next(hub, name, connection.subscription, now + timedelta(seconds=LEFT_OUT_AGAIN), connection.reason)
        return
    url = webhook_url(hub, name)
    if not isinstance(adapter, Subscribes) or not url or connection.state != "enabled":
        _next(hub, name, None, None)
        return
    secrets = hub.secrets(name)
    try:
        with hub.budget.slot(name, adapter.capabilities):
            hub.budget.admit(name, adapter.capabilities)
            old = connection.subscription
            made = adapter.renew(old, secrets) if old else adapter.subscribe(url, secrets)
    except Refused as e:  # the vendor answered: a refusal does not open the circuit breaker
        log.warning("no webhook subscription", extra={"connection": name, "why": e.words})
        young = connection.activated_at is None or now - connection.activated_at < SETTLING_IN
        again = now + timedelta(seconds=breaker.backoff(hub.ids, 3 if young else 7, e))
        _next(hub, name, connection.subscription, again, f"no webhook subscription: {e.words}")
        return
    except VendorError as e:
        breaker.note_failure(hub.store, hub.clock.now(), name, e)
        _next(
            hub,
            name,
            connection.subscription,
            now + timedelta(seconds=breaker.backoff(hub.ids, connection.failures + 3, e)),
        )
        return
    ends = made.get("expires_at") if isinstance(made, dict) else None
    due = now + CHECK
    if ends:
        due = min(due, now + (datetime.fromisoformat(str(ends).replace("Z", "+00:00")) - now) / 2)
    _next(hub, name, made, max(due, now + timedelta(seconds=30)), asked_after=now)


def _next(
    hub: Hub, name: str, subscription: object, due: datetime | None, reason: str | None = None, *,
    asked_after: datetime | None = None,
) -> None:  # fmt: skip
    """Stores the subscription and when it is due next. reason: why there is none, for people; kept until there is one,
    or until a call to the vendor fails. asked_after: if a webhook made the subscription due after this time, it stays
    due then: the webhook may concern the subscription that was just made."""
    with hub.store.unit() as tx:
        connection = connection_rows.get(tx, name)
        if connection is None:
            return
        asked = connection.subscription_due
        if asked_after is None or asked is None or asked <= asked_after:
            connection.subscription_due = due
        connection.subscription = subscription
        if connection.failures == 0:
            connection.reason = reason
        save(tx, connection)
