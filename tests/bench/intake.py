"""Durable intake: webhooks per second through the real web (signature, deduplication, committed row, coalesced wake-up),
against a bare Flask application on the same server that checks an HMAC and commits one INSERT."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import sys
import tempfile
from pathlib import Path
from statistics import median

from hub.store.unit import Store
from tests.bench import http_load
from tests.bench.bare import prepare
from tests.bench.databases import SQLITE, fill, fresh, kinds
from tests.bench.rows import Plan, Row, in_turns, quantile, ratio_at_least, ratio_at_most
from tests.bench.servers import granian, process, redis_server
from workers.demo.vendors import free_port

CONFIG = """
[hub]
base_url = "https://hub.example.com"

[connections.pagerduty]
vendor = "pagerduty"
state = "enabled"
from_email = "lockstep@example.com"
"""
CONNECTIONS = 8


def measure(plan: Plan) -> list[Row]:
    rows = []
    with redis_server() as redis, tempfile.TemporaryDirectory(prefix="lsbench") as folder:
        for kind in kinds():
            rows += _one(kind, redis, Path(folder), plan)
    return rows


def _one(kind: str, redis: str, folder: Path, plan: Plan) -> list[Row]:
    secret, ours, floor = secrets.token_hex(16), free_port(), free_port()
    config = folder / f"{kind}.toml"
    config.write_text(CONFIG, encoding="utf-8")
    threads = 1 if kind == SQLITE else 4
    with fresh(kind) as url, fresh(kind) as bare_url:
        environ = {
            **{name: "" for name in os.environ if name.startswith("LOCKSTEP_") and not name.startswith("LOCKSTEP_TEST_")},
            "LOCKSTEP_CONFIG": str(config), "LOCKSTEP_DATA": str(folder / kind), "LOCKSTEP_DATABASE_URL": url,
            "LOCKSTEP_REDIS_URL": redis, "LOCKSTEP_LOG_LEVEL": "ERROR", "LOCKSTEP_PAGERDUTY_WEBHOOK_SECRET": secret,
            "LOCKSTEP_PAGERDUTY_API_TOKEN": "none", "BENCH_SECRET": secret, "BENCH_DATABASE": bare_url,
        }  # fmt: skip
        environ = {name: value for name, value in environ.items() if value}
        prepare(bare_url)
        lockstep = [sys.executable, "-m", "hub.cli"]
        with process([*lockstep, "migrate"], environ) as migration:
            migration.wait()
        web = [*lockstep, "web", "--port", str(ours), "--processes", "2", "--threads", str(threads)]
        with (
            process(web, environ, ours),
            process(granian("tests.bench.bare:app", floor, threads), environ, floor),
        ):
            many = plan.of(100_000, 20_000, 100)
            rows = _compare(f"intake, {kind}", ours, floor, secret, plan)
            store = Store(url)
            fill(store, many, "pagerduty")
            store.close()
            return rows + _compare(f"intake, {many:,} stored incidents, {kind}", ours, floor, secret, plan)


def _compare(name: str, ours: int, floor: int, secret: str, plan: Plan) -> list[Row]:
    count, rounds = plan.of((6_000, 5), (2_000, 3), (40, 1))
    latencies: tuple[list[float], list[float]] = ([], [])

    def load(port: int, path: str, side: int) -> float:
        done = http_load.run(port, [_request(path, secret) for _ in range(count)], CONNECTIONS)
        latencies[side].append(quantile(done.latencies, 0.99) * 1000)
        return done.per_second

    load(ours, "/in/pagerduty", 0), load(floor, "/in", 1)  # warms both up
    for side in latencies:
        side.clear()
    hub, bare = in_turns(rounds, lambda: load(ours, "/in/pagerduty", 0), lambda: load(floor, "/in", 1))
    return [
        ratio_at_least(f"{name}: rate", median(hub), "requests/s", median(bare), 0.7),
        ratio_at_most(f"{name}: p99", median(latencies[0]), "ms", median(latencies[1]), 2.0),
    ]


def _request(path: str, secret: str) -> bytes:
    """A webhook as PagerDuty sends it, with a new delivery id."""
    delivery = secrets.token_hex(13)
    body = json.dumps(
        {
            "event": {
                "id": delivery, "event_type": "incident.priority_updated", "resource_type": "incident",
                "occurred_at": "2026-01-05T09:00:00.000Z",
                "data": {
                    "id": "PGR0VU2", "type": "incident", "status": "triggered", "title": "Checkout answers with errors",
                    "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2", "urgency": "high",
                },
            }
        }
    ).encode()  # fmt: skip
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return http_load.post(path, {"x-pagerduty-signature": f"v1={signature}", "x-webhook-id": delivery}, body)
