"""The benchmarks run, in a size too small to measure, and their output has the agreed form. No figure is checked here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.sync.incident import plan as planning
from tests.bench import __main__ as bench
from tests.bench import cost, latency, limits, processes, storm, writes
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
    systems, plan = Quartet(), Plan("mini")
    (edit,) = (e for e in writes.edits(systems, writes.begin(systems)) if e.name == "Jira: a comment")
    row = writes._edit(systems, edit, plan)
    assert (row.value, row.holds) == (0.0, False)
    assert [note.rpartition(": a comment: ")[2].split()[0] for note in plan.notes] == ["pagerduty", "teams"]


SEV1 = {"pagerduty": {"severity": ["P1", "high"]}, "teams": {"severity": "SEV1"}, "statuspage": {}}


@pytest.mark.parametrize(
    ("priority", "due", "holds"),
    [
        ("Highest", SEV1, True),
        ("Highest", {**SEV1, "teams": {"severity": "SEV3"}}, False),  # written, but another value is shown
        ("Highest", {k: v for k, v in SEV1.items() if k != "statuspage"}, False),  # written, although nothing was due
        ("High", {"teams": {"severity": "SEV2"}}, False),  # shown, but not written
    ],
)
def test_a_row_of_writes_holds_only_if_exactly_those_due_were_written_and_show_it(
    priority: str, due: writes.Due, holds: bool
) -> None:
    systems, plan = Quartet(), Plan("mini")
    ref = writes.begin(systems)

    def edit(word: str) -> None:
        systems.jira.sandbox.people_set(ref["jira"], priority=word)

    assert writes._edit(systems, writes.Edit("x", 1, lambda: edit(priority), due), plan).holds is holds
    edit("High")
    systems.settle(90)
    assert all(row.holds for row in writes._burst(systems, "x", ["Low", priority], edit, due, plan)) is holds


def test_every_system_is_written_in_a_burst_that_counts() -> None:
    rows = [*writes._burst_of_titles(Plan("mini")), *writes._burst_of_severities(Plan("mini"))]
    assert {row.name.rpartition(", ")[2] for row in rows} == {"pagerduty", "jira", "teams", "statuspage"}
    assert all(row.holds for row in rows)


def test_the_highest_rate_that_holds_is_found_by_halves() -> None:
    tried: list[int] = []

    def holds(rate: int) -> bool:
        tried.append(rate)
        return rate <= 610

    assert latency.highest(100, 1_000, 4, holds) == 600
    assert tried == [550, 775, 650, 600]
    assert latency.highest(100, 125, 4, holds) == 100


@pytest.mark.parametrize(
    ("times", "growing"),
    [([0.2] * 9, False), ([0.2, 0.9] * 9, False), ([n / 10 for n in range(30)], True), ([5.0] * 9, True)],
)
def test_a_backlog_grows_where_the_last_changes_take_longer_than_at_an_easy_rate(
    times: list[float], growing: bool
) -> None:
    assert latency.grows(times, 0.2) is growing


@pytest.mark.parametrize(("base", "holds"), [(100.0, True), (99.0, False), (None, None)])
def test_processor_time_is_judged_only_against_a_base(
    base: float | None, holds: bool | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cost, "_spent", lambda checkout, kind, plan: 130.0 if checkout is None else base)
    (row,) = cost.measure(Plan("mini", base=None if base is None else tmp_path))
    assert (row.value, row.floor, row.holds) == (130.0, base, holds)


def test_processor_time_is_counted_for_a_process_and_what_it_has_started() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        spent = processes.by_part(child.pid)
        child.kill()
    assert spent[processes.SUPERVISOR] >= 0.25


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (("python", "-m", "hub.cli", "worker"), "workers"),
        (("python", "-m", "hub.cli", "web", "--port", "1"), "web"),
        (("/usr/bin/redis-server", "unixsocket:/tmp/s"), "Redis"),
        (("python", "-m", "hub.cli", "timer"), "timer"),
        (("sh",), processes.SUPERVISOR),
    ],
)
def test_the_parts_of_a_hub_are_told_apart_by_their_commands(command: tuple[str, ...], part: str) -> None:
    assert processes.part_of(command) == part


def test_a_base_without_an_environment_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--mini", "--base", str(tmp_path)])
    assert "make an environment there" in capsys.readouterr().err


def test_every_size_of_run_has_its_own_figures() -> None:
    assert [Plan(size).of(3, 2, 1) for size in ("full", "quick", "mini")] == [3, 2, 1]
