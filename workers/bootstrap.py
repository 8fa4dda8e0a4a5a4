"""The composition root: builds a hub with its adapters from the settings. No other module imports both sides.

A process builds one hub when it first needs it (`of_this_process`); after a fork the child builds its own, because database and
vendor connections must not be shared.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

from adapters.http import Wire
from hub.clock import SystemClock, SystemIds, nap
from hub.ports import Clock, Ids, Secrets, Wake
from hub.settings.load import Settings, SettingsError, load
from hub.store.connections import StoreNotebook
from hub.store.unit import Store, StoreUnavailable
from hub.store.vault import Vault, VaultLocked
from hub.sync.hub import Hub
from hub.sync.limits.budget import Budget
from workers.connecting import connect
from workers.sockets import url

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)

_hubs: dict[int, Hub] = {}


def redis_url(settings: Settings) -> str:
    """The address of this hub's Redis; "" where there is none."""
    return url(settings.data_dir) if settings.redis_url is None else settings.redis_url


def queue_wake(settings: Settings, clock: Clock) -> Wake:
    """The process's wake-up port: the doorbell if there is a Redis."""
    from workers.queue import Doorbell, NoWake

    where = redis_url(settings)
    return Doorbell(where, clock) if where else NoWake()


class LazyWake:
    """`hub.ports.Wake` of a command: imports the queue's client at the first wake-up, because most commands only read."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    @cached_property
    def _queue(self) -> Wake:
        return queue_wake(self._settings, self._clock)

    def wake(self, task: str, key: str) -> None:
        self._queue.wake(task, key)


def slots(where: str, clock: Clock) -> Callable[[], int]:
    """How many tasks all workers can run at once; read from Redis at most every ten seconds."""
    from workers.drain import THREADS

    seen: list[float] = [-1e9, 2]

    def now() -> int:
        if where and clock.monotonic() - seen[0] > 10:
            import redis

            from workers.queue import connect, count

            seen[0] = clock.monotonic()
            with contextlib.suppress(redis.RedisError):
                seen[1] = count(connect(where))
        return max(2, int(seen[1])) * THREADS if where else THREADS

    return now


def budget_of(where: str, clock: Clock, ids: Ids) -> Budget:
    """The call budget, shared over the Redis at `where` if there is one."""
    from workers.drain import THREADS

    return Budget(clock, where or None, ids=ids, workers=slots(where, clock), threads=THREADS, nap=nap)


def secrets_of(settings: Settings, store: Store, clock: Clock, ids: Ids) -> Callable[[str], Secrets]:
    """connection → its secrets: those of the vault before those of the environment. Raises SettingsError for a bad vault key."""
    try:
        vault = Vault(store, clock, ids, settings.vault_key or b"")
    except VaultLocked as e:
        raise SettingsError([str(e)]) from None
    return lambda connection: vault.secrets(connection, settings.secrets(connection))


def build_hub(
    settings: Settings,
    *,
    wake: Wake | None = None,
    store: Store | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    wire: Wire | None = None,
) -> Hub:
    """A hub from its settings; each port may be replaced. Makes no network call. Raises SettingsError."""
    clock, ids = clock or SystemClock(), ids or SystemIds()
    try:
        store = store or Store(settings.database_url)
    except StoreUnavailable as e:  # its file cannot be made
        raise SettingsError([f"{settings.path}: {e}; correct LOCKSTEP_DATABASE_URL or LOCKSTEP_DATA"]) from None
    secrets = secrets_of(settings, store, clock, ids)
    connected = connect(settings, clock, ids, secrets, partial(StoreNotebook, store), wire)
    return Hub(
        store=store,
        clock=clock,
        ids=ids,
        wake=wake or queue_wake(settings, clock),
        adapters=connected.adapters,
        left_out=connected.left_out,
        config=settings.config,
        budget=budget_of(redis_url(settings), clock, ids),
        secrets=secrets,
        owner=f"{socket.gethostname()[:30]}:{os.getpid()}:{ids.new()[-8:]}",
    )


def migrated(settings: Settings) -> None:
    """Upgrades the database to this version and its connection rows to the configuration.

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


def of_this_process(*, asks: bool = False) -> Hub:
    """The hub of this process, made at the first call. asks: for a command, which ends soon. Raises SettingsError."""
    pid = os.getpid()
    if pid not in _hubs:
        settings, clock = load(), SystemClock()
        _hubs.clear()
        _hubs[pid] = build_hub(settings, clock=clock, wake=LazyWake(settings, clock) if asks else None)
    return _hubs[pid]


def log_left_out(hub: Hub) -> None:
    """Logs a warning for each connection that this process leaves out."""
    for name, why in hub.left_out.items():
        log.warning("a connection is left out", extra={"connection": name, "why": why.what, "remedy": why.remedy})


def web_app() -> Flask:
    """The WSGI application. Raises SettingsError."""
    from hub.web.app import create_app
    from workers.queue import probe

    hub, settings = of_this_process(), load()
    log_left_out(hub)
    where = redis_url(settings)
    return create_app(
        hub,
        redis_state=partial(probe, where) if where else None,
        trusted_proxies=settings.trusted_proxies,
    )
