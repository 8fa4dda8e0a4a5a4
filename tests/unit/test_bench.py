"""The benchmarks run, in a size that measures nothing, and what they write has the agreed shape. No figure is judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.rows import COLUMNS, Plan, ratio_at_least, ratio_at_most

IN_PROCESS = ("sweeping", "simulation", "writes", "clients")
ON_PROCESSES = tuple(name for name in bench.NAMES if name not in IN_PROCESS)


@pytest.fixture(autouse=True)
def _no_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCKSTEP_TEST_POSTGRES", raising=False)


def _run(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "BUILD", tmp_path / "build" / "bench.json")
    bench.main(["--mini", "--only", name])
    rows = json.loads((tmp_path / "build" / "bench.json").read_text(encoding="utf-8"))
    assert rows
    for row in rows:
        assert tuple(row) == COLUMNS
        assert isinstance(row["value"], float)
        assert row["holds"] in (True, False) if row["required"] else row["holds"] is None


@pytest.mark.parametrize("name", IN_PROCESS)
def test_each_benchmark_runs_and_writes_rows_of_the_agreed_shape(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _run(name, monkeypatch, tmp_path)


@pytest.mark.redis
@pytest.mark.parametrize("name", ON_PROCESSES)
def test_each_benchmark_on_real_processes_runs_and_writes_rows_of_the_agreed_shape(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redis_url: str
) -> None:
    _run(name, monkeypatch, tmp_path)


def test_a_requirement_on_a_ratio_holds_on_the_right_side_of_its_limit() -> None:
    assert ratio_at_least("x", 80.0, "/s", 100.0, 0.8).holds
    assert not ratio_at_least("x", 79.0, "/s", 100.0, 0.8).holds
    assert ratio_at_most("x", 2.0, "ms", 1.0, 2.0).holds
    assert not ratio_at_most("x", 2.1, "ms", 1.0, 2.0).holds


def test_every_size_of_run_has_its_own_figures() -> None:
    assert [Plan(size).of(3, 2, 1) for size in ("full", "quick", "mini")] == [3, 2, 1]
