"""The HTTP transport of every vendor call, whichever client library makes it.

`Wire.session()` gives a `requests.Session` for pypd, jira and our own calls; the Teams adapter wraps httpx the same
way. Neither retries or follows redirects, and both have time-outs. `watch` is called around every exchange: in the
simulation it is a crash point, in production it counts and times.

`error_for` and `error_from` map every failure to one of the four vendor errors.
"""

from __future__ import annotations

import email.utils
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import LocationParseError

from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised, VendorError
from hub.settings.addresses import is_address

CONNECT_TIMEOUT, READ_TIMEOUT = 3.05, 10.0
"""Seconds. A lease must outlast their sum (`sync.outbound.deliver`)."""

S = TypeVar("S", bound=requests.Session)
V = TypeVar("V")


class Watch(Protocol):
    """Called before a request is sent ("send") and after its response arrived ("answered"). May raise (a simulated
    crash)."""

    def __call__(self, moment: str, method: str, url: str) -> None: ...


def _unwatched(moment: str, method: str, url: str) -> None:
    return None


@dataclass
class Wire:
    """How this process reaches the vendors.

    mounts: URL prefix → requests adapter (the simulation and the tests mount an in-process stand-in here).
    connect, read: seconds. verify: TLS verification, a CA file, or False (only ever in tests).
    """

    watch: Watch = _unwatched
    mounts: Mapping[str, Callable[[], BaseAdapter]] = field(default_factory=dict)
    connect: float = CONNECT_TIMEOUT
    read: float = READ_TIMEOUT
    verify: bool | str = True

    def session(self) -> requests.Session:
        session = self.equip(_Session(self))
        session.max_redirects = 30  # never followed: `allow_redirects` is False; 0 would raise instead of answering
        return session

    def equip(self, session: S) -> S:
        """Apply our limits (no retries, no redirects) and mounts to a client library's own session."""
        for prefix in ("https://", "http://"):
            session.mount(prefix, HTTPAdapter(max_retries=0, pool_maxsize=16))
        for prefix, make in self.mounts.items():
            session.mount(prefix, make())
        session.verify = self.verify
        session.trust_env = True
        session.max_redirects = 0
        return session


class _Session(requests.Session):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", (self._wire.connect, self._wire.read))
        kwargs.setdefault("allow_redirects", False)
        with sendable(url):
            return super().request(method, url, *args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        carried(request.headers)
        self._wire.watch("send", request.method or "", request.url or "")
        response = super().send(request, **kwargs)
        self._wire.watch("answered", request.method or "", request.url or "")
        return response


UNCARRIED = "a secret or e-mail address contains a character that an HTTP header cannot carry; set it again"
NO_ADDRESS = "a URL setting of this connection is not a valid web address; correct it in lockstep.toml"
NOT_ADDRESSED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    LocationParseError,
)


def carried(headers: Mapping[str, str | bytes]) -> None:
    """Raises Unauthorised if a header cannot be encoded: the only header values that people enter are credentials."""
    try:
        for value in headers.values():
            if isinstance(value, str):
                value.encode("latin-1")
    except UnicodeEncodeError as exc:
        raise error_from(exc, write=False) from None


