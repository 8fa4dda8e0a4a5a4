"""The cost of finding that nothing is due: the sweep, and a poll without results, with a growing number of open links."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from hub.store import connections as connection_rows
from hub.store.unit import Store
from hub.sync.hub import Hub
from hub.sync.inbound.poll import poll
from hub.sync.inbound.subscriptions import subscribe
from hub.sync.sweep import sweep
from tests.bench.databases import fill, fresh, kinds
from tests.bench.noop import NAME, noop_hub
from tests.bench.rows import Plan, Row, ratio_at_most


def measure(plan: Plan) -> list[Row]:
    sizes = plan.of((10, 1_000, 100_000), (10, 1_000, 20_000), (2, 20, 200))
    repeats = plan.of(200, 100, 5)
    return [row for kind in kinds() for row in _one(kind, sizes, repeats, plan)]


def _one(kind: str, sizes: tuple[int, ...], repeats: int, plan: Plan) -> list[Row]:
    swept, polled = [], []
    with fresh(kind) as url:
        store = Store(url)
        store.create_all()
        hub = noop_hub(store)
        subscribe(hub, NAME)
        poll(hub, NAME)
        there = 0
        for size in sizes:
            fill(store, size - there, NAME, there)
            there = size
            swept.append(_milliseconds(repeats, lambda: _nothing(hub)))
            polled.append(_milliseconds(repeats, lambda: _poll(hub)))
        store.close()
    plan.notes.append(
        f"{kind}, {' / '.join(f'{s:,}' for s in sizes)} open links: sweep "
        + " / ".join(f"{ms:.2f}" for ms in swept) + " ms, poll " + " / ".join(f"{ms:.2f}" for ms in polled) + " ms"
    )  # fmt: skip
    return [
        ratio_at_most(f"sweep, {sizes[-1]:,} links idle, {kind}", swept[-1], "ms", min(swept), 2.0),
        ratio_at_most(f"polling plan, {sizes[-1]:,} links idle, {kind}", polled[-1], "ms", min(polled), 2.0),
    ]


def _nothing(hub: Hub) -> None:
    assert sweep(hub) == 0


def _poll(hub: Hub) -> None:
    with hub.store.unit() as tx:
        connection_rows.poll_at(tx, NAME, hub.clock.now())
    poll(hub, NAME)


def _milliseconds(repeats: int, act: Callable[[], None]) -> float:
    act()
    seen = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        seen.append((time.perf_counter() - began) * 1000)
    return median(seen)
