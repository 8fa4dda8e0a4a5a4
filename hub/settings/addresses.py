"""Addresses as people write them: what is wrong with one, said without repeating it, for a password may stand in it; and when
two of them lead to the same place. Talks to nobody."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit


def unreadable(what: str) -> str:
    """Of an address that may hold a password, which is nearly always the reason."""
    return f"this is not a valid address: {what} (escape @ / # in its password as %40 %2F %23)"


UNKNOWN_OPTION = "an option behind its ? is not known, or has a value that cannot be read"

_PORTS = {"http": 80, "https": 443}


def _split(text: str) -> SplitResult:
    """Raises ValueError in words of ours: the standard library's repeat what stands in the address."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("its host cannot be read") from None
    try:
        parts.port  # noqa: B018 - read to have it checked
    except ValueError:
        raise ValueError("its port is not a number from 0 to 65535") from None
    return parts


def is_address(text: str) -> bool:
    """Whether a URL can be taken apart at all."""
    try:
        return _split(text).port != 0
    except ValueError:
        return False


def web_problem(text: str) -> str | None:
    """What is wrong with a web address; None = nothing."""
    if not re.match(r"https?://", text, re.IGNORECASE):
        return "it must begin with https:// (or http:// on a machine of your own)"
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        return "there is a space, or a character that nobody sees, in it"
    try:
        return None if _split(text).hostname else "it has no host"
    except ValueError as e:
        return str(e)


def same(text: str) -> str:
    """A web address in the one way of writing it that stands for all: host in lower case, no port that goes without saying, no
    slash at the end. Any other text as it is."""
    if web_problem(text):
        return text.rstrip("/")
    parts = urlsplit(text)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    host = f"[{host}]" if ":" in host else host.rstrip(".")
    port = "" if parts.port in (None, _PORTS[scheme]) else f":{parts.port}"
    return f"{scheme}://{host}{port}{parts.path}".rstrip("/") + (f"?{parts.query}" if parts.query else "")


def redis_problem(text: str) -> str | None:
    """What is wrong with the address of a Redis; None = nothing. Its client reads it here as it will when it calls."""
    import redis

    if not re.match(r"(rediss?|unix)://", text):
        return 'it must be "embedded", "none" or a redis:// address'
    try:
        parts = _split(text)
        if parts.scheme != "unix" and (parts.fragment or "@" in parts.path + parts.query):
            return unreadable("its password cannot be told from the rest")
    except ValueError as e:
        return unreadable(str(e))
    try:
        redis.ConnectionPool.from_url(text).make_connection()
    except (ValueError, TypeError, redis.RedisError):
        return UNKNOWN_OPTION
    return None


def folder_problem(folder: Path) -> str | None:
    """Why this cannot be a folder of ours; None = it is one, or may be made."""
    for there in (folder, *folder.parents):
        try:
            if there.exists():
                return None if there.is_dir() else f"{there} is not a folder"
        except OSError as e:
            return f"{there} cannot be used: {e.strerror}"
    return None
