"""The commands that run the hub, or parts of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from hub.cli.base import CONFLICT, FAILED, MISUSED, Command, Ended, settings

if TYPE_CHECKING:
    from hub.settings.load import Settings


PORT = click.IntRange(1, 65535)


@click.command(cls=Command, example="lockstep up --port 8080 --workers 2")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address on which the web listens.")
@click.option("--port", type=PORT, default=8080, show_default=True)
@click.option("--workers", type=click.IntRange(2, 64), default=2, show_default=True)
def up(host: str, port: int, workers: int) -> None:
    """Runs a whole hub: database, Redis if none is configured, web, workers and timer. Ctrl-C stops all of them, in
    order."""
    from hub.clock import SystemIds
    from hub.settings.load import SettingsError
    from hub.store.migrate import NotMigratable
    from hub.store.unit import StoreUnavailable
    from workers.port import CannotListen, Taken
    from workers.up import AlreadyUp
    from workers.up import up as run

    found = _prepared()

    def ready() -> None:
        click.echo(f"Lockstep is up: http://{host}:{port}   data: {found.data_dir}   Ctrl-C stops it", err=True)

    try:
        run(found, SystemIds(), host=host, port=port, workers=workers, ready=ready)
    except (AlreadyUp, Taken) as e:
        raise Ended(CONFLICT, str(e)) from None
    except (SettingsError, CannotListen) as e:
        raise Ended(MISUSED, str(e)) from None
    except (StoreUnavailable, NotMigratable, RuntimeError) as e:
        raise Ended(FAILED, str(e)) from None


def _prepared() -> Settings:
    """Configures logging and loads the configuration. Ends with exit code 2 and every problem if a connection cannot be
    built."""
    from hub import logs
    from hub.settings.load import SettingsError
    from workers.bootstrap import log_left_out, of_this_process

    found = settings()
    logs.configure(found.log_level)
    try:
        log_left_out(of_this_process())
    except SettingsError as e:
        raise Ended(MISUSED, str(e)) from None
    return found


def _with_tables(found: Settings) -> None:
    """Ends with exit code 1 if the database has no tables, or those of an older version. Newer ones are accepted (a rolling
    restart); a database that does not answer is waited for."""
    import logging

    from hub.store import migrate as steps
    from hub.store.unit import StoreUnavailable

    try:
        where = steps.state_at(found.database_url)
    except StoreUnavailable as e:
        logging.getLogger(__name__).warning("the database cannot be used yet: %s", e)
        return
    lacks = {steps.EMPTY: "no tables", steps.BEHIND: "tables of an older version"}
    if where in lacks:
        raise Ended(FAILED, f"the database has {lacks[where]}; run `lockstep migrate`")


@click.command(cls=Command, example="lockstep web --host 0.0.0.0 --port 8080 --processes 2")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=PORT, default=8080, show_default=True)
@click.option("--share-port", is_flag=True, help="Another web of the same hub may listen on the same port.")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True)
@click.option("--threads", "at_once", type=click.IntRange(1, 16), help="Requests that each process works on at the same time; further threads receive bodies.  [default: 1 with SQLite, else 4]")  # fmt: skip
def web(host: str, port: int, share_port: bool, processes: int, at_once: int | None) -> None:
    """Runs the web (webhooks, API, health) on granian. Any other WSGI server can run `wsgi:app`."""
    import logging
    import os
    from functools import partial

    from granian.constants import Interfaces
    from granian.server import Server

    from workers.port import CannotListen, Taken, place
    from workers.serving import THREADS, load_web

    found = _prepared()
    try:
        address = place(host, port, shared=share_port)
    except CannotListen as e:
        raise Ended(CONFLICT if isinstance(e, Taken) else MISUSED, str(e)) from None
    # measured: with SQLite, requests worked on at the same time only wait for each other's commits, for up to 400 ms
    at_once = at_once or (1 if found.database_url.startswith("sqlite") else 4)
    server = Server(
        "wsgi:app",
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=THREADS,
        respawn_failed_workers=True,
        workers_kill_timeout=10,  # seconds; a worker that gets the signal to stop while it starts misses it
        log_enabled=True,
        log_level="warning",
        log_access=False,
    )
    # granian warns of many threads, assuming that all work; most of these wait for bodies
    logging.getLogger("_granian").addFilter(lambda record: "Python threads" not in record.getMessage())
    server.serve(target_loader=partial(load_web, os.getpid(), at_once), wrap_loader=False)


@click.command(cls=Command, example="lockstep worker --burst")
@click.option("--burst", is_flag=True, help="Stop when nothing is due.")
def worker(burst: bool) -> None:
    """Runs due tasks, as an RQ worker. On SIGTERM it ends the current tasks and stops. If Redis takes no writes or is
    not configured, it polls the database; without Redis it also sweeps, and needs no timer."""
    import threading

    from workers import bootstrap
    from workers.up import stop_on_signals
    from workers.worker import LocalBell, work, work_alone

    found = _prepared()
    _with_tables(found)
    where = bootstrap.redis_url(found)
    if where:
        work(where, burst=burst)
        return
    bell, stop = LocalBell(), threading.Event()
    stop_on_signals(stop)
    work_alone(bootstrap.build_hub(found, wake=bell), bell, stop, burst=burst)


@click.command(cls=Command, example="lockstep timer")
def timer() -> None:
    """Wakes the workers for due work. Ten times a second it searches for due rows that no worker has claimed. Several
    timers may run; the one with the lease sweeps."""
    import threading

    from workers.bootstrap import build_hub
    from workers.timer import Timer
    from workers.up import stop_on_signals

    found = _prepared()
    _with_tables(found)
    stop = threading.Event()
    stop_on_signals(stop)
    Timer(build_hub(found)).run(stop)


@click.command(cls=Command, example="lockstep migrate --check")
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if an upgrade is needed.")
def migrate(check: bool) -> None:
    """Upgrades the database's tables to this version."""
    from hub.settings.load import SettingsError
    from hub.store import migrate as steps
    from hub.store.unit import StoreUnavailable
    from workers.bootstrap import migrated

    found = settings()
    try:
        where = steps.state_at(found.database_url)
        if where == steps.AHEAD:
            raise Ended(
                FAILED, "the tables are newer than this version; run the version that made them, or a newer one"
            )
        if check:
            if where != steps.HEAD:
                raise Ended(FAILED, "the tables are older than this version; run `lockstep migrate`")
        else:
            migrated(found)
    except SettingsError as e:
        raise Ended(MISUSED, str(e)) from None
    except (StoreUnavailable, steps.NotMigratable) as e:
        raise Ended(FAILED, str(e)) from None
    click.echo("the tables are those of this version")


@click.command(cls=Command, example="lockstep demo --once --json")
@click.option(
    "--once", is_flag=True, help="Play it, check it, and end: exit code 0 if all systems show the same, else 1."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def demo(once: bool, as_json: bool) -> None:
    """Plays an incident over stand-in vendors on this machine."""
    from importlib import import_module

    sys.exit(import_module("workers.demo.main").main(once=once, as_json=as_json))
