"""Data folder, database, Redis, vault key and log level; a variable takes precedence over the file. All are checked
when the configuration is read, so that a wrong address is reported in one sentence with its place, and not as an error
of the library that uses it first. No message repeats a value: a database's address holds a password."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.settings.addresses import folder_problem, redis_problem
from hub.settings.environment import Unreadable, variable
from hub.settings.models import HubTable


@dataclass
class _Found:
    """The configuration file's path, the environment, and the problems found so far."""

    path: Path
    environ: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def read(self, name: str) -> str | None:
        try:
            return variable(self.environ, name)
        except Unreadable as e:
            self.problems.append(f"{e}; correct the path or the file's permissions")
            return None

    def either(self, name: str, key: str, in_file: str) -> tuple[str, str]:
        """(value, its place for messages) of a variable, else of a key of [hub]."""
        value = self.read(name)
        return (value, name) if value else (in_file, f"{self.path}: [hub].{key}")

    def wrong(self, place: str, what: str | None) -> None:
        if what:
            self.problems.append(f"{place}: {what}; correct it")


def infrastructure_of(table: HubTable, path: Path, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """(the fields of `hub.settings.load.Settings` that are checked here, the problems found)."""
    found = _Found(path, environ)
    data_dir = _data_dir(found, table.data_dir)
    vault_key, vault_key_place = _vault_key(found, data_dir)
    level = environ.get("LOCKSTEP_LOG_LEVEL", "").strip().upper() or "INFO"
    if level not in (levels := logging.getLevelNamesMapping()):
        found.wrong("LOCKSTEP_LOG_LEVEL", f"it must be one of {', '.join(levels)}")
    return {
        "data_dir": data_dir,
        "database_url": _database(found, table.database, data_dir),
        "redis_url": _redis(found, table.redis),
        "trusted_proxies": table.trusted_proxies,
        "vault_key": vault_key,
        "vault_key_place": vault_key_place,
        "log_level": level,
    }, found.problems


def _data_dir(found: _Found, in_file: str) -> Path:
    given, place = found.either("LOCKSTEP_DATA", "data_dir", in_file)
    if "\x00" in given:
        found.wrong(place, "there is a NUL character in it")
        return found.path.parent
    try:
        folder = Path(given).expanduser() if place == "LOCKSTEP_DATA" else found.path.parent / given
    except RuntimeError:
        found.wrong(place, "there is no user with the name behind its ~")
        return found.path.parent
    found.wrong(place, folder_problem(folder.absolute()))
    return folder.absolute()


def _database(found: _Found, in_file: str, data_dir: Path) -> str:
    given, place = found.either("LOCKSTEP_DATABASE_URL", "database", in_file)
    if not given:
        return f"sqlite:///{data_dir / 'lockstep.db'}"
    from hub.settings.database import database_problem  # imports the drivers

    found.wrong(place, database_problem(given))
    return given


def _redis(found: _Found, in_file: str) -> str | None:
    given, place = found.either("LOCKSTEP_REDIS_URL", "redis", in_file)
    if given == "embedded":
        return None
    if given == "none":
        return ""
    found.wrong(place, redis_problem(given))
    return given


def _vault_key(found: _Found, data_dir: Path) -> tuple[bytes | None, str]:
    """(the key, the variable or the file that it came from)."""
    given, file = found.read("LOCKSTEP_VAULT_KEY"), data_dir / "vault.key"
    place = "LOCKSTEP_VAULT_KEY" if found.environ.get("LOCKSTEP_VAULT_KEY", "").strip() else "LOCKSTEP_VAULT_KEY_FILE"
    try:
        if given is None and file.is_file():
            given, place = file.read_text(encoding="ascii").strip(), str(file)
    except UnicodeDecodeError:
        found.wrong(str(file), "this is not a vault key; put back the one that `lockstep up` made")
    except PermissionError:  # the file of another account; what needs the key reports that it is missing
        pass
    except OSError as e:
        found.wrong(str(file), f"it cannot be read: {e.strerror}")
    return given.encode() if given else None, place
