"""Figures for Prometheus. Two kinds: what the rows say (read at each scrape, the same from every process), and what this
web process has counted itself.

With several web processes on a machine, set `PROMETHEUS_MULTIPROC_DIR` to an empty folder of theirs before they start: their
own counts are then added up. Without it each process shows its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from hub.ports import Clock
from hub.store import figures
from hub.store.unit import Store, StoreUnavailable

_OWN = CollectorRegistry()
WEBHOOKS = Counter(
    "lockstep_webhooks", "Incoming webhooks by what was answered", ["connection", "status"], registry=_OWN
)
REQUESTS = Counter("lockstep_api_requests", "Requests to the API by what was answered", ["status"], registry=_OWN)

_GAUGES = {
    "inbox_due": ("lockstep_inbox_due", "Webhooks that are not worked through yet", ["connection"]),
    "inbox_wait": ("lockstep_inbox_wait_seconds", "Age of the oldest of them", ["connection"]),
    "inbox_failed": ("lockstep_inbox_dead", "Authentic webhooks of which no sense could be made", ["connection"]),
    "outbox_open": ("lockstep_outbox_open", "Writes that are not settled yet", ["connection", "state"]),
    "outbox_wait": ("lockstep_outbox_wait_seconds", "Age of the oldest of them", ["connection"]),
    "outbox_failed": ("lockstep_outbox_dead", "Writes that were given up", ["connection"]),
    "links_behind": ("lockstep_links_behind", "Links that are being written because they do not show the incident as it is", ["connection"]),
    "link_lag": ("lockstep_link_lag_seconds", "How long the slowest of them has been behind", ["connection"]),
    "failures": ("lockstep_connection_failures", "Calls that failed in a row", ["connection"]),
    "breaker_open": ("lockstep_breaker_open", "1 while no call is made to this vendor", ["connection"]),
    "incidents_open": ("lockstep_incidents_open", "Open incidents", []),
    "paused": ("lockstep_paused", "1 while everything is paused", []),
}  # fmt: skip


class _Rows(Collector):
    """Reads the figures of the database, at each scrape."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        reachable = GaugeMetricFamily("lockstep_database_up", "1 if the database answered this scrape")
        try:
            seen = figures.read(self._store, self._clock.now())
        except StoreUnavailable:
            reachable.add_metric([], 0)
            yield reachable
            return
        reachable.add_metric([], 1)
        yield reachable
        for key, (name, words, labels) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, words, labels=labels)
            for label, value in seen[key].items():
                gauge.add_metric(label, value)
            yield gauge
        invalid_signatures = CounterMetricFamily(
            "lockstep_forged", "Webhooks with a wrong signature", labels=["connection"]
        )
        for label, value in seen["invalid_signatures"].items():
            invalid_signatures.add_metric(label, value)
        yield invalid_signatures


def render(store: Store, clock: Clock) -> bytes:
    """The page that Prometheus reads. Never raises: without a database it says just that."""
    registry = CollectorRegistry()
    registry.register(_Rows(store, clock))
    own = _OWN
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        own = CollectorRegistry()
        MultiProcessCollector(own)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(own)
