"""The only composition root: from the settings to a hub with its adapters. Nothing else in the product knows both sides.

A process makes one hub, when it first needs it (`of_this_process`); after a fork the child makes its own, because database
and vendor connections must not be shared.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import redis

from adapters.http import Wire
from adapters.registry import Spec, UnknownVendor, build, place, unknown, unknown_tables, wrong_addresses
from hub.clock import SystemClock, SystemIds, nap
from hub.domain.errors import VendorError
from hub.ports import Adapter, Clock, Ids, Secrets, Wake
from hub.settings.load import Settings, SettingsError, load
from hub.store.connections import StoreNotebook
from hub.store.unit import Store, StoreUnavailable
from hub.store.vault import Vault, VaultLocked
from hub.sync.hub import Hub
from hub.sync.limits.budget import Budget
from hub.sync.limits.guard import guarded
from mappings.vocabulary import BadTable, overlay, packaged

if TYPE_CHECKING:
    from flask import Flask

_hubs: dict[int, Hub] = {}


def redis_url(settings: Settings) -> str:
    """The Redis of this hub; "" where there is none."""
    if settings.redis_url is not None:
        return settings.redis_url
    from workers.supervisor import url

    return url(settings.data_dir)


def queue_wake(settings: Settings, clock: Clock, *, sweeps: bool = False) -> Wake:
    """The wake-up port of a process that does not work itself, or works for the queue. sweeps: of the timer."""
    from workers.queue import QUEUE_OF, SWEPT, NoWake, RqWake

    where = redis_url(settings)
    return RqWake(where, clock, SWEPT if sweeps else QUEUE_OF) if where else NoWake()


def slots(where: str, clock: Clock) -> Callable[[], int]:
    """How many tasks all workers can do at once, asked at most every ten seconds."""
    from workers.hands import HANDS

    if not where:
        return lambda: HANDS
    from workers.queue import connect, count

    seen: list[float] = [-1e9, 2]

    def now() -> int:
        if clock.monotonic() - seen[0] > 10:
            seen[0] = clock.monotonic()
            with contextlib.suppress(redis.RedisError):
                seen[1] = count(connect(where))
        return max(2, int(seen[1])) * HANDS

    return now


def secrets_of(settings: Settings, store: Store, clock: Clock, ids: Ids) -> Callable[[str], Secrets]:
    """connection → its secrets: the vault's before those of the environment. Raises SettingsError for a bad vault key."""
    try:
        vault = Vault(store, clock, ids, settings.vault_key or b"")
    except VaultLocked as e:
        raise SettingsError([str(e)]) from None
    return lambda connection: vault.secrets(connection, settings.secrets(connection))


def adapters_of(
    settings: Settings, store: Store, clock: Clock, ids: Ids, wire: Wire, secrets: Callable[[str], Secrets]
) -> dict[str, Adapter]:
    """An adapter for each connection. Raises SettingsError with what is wrong in any of them."""
    made: dict[str, Adapter] = {}
    problems: list[str] = []
    places: dict[str, str] = {}
    for name, connection in settings.config.connections.items():
        problems += _misspelt(settings, name)
        try:
            spec = Spec(
                name=name,
                settings=connection.settings,
                vocabulary=overlay(connection.vendor, settings.vocabulary.get(name, {})),
                secrets=secrets(name),
                notebook=StoreNotebook(store, name),
                wire=wire,
                clock=clock,
                ids=ids,
                service_names=settings.config.services,
                base_url=settings.config.base_url,
            )
            made[name] = guarded(name, build(connection.vendor, spec))
            problems += _shared(settings, name, places)
        except (ValueError, UnknownVendor, BadTable, VendorError) as e:
            problems.append(f"{settings.path}: [connections.{name}]: {e}")
    if problems:
        raise SettingsError(problems)
    return made


def _misspelt(settings: Settings, name: str) -> Iterator[str]:
    """What a connection says that nobody would read, and the addresses in it that lead nowhere."""
    connection = settings.config.connections[name]
    at, vendor = f"{settings.path}: [connections.{name}]", connection.vendor
    for key, hint in unknown(vendor, connection.settings):
        yield f"{at}.{key}: unknown key; there is no such key here; remove it or correct its name{hint}"
    for key, why in wrong_addresses(connection.settings):
        yield f"{at}.{key}: {why}; correct it"
    for field, hint in unknown_tables(vendor, settings.vocabulary.get(name, {}), packaged(vendor)):
        words = "this vendor has no words of its own for such a field; remove it or correct its name"
        yield f"{settings.path}: [vocabulary.{name}].{field}: {words}{hint}"


def _shared(settings: Settings, name: str, places: dict[str, str]) -> Iterator[str]:
    """What is wrong if another connection leads to the same place: each of its objects would be linked twice. places: those
    seen so far → their connection."""
    connection = settings.config.connections[name]
    where = place(connection.vendor, connection.settings)
    if where is None or connection.state == "disabled":
        return
    other = places.setdefault(repr((connection.vendor, where)), name)
    if other != name:
        words = ", ".join(key for key, value in where.items() if value is not None)
        remedy = 'remove one of them, or set its state to "disabled"'
        yield f"{settings.path}: [connections.{name}]: leads to the same place as {other!r} ({words}); {remedy}"


def build_hub(
    settings: Settings,
    *,
    wake: Wake | None = None,
    store: Store | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    wire: Wire | None = None,
) -> Hub:
    """A hub from its settings; each port may be replaced. Talks to nobody. Raises SettingsError."""
    clock, ids, wire = clock or SystemClock(), ids or SystemIds(), wire or Wire()
    try:
        store = store or Store(settings.database_url)
    except StoreUnavailable as e:  # there is no place for its file
        raise SettingsError([f"{settings.path}: {e}; correct LOCKSTEP_DATABASE_URL or LOCKSTEP_DATA"]) from None
    secrets = secrets_of(settings, store, clock, ids)
    return Hub(
        store=store,
        clock=clock,
        ids=ids,
        wake=wake or queue_wake(settings, clock),
        adapters=adapters_of(settings, store, clock, ids, wire, secrets),
        config=settings.config,
        budget=Budget(clock, redis_url(settings) or None, ids=ids, workers=slots(redis_url(settings), clock), nap=nap),
        secrets=secrets,
        owner=f"{socket.gethostname()[:30]}:{os.getpid()}:{ids.new()[-8:]}",
    )


def migrated(settings: Settings) -> None:
    """Brings the database, and the connections' rows in it, in line with this version and the configuration.

    Raises SettingsError, StoreUnavailable, NotMigratable.
    """
    from hub.store import migrate
    from hub.sync.setup import register
    from workers.queue import NoWake

    migrate.upgrade(settings.database_url)
    hub = build_hub(settings, wake=NoWake())
    try:
        register(hub)
    except ValueError as e:
        raise SettingsError([f"{settings.path}: {e}"]) from None
    finally:
        hub.store.close()


def of_this_process() -> Hub:
    """The hub of this process, made at the first call. Raises SettingsError."""
    pid = os.getpid()
    if pid not in _hubs:
        _hubs.clear()
        _hubs[pid] = build_hub(load())
    return _hubs[pid]


def web_app() -> Flask:
    """The WSGI application. Raises SettingsError."""
    from functools import partial

    from hub.web.app import create_app
    from workers.queue import alive

    hub, settings = of_this_process(), load()
    where = redis_url(settings)
    return create_app(
        hub,
        redis_alive=partial(alive, where) if where else None,
        trusted_proxies=settings.trusted_proxies,
    )
