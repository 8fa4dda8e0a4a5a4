"""Metrics for Prometheus. Two kinds: figures from the database (read at each scrape, the same from every process), and
counts of this web process.

With several web processes on a machine, set `PROMETHEUS_MULTIPROC_DIR` to an empty folder for them before they start:
their counts are then added up. Without it each process shows only its own.
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
    "lockstep_webhooks", "Incoming webhooks by the status that was answered", ["connection", "status"], registry=_OWN
)
REQUESTS = Counter(
    "lockstep_api_requests", "Requests to the API by the status that was answered", ["status"], registry=_OWN
)

_GAUGES = {
    "inbox_due": ("lockstep_inbox_due", "Webhooks that are not processed yet", ["connection"]),
    "inbox_wait": ("lockstep_inbox_wait_seconds", "Age in seconds of the oldest webhook that is not processed yet", ["connection"]),
    "inbox_failed": ("lockstep_inbox_failed", "Authentic webhooks that could not be processed", ["connection"]),
    "outbox_open": ("lockstep_outbox_open", "Writes that are not settled yet", ["connection", "state"]),
    "outbox_wait": ("lockstep_outbox_wait_seconds", "Age in seconds of the oldest write that is not settled yet", ["connection"]),
    "outbox_failed": ("lockstep_failed_writes", "Writes that the vendor refused and that wait for a person", ["connection"]),
    "links_behind": ("lockstep_links_behind", "Links whose object does not show the incident as it is yet", ["connection"]),
    "link_lag": ("lockstep_link_lag_seconds", "Seconds for which the slowest link has been behind", ["connection"]),
    "failures": ("lockstep_connection_failures", "Calls that failed in a row; 0 = healthy", ["connection"]),
    "breaker_open": ("lockstep_breaker_open", "1 while the circuit breaker lets no call through", ["connection"]),
    "incidents_open": ("lockstep_incidents_open", "Open incidents", []),
    "oldest_due": ("lockstep_oldest_due_seconds", "Seconds for which the longest overdue row has waited for a worker", ["task"]),
    "paused": ("lockstep_paused", "1 while everything is paused", []),
}  # fmt: skip


class _Rows(Collector):
    """Reads the figures of the database, at each scrape."""

    def __init__(self, store: Store, clock: Clock, redis: str) -> None:
        self._store = store
        self._clock = clock
        self._redis = redis

    def collect(self) -> Iterator[Metric]:
        if self._redis != "none":
            up = GaugeMetricFamily("lockstep_redis_up", "1 if Redis took a write; else the workers poll the database")
            up.add_metric([], self._redis == "up")
            yield up
        reachable = GaugeMetricFamily("lockstep_database_up", "1 if the database answered this scrape")
        try:
            seen = figures.read(self._store, self._clock.now())
        except StoreUnavailable:
            reachable.add_metric([], 0)
            yield reachable
            return
        reachable.add_metric([], 1)
        yield reachable
        for key, (name, description, labels) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, description, labels=labels)
            for label, value in seen[key].items():
                gauge.add_metric(label, value)
            yield gauge
        refused = CounterMetricFamily(
            "lockstep_invalid_signatures", "Webhooks that were refused for an invalid signature", labels=["connection"]
        )
        for label, value in seen["invalid_signatures"].items():
            refused.add_metric(label, value)
        yield refused


def render(store: Store, clock: Clock, redis: str = "none") -> bytes:
    """The metrics in Prometheus' text format. Never raises: without a database, `lockstep_database_up` is 0. redis: see
    `hub.web.app.create_app`."""
    registry = CollectorRegistry()
    registry.register(_Rows(store, clock, redis))
    own = _OWN
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        own = CollectorRegistry()
        MultiProcessCollector(own)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(own)