@contextmanager
def sendable(url: str) -> Iterator[None]:
    """Wraps a call of a client library: a request that cannot be sent becomes a VendorError that names what to
    correct."""
    if not is_address(url):
        raise RetryLater(NO_ADDRESS)
    try:
        yield
    except (UnicodeEncodeError, LocationParseError) as exc:
        raise error_from(exc, write=False) from None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds the vendor asks us to wait: `Retry-After` as seconds or as an HTTP date, else `ratelimit-reset` (seconds,
    PagerDuty), else `X-RateLimit-Reset` as ISO time (Jira). None when no header is present or readable."""
    for name, readings in (
        ("Retry-After", (_seconds, lambda value: (email.utils.parsedate_to_datetime(value) - now).total_seconds())),
        ("ratelimit-reset", (_seconds,)),
        ("X-RateLimit-Reset", (lambda value: (_iso(value) - now).total_seconds(),)),
    ):
        value = headers.get(name) or headers.get(name.lower())
        for reading in readings if value else ():
            try:
                return max(0.0, reading(str(value)))
            except (TypeError, ValueError, OverflowError):
                continue
    return None


def _seconds(value: str) -> float:
    """Raises ValueError, for infinity too."""
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError(value)
    return seconds


def _iso(value: str) -> datetime:
    return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone(UTC)


THROTTLED = frozenset({420, 429})


def error_for(
    status: int, words: str, *, write: bool, headers: Mapping[str, str], now: datetime, field: str | None = None
) -> VendorError:
    """The VendorError for an HTTP status. `words`: the vendor's own error message, short and free of secrets.

    | status | read | write |
    |---|---|---|
    | 420, 429 | retry later | retry later (rejected before it took effect) |
    | 401, 403 | unauthorised | unauthorised |
    | 408 | retry later | outcome unknown |
    | other 4xx | refused | refused |
    | 5xx | retry later | outcome unknown |
    """
    delay = retry_after(headers, now)
    if status in THROTTLED:
        return RetryLater(words or f"HTTP {status}", delay=delay, throttled=True)
    if status in (401, 403):
        return Unauthorised(f"HTTP {status}: {words}")
    if status >= 500 or status == 408:
        text = f"HTTP {status}: {words}"
        return OutcomeUnknown(text) if write else RetryLater(text, delay=delay)
    return Refused(f"HTTP {status}: {words}", field=field)


def error_from(exc: Exception, *, write: bool) -> VendorError:
    """The VendorError for a failed exchange, of requests and of httpx (matched by class name, so that httpx is not
    imported where Teams is not used). A request that was never built, or whose connection was never made, has sent
    nothing: its outcome is known."""
    name = type(exc).__name__
    uncarried = isinstance(exc, UnicodeEncodeError) and exc.encoding in ("latin-1", "ascii")
    if uncarried or isinstance(exc, requests.exceptions.InvalidHeader):
        return Unauthorised(UNCARRIED)
    if isinstance(exc, NOT_ADDRESSED) or name == "InvalidURL":
        return RetryLater(NO_ADDRESS)
    unsent = isinstance(exc, requests.ConnectTimeout) or name in {
        "ConnectTimeout", "ConnectError", "PoolTimeout", "UnsupportedProtocol", "ProxyError", "SSLError",
    }  # fmt: skip
    if isinstance(exc, requests.exceptions.SSLError):
        unsent = True
    if isinstance(exc, requests.ConnectionError) and not unsent:
        unsent = "NewConnectionError" in repr(exc) or "NameResolutionError" in repr(exc) or "MaxRetryError" in repr(exc)
    words = f"{name} during the request to the vendor"
    if write and not unsent:
        return OutcomeUnknown(words)
    return RetryLater(words)


def understood(answer: Any, form: type[V], *needs: str, write: bool = False) -> V:
    """`answer`, if it is a JSON object with all of `needs` in it (form `dict`), or a list of such objects (form
    `list`).

    A response that is not what the vendor documents (a log-in page, a proxy's error page, a truncated document) must
    never be taken for an empty one, or for "not found". Raises RetryLater, or OutcomeUnknown for a write.
    """
    items = answer if isinstance(answer, list) else [answer]
    whole = all(isinstance(item, dict) and all(item.get(name) is not None for name in needs) for item in items)
    if isinstance(answer, form) and whole:
        return answer
    expected = f"{form.__name__} with {', '.join(needs)}" if needs else form.__name__
    words = f"unexpected response from the vendor: expected a JSON {expected}"
    raise OutcomeUnknown(words) if write else RetryLater(words)


MOST_PAGES = 1_000


def pages() -> Iterator[int]:
    """Counts the pages of one listing. Raises RetryLater after `MOST_PAGES`: a vendor that always returns a next page
    must not occupy a worker for ever."""
    yield from range(MOST_PAGES)
    raise RetryLater(f"the vendor's listing does not end after {MOST_PAGES} pages")


@contextmanager
def parsing(what: str, *, write: bool = False) -> Iterator[None]:
    """Wraps pure parsing: a response without what the vendor documents raises RetryLater, or OutcomeUnknown for a
    write."""
    try:
        yield
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError, RecursionError) as exc:
        words = f"unexpected response from the vendor: {what} cannot be parsed ({type(exc).__name__})"
        raise (OutcomeUnknown(words) if write else RetryLater(words)) from None


def clean(text: object, limit: int = 300) -> str:
    """A vendor's error message on one line, short enough for a log and a page."""
    return " ".join(str(text).split())[:limit]
