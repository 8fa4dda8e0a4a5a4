"""What orchestrators and Prometheus read is correct, cheap, and never fails."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text, update

from hub import services
from hub.store import claims, migrate
from hub.store.records import Inbox, Outbox, save
from hub.store.tables import links
from hub.store.timers import set_timer
from hub.store.unit import Store, StoreUnavailable
from hub.sync.hub import Hub
from hub.sync.setup import register
from hub.sync.sweep import STALLED_SECONDS
from hub.web.app import create_app
from tests.unit.web.hub import make_hub


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    url = f"sqlite:///{tmp_path}/hub.db"
    migrate.upgrade(url)
    hub = make_hub(url, create=False)
    register(hub)
    return hub


def figures(hub: Hub) -> dict[tuple[str, ...], float]:
    answer = create_app(hub).test_client().get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_process_is_alive_even_without_its_database(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "reading", lambda self: (_ for _ in ()).throw(StoreUnavailable("away")))
    client = create_app(hub).test_client()
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").json == {"ready": False, "redis": "none", "database": "down"}
    assert client.get("/health/ready").status_code == 503
    assert figures(hub)["lockstep_database_up",] == 0


def test_it_is_not_ready_once_its_database_was_moved_away_or_replaced(hub: Hub, tmp_path: Path) -> None:
    """Open connections go on reading their file after it was moved."""
    client = create_app(hub).test_client()
    assert client.get("/health/ready").status_code == 200
    path = (tmp_path / "hub.db").rename(tmp_path / "moved.db")
    assert client.get("/health/ready").json == {"ready": False, "redis": "none", "database": "down"}
    migrate.upgrade(f"sqlite:///{tmp_path}/hub.db")
    assert client.get("/health/ready").status_code == 503
    path.rename(tmp_path / "hub.db")
    assert client.get("/health/ready").status_code == 200


def test_it_is_ready_with_the_tables_of_this_version_or_a_newer_one(hub: Hub) -> None:
    client = create_app(hub).test_client()
    assert client.get("/health/ready").status_code == 200
    with hub.store.unit() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json and answer.json["tables"]) == (200, "ahead")
    with hub.store.unit() as tx:
        tx.execute(text("DELETE FROM alembic_version"))
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json and answer.json["tables"]) == (503, "empty")


@pytest.mark.parametrize("said", ["none", "up", "refuses writes", "down"])
def test_redis_is_reported_and_not_required(hub: Hub, said: str) -> None:
    client = create_app(hub, redis_state=None if said == "none" else lambda: said).test_client()
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["redis"] == said
    lines = client.get("/metrics").text.splitlines()
    shown = [line for line in lines if line.startswith("lockstep_redis_up")]
    assert shown == ([] if said == "none" else [f"lockstep_redis_up {float(said == 'up')}"])


def test_it_says_when_nobody_works_and_stays_ready(hub: Hub) -> None:
    """A load balancer that took the web out would lose webhooks that it can keep."""
    client = create_app(hub).test_client()
    now = hub.clock.now()

    def seen() -> tuple[int, object, object]:
        answer = client.get("/health/ready")
        assert answer.json is not None
        return answer.status_code, answer.json["oldest_due_seconds"], answer.json["working"]

    def due(seconds: float) -> None:
        with hub.store.unit() as tx:
            set_timer(tx, "duplicates", "a", now - timedelta(seconds=seconds), {})

    due(STALLED_SECONDS)
    assert seen() == (200, 60.0, True)
    due(STALLED_SECONDS + 5)
    assert seen() == (200, 65.0, False)
    assert figures(hub)["lockstep_oldest_due_seconds", "duplicates"] == 65
    with hub.store.unit() as tx:
        claims.take(tx, "a worker", now, 12)
    assert seen() == (200, 0.0, True)


def test_the_figures_are_those_of_the_rows(hub: Hub) -> None:
    now = hub.clock.now()
    incident = services.open_incident(hub, {"title": "down"}, actor="ada")
    (link,) = services.list_links(hub)["items"]
    ago = now - timedelta(seconds=90)
    with hub.store.unit() as tx:
        for n, state in enumerate(("new", "new", "failed", "done")):
            row = Inbox(
                f"i{n}", "signed", f"d{n}", ago if n == 0 else now, "POST", "/", {}, {}, b"", state,
                due_at=now if state == "new" else None,
            )  # fmt: skip
            save(tx, row)
        for n, state in enumerate(("due", "failed", "done")):
            row_out = Outbox(
                f"o{n}", link["id"], incident["id"], "signed", "update", {}, 0, created_at=ago, state=state
            )  # fmt: skip
            save(tx, row_out)
        tx.execute(update(links).values(behind_since=ago))
        tx.execute(text("UPDATE connections SET invalid_signatures = 7, failures = 2 WHERE name = 'signed'"))
    seen = figures(hub)
    assert seen["lockstep_database_up",] == 1
    assert seen["lockstep_incidents_open",] == 1
    assert seen["lockstep_paused",] == 0
    assert seen["lockstep_inbox_due", "signed"] == 2
    assert seen["lockstep_inbox_wait_seconds", "signed"] == 90
    assert seen["lockstep_inbox_failed", "signed"] == 1
    assert seen["lockstep_outbox_open", "due", "signed"] == 1
    assert seen["lockstep_outbox_wait_seconds", "signed"] == 90
    assert seen["lockstep_failed_writes", "signed"] == 1
    assert seen["lockstep_links_behind", "signed"] == 1
    assert seen["lockstep_link_lag_seconds", "signed"] == 90
    assert seen["lockstep_invalid_signatures_total", "signed"] == 7
    assert seen["lockstep_connection_failures", "signed"] == 2
    assert seen["lockstep_breaker_open", "signed"] == 0


def test_what_this_process_answered_is_counted_and_unknown_names_make_no_new_series(hub: Hub) -> None:
    client = create_app(hub).test_client()
    for n in range(5):
        client.post(f"/in/unknown-{n}")
    client.get("/api/v1/incidents")
    seen = figures(hub)
    assert seen["lockstep_webhooks_total", "404", "unknown"] >= 5
    assert seen["lockstep_api_requests_total", "401"] >= 1
    assert not [key for key in seen if any("unknown-" in label for label in key)]


def test_no_figure_reads_a_whole_table_of_what_is_not_due(hub: Hub) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []

    def listen(
        connection: object, cursor: object, statement: str, parameters: tuple[object, ...], *rest: object
    ) -> None:
        asked.append((statement, parameters))

    event.listen(hub.store.reader, "before_cursor_execute", listen)
    figures(hub)
    event.remove(hub.store.reader, "before_cursor_execute", listen)
    with hub.store.reading() as tx:
        plans = [
            (row[3], statement)
            for statement, parameters in asked
            if statement.startswith("SELECT")
            for row in tx.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
        ]
    assert len(plans) >= 9
    # claims: what workers hold at this moment; anon: the result of a subquery, one row of each kind
    small = ("SCAN connections", "SCAN claims", "SCAN anon_")
    assert [
        plan
        for plan in plans
        if plan[0].startswith("SCAN") and "USING" not in plan[0] and not plan[0].startswith(small)
    ] == []
