"""`make prove` hides nothing: a part that fails, prints no result or cannot be run is listed as such."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import pytest

from tests import prove
from tests.prove import NO_POSTGRES, PARTS, Outcome, Part

ONE = Part("one thing", ("one",), ("one", "QUICK=1"))


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("83 mutants, 82 caught, 1 not; 132 s", "83 mutants, 82 caught, 1 not; 132 s"),
        ("20000 passed, 0 failed", "20000 passed, 0 failed"),
        ("== 1 failed, 47 passed, 4 skipped in 739.18s (0:12:19) ==", "1 failed, 47 passed, 4 skipped in 739.18s (0:12:19)"),
        ("49 rows, 45 of them required, 0 of which do not hold", "49 rows, 45 of them required, 0 of which do not hold"),
        ("a line\n5 passed in 1s\nanother 7 passed", "5 passed in 1s"),
        ("make: *** [Makefile:56: faults] Error 1", "it broke off with status 3 and said nothing"),
    ],
)  # fmt: skip
def test_the_closing_line_and_the_status_of_each_part_are_its_own(printed: str, said: str) -> None:
    out = io.StringIO()
    program = [sys.executable, "-c", f"print({printed!r}); raise SystemExit(3)"]
    assert prove.make(["faults", "AT_ONCE=4"], out, program) == (3, said)
    assert printed in out.getvalue(), "all of it can be read"


def test_what_fails_or_was_not_tried_is_said_and_all_others_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCKSTEP_TEST_POSTGRES", raising=False)
    asked: list[Sequence[str]] = []

    def run(words: Sequence[str]) -> tuple[int, str]:
        asked.append(words)
        return (1, "1 failed") if words[0] == "faults" else (0, "all well")

    outcomes = prove.prove(PARTS, False, run)
    assert [words[0] for words in asked] == ["sim", "sim", "faults", "bench"]
    assert [o.holds for o in outcomes] == [True, True, None, False, True]
    assert outcomes[2].said == NO_POSTGRES
    assert "NO" in prove.table(outcomes)


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (None, 0), (False, 1)])
def test_it_ends_with_1_exactly_if_something_did_not_hold(
    monkeypatch: pytest.MonkeyPatch, holds: bool | None, status: int
) -> None:
    monkeypatch.setattr(prove, "prove", lambda *_: [Outcome("one thing", "said", 1.0, holds)])
    assert prove.main(["--quick"]) == status


def test_quick_asks_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    prove.prove([ONE], True, lambda words: (asked.append(words), (0, ""))[1])
    assert asked == [("one", "QUICK=1")]
