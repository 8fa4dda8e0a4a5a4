"""The benchmarks run, in a size that measures nothing, and what they write has the agreed shape. No figure is judged here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.sync.incident import plan as planning
from tests.bench import __main__ as bench
from tests.bench import limits, storm, writes
from tests.bench.databases import POSTGRES, SQLITE
from tests.bench.rows import COLUMNS, Plan, Row, at_most, ratio_at_least, ratio_at_most
from tests.engine.quartet import Quartet

IN_PROCESS = ("starting", "sweeping", "simulation", "writes", "clients")
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


def test_a_requirement_with_a_condition_besides_holds_only_with_both() -> None:
    assert at_most("x", 1.0, "writes", 1.0, "shown", True).holds
    assert not at_most("x", 1.0, "writes", 1.0, "shown", False).holds
    assert not at_most("x", 2.0, "writes", 1.0, "shown", True).holds


@pytest.mark.parametrize(("part", "one"), [(limits, "_at_once"), (storm, "_storm")])
def test_what_runs_with_limits_on_has_a_row_for_each_database(
    part: Any, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSTEP_TEST_POSTGRES", "postgresql:///postgres")
    monkeypatch.setattr(part, one, lambda count, kind, plan: Row(kind, count, "s"))
    assert [row.name for row in part.measure(Plan("mini"))] == [SQLITE, POSTGRES]


def test_a_row_of_writes_does_not_hold_if_comments_are_never_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_may_be_copied", lambda item: False)
    house, plan = Quartet(), Plan("mini")
    (edit,) = (e for e in writes.edits(house, writes.begin(house)) if e.name == "Jira: a comment")
    row = writes._edit(house, edit, plan)
    assert (row.value, row.holds) == (0.0, False)
    assert [note.rpartition(": a comment: ")[2].split()[0] for note in plan.notes] == ["pagerduty", "teams"]


SEV1 = {"pagerduty": {"severity": ["P1", "high"]}, "teams": {"severity": "SEV1"}, "statuspage": {}}


@pytest.mark.parametrize(
    ("priority", "due", "holds"),
    [
        ("Highest", SEV1, True),
        ("Highest", {**SEV1, "teams": {"severity": "SEV3"}}, False),  # written, and something else is shown
        ("Highest", {k: v for k, v in SEV1.items() if k != "statuspage"}, False),  # written, and nothing was due
        ("High", {"teams": {"severity": "SEV2"}}, False),  # shown, and not written
    ],
)
def test_a_row_of_writes_holds_only_if_exactly_those_due_were_written_and_show_it(
    priority: str, due: writes.Due, holds: bool
) -> None:
    house, plan = Quartet(), Plan("mini")
    ref = writes.begin(house)

    def edit(word: str) -> None:
        house.jira.sandbox.people_set(ref["jira"], priority=word)

    assert writes._edit(house, writes.Edit("x", 1, lambda: edit(priority), due), plan).holds is holds
    edit("High")
    house.settle(90)
    assert all(row.holds for row in writes._burst(house, "x", ["Low", priority], edit, due, plan)) is holds


def test_every_system_is_written_in_a_burst_that_counts() -> None:
    rows = [*writes._burst_of_titles(Plan("mini")), *writes._burst_of_severities(Plan("mini"))]
    assert {row.name.rpartition(", ")[2] for row in rows} == {"pagerduty", "jira", "teams", "statuspage"}
    assert all(row.holds for row in rows)


def test_every_size_of_run_has_its_own_figures() -> None:
    assert [Plan(size).of(3, 2, 1) for size in ("full", "quick", "mini")] == [3, 2, 1]
