"""The connection between an adapter and its stand-in: records every exchange, and can disturb one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from adapters.sandboxing import TimedOut
from tests.contract.world import World

Answer = tuple[int, list[tuple[str, str]], bytes]
Act = Callable[[], Answer]

READING = re.compile(r"/(search|search/jql|token|oauth2/v2\.0/token|\$batch)$")
"""Paths of POST requests that change nothing at the vendor."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer (None: there was none)."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    answer: Answer | None

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD", "OPTIONS") and not READING.search(self.path)


@dataclass
class Line:
    """Making it inserts it between the two. `spoil` disturbs the exchange of that number, counted from then."""

    world: World
    kept: list[Exchange] = field(default_factory=list)
    _at: int | None = None
    _how: Callable[[World, Act], Answer] | None = None

    def __post_init__(self) -> None:
        self._inner = self.world.sandbox.exchange
        self.world.sandbox.exchange = self._exchange  # type: ignore[method-assign]

    def spoil(self, at: int, how: Callable[[World, Act], Answer]) -> None:
        self.kept.clear()
        self._at, self._how = at, how

    @property
    def writes(self) -> list[Exchange]:
        return [e for e in self.kept if e.writes]

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        place = len(self.kept)
        self.kept.append(Exchange(method, url, dict(headers), body, None))

        def act() -> Answer:
            return self._inner(method, url, headers, body)

        answer = self._how(self.world, act) if place == self._at and self._how else act()
        self.kept[place] = Exchange(method, url, dict(headers), body, answer)
        return answer


# ---------------------------------------------------------------- faults of an exchange


def lost(world: World, act: Act) -> Answer:
    """The request never arrives."""
    raise TimedOut("read timed out")


def late(world: World, act: Act) -> Answer:
    """The vendor acts; its answer never arrives."""
    act()
    raise TimedOut("read timed out")


def later(world: World, act: Act) -> Answer:
    """The client times out; the vendor acts when the stand-in is settled."""
    world.sandbox.landing.append(act)
    raise TimedOut("read timed out")


def unreachable(world: World, act: Act) -> Answer:
    """No connection can be made: nothing was sent."""
    raise requests.ConnectionError("NewConnectionError(': Failed to establish a new connection: refused')")


def cut(world: World, act: Act) -> Answer:
    """The connection breaks after the request was sent; the vendor has acted."""
    act()
    raise requests.ConnectionError("('Connection aborted.', RemoteDisconnected('closed without response'))")


def saying(status: int, body: bytes = b"", **headers: str) -> Callable[[World, Act], Answer]:
    """The vendor's gateway answers; the vendor does not act."""
    shown: list[tuple[str, str]] = [(k.replace("_", "-"), v) for k, v in headers.items()]
    return lambda world, act: (status, [("Content-Type", "application/json"), *shown], body)


def garbled(body: bytes, content_type: str = "application/json") -> Callable[[World, Act], Answer]:
    """The vendor acts; its answer is replaced by this body."""

    def how(world: World, act: Act) -> Answer:
        act()
        return 200, [("Content-Type", content_type)], body

    return how
