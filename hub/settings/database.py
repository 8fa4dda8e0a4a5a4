"""Checks a database address without connecting. No message repeats the address, because it may contain a password."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SAWarning

from hub.settings.addresses import UNKNOWN_OPTION, folder_problem, unreadable

KINDS = r"(sqlite|postgresql(\+psycopg)?|postgres)://"


HEADER = b"SQLite format 3\x00"


def database_problem(text: str) -> str | None:
    """The problem with a database address; None = none. Parsed by the drivers, as when they connect."""
    if not re.match(KINDS, text):
        return "it must begin with sqlite:/// or postgresql://"
    if "\x00" in text:
        return "there is a NUL character in it"
    try:
        url = make_url(re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", text))
    except (ArgumentError, ValueError):
        return unreadable("its host or port cannot be read")
    return _file_problem(url) if url.drivername == "sqlite" else _server_problem(url)


def file_of(url: str) -> str | None:
    """The path of a SQLite database; None for one on a server or in memory. url: one that can be read."""
    found = make_url(url)
    name = found.database if found.drivername.startswith("sqlite") else None
    return None if not name or name == ":memory:" or name.startswith("file:") else name


def no_file(url: str) -> str | None:
    """The path of a SQLite database that does not exist; None if it exists."""
    path = file_of(url)
    return path if path is not None and not Path(path).exists() else None


def _server_problem(url: URL) -> str | None:
    import psycopg  # only for a server: it takes a fifth of the start of a command on SQLite
    from psycopg.conninfo import make_conninfo

    if re.search(r"[@\s\[\]]", url.host or "") or "@" in (url.database or ""):
        return unreadable("where its password ends is unclear")
    if url.port is not None and not 0 < url.port < 65536:
        return "its port is not a number from 1 to 65535"
    try:
        _, options = url.get_dialect()().create_connect_args(url)
        make_conninfo(**options)
    except (ArgumentError, ValueError, TypeError, psycopg.Error):
        return UNKNOWN_OPTION
    return None


def _file_problem(url: URL) -> str | None:
    if url.host or url.username or url.password:
        return "three slashes stand before the path: sqlite:///lockstep.db, and four before one that begins at the root"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SAWarning)  # it would leave out an option that it does not know
            url.get_dialect()().create_connect_args(url)
    except (ArgumentError, SAWarning, ValueError, TypeError):
        return UNKNOWN_OPTION
    if not url.database or url.database == ":memory:":
        return None
    path = Path(url.database).absolute()
    return folder_problem(path.parent) or (f"{path} is not a SQLite database" if _is_something_else(path) else None)


def _is_something_else(path: Path) -> bool:
    """Not for a file that may not be read here: config is also checked by accounts that do not run the hub."""
    try:
        with path.open("rb") as file:
            return file.read(len(HEADER)) not in (b"", HEADER)
    except (FileNotFoundError, PermissionError):
        return False
    except OSError:
        return True
