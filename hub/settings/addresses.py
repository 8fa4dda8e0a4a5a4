"""Checks of the addresses in the configuration, and a normal form to compare them by. No message repeats the address,
because it may hold a password. Makes no network call."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit


def unreadable(what: str) -> str:
    """The message for an address that cannot be parsed. A password with unescaped characters is nearly always the
    cause."""
    return f"this is not a valid address: {what} (escape @ / # in its password as %40 %2F %23)"


UNKNOWN_OPTION = "an option behind its ? is unknown, or its value is invalid"

_PORTS = {"http": 80, "https": 443}


def _split(text: str) -> SplitResult:
    """The parts of a URL. Raises ValueError with a message of our own: the standard library's repeats parts of the
    address."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("its host is invalid") from None
    try:
        parts.port  # noqa: B018 - reading it validates it
    except ValueError:
        raise ValueError("its port is not a number from 0 to 65535") from None
    return parts


def is_address(text: str) -> bool:
    """Whether a URL can be parsed, and its port is not 0."""
    try:
        return _split(text).port != 0
    except ValueError:
        return False


def web_problem(text: str) -> str | None:
    """What is wrong with a web address; None = nothing."""
    if not re.match(r"https?://", text, re.IGNORECASE):
        return "it must begin with https:// (or http:// on your own machine)"
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        return "it contains a space or an invisible character"
    try:
        return None if _split(text).hostname else "it has no host"
    except ValueError as e:
        return str(e)


def same(text: str) -> str:
    """The normal form of a web address: host in lower case, no default port, no slash at the end. Any other text is
    returned as it is, without slashes at its end."""
    if web_problem(text):
        return text.rstrip("/")
    parts = urlsplit(text)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    host = f"[{host}]" if ":" in host else host.rstrip(".")
    port = "" if parts.port in (None, _PORTS[scheme]) else f":{parts.port}"
    return f"{scheme}://{host}{port}{parts.path}".rstrip("/") + (f"?{parts.query}" if parts.query else "")


def redis_problem(text: str) -> str | None:
    """What is wrong with the address of a Redis; None = nothing. Parsed by the Redis client itself, as when it
    connects."""
    import redis

    if not re.match(r"(rediss?|unix)://", text):
        return 'it must be "embedded", "none" or a redis:// address'
    try:
        parts = _split(text)
        if parts.scheme != "unix" and (parts.fragment or "@" in parts.path + parts.query):
            return unreadable("where its password ends is unclear")
    except ValueError as e:
        return unreadable(str(e))
    try:
        redis.ConnectionPool.from_url(text).make_connection()
    except (ValueError, TypeError, redis.RedisError):
        return UNKNOWN_OPTION
    return None


def folder_problem(folder: Path) -> str | None:
    """Why the hub cannot use this as its folder; None = it is a folder, or can be created as one."""
    for path in (folder, *folder.parents):
        try:
            if path.exists():
                return None if path.is_dir() else f"{path} is not a folder"
        except OSError as e:
            return f"{path} cannot be used: {e.strerror}"
    return None
