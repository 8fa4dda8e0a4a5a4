"""The table of mutants matches the code: `make sim MUTANTS=1` plants each of them and reports what caught it."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, PROMISES, TRAPS, Mutant
from tests.simulation.mutate import planted

ROOT = Path(__file__).resolve().parents[3]
SIMULATION = [p for p in (ROOT / "tests" / "simulation").glob("*.py") if p.name != "mutate.py"]


def changed(mutant: Mutant) -> dict[str, str]:
    """file → its text with the mutant in it. Raises ValueError if the table no longer matches the code."""
    texts: dict[str, str] = {}
    for edit in mutant.edits:
        text = texts.get(edit.file) or (ROOT / edit.file).read_text(encoding="utf-8")
        texts[edit.file] = planted(text, edit.old, edit.new, f"{mutant.name}, {edit.file}")
    return texts


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mutant_changes_what_is_there_exactly_once_and_is_still_a_program(mutant: Mutant) -> None:
    for name, text in changed(mutant).items():
        ast.parse(text) if name.endswith(".py") else tomllib.loads(text)


def test_a_text_that_is_missing_or_there_twice_is_refused() -> None:
    for text in ("", "old old"):
        with pytest.raises(ValueError, match=r"here: 'old' is there \d times"):
            planted(text, "old", "new", "here")


def test_every_trap_and_promise_of_the_design_is_broken_by_one_at_least() -> None:
    broken = {m.breaks for m in MUTANTS}
    assert broken == {*TRAPS, *PROMISES}
    assert len(TRAPS) == 15


def test_no_two_mutants_have_one_name() -> None:
    names = [m.name for m in MUTANTS]
    assert len(names) == len(set(names))


def test_most_mutants_are_left_to_the_simulation() -> None:
    assert sum(1 for m in MUTANTS if m.test) <= len(MUTANTS) // 8


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_what_must_notice_a_mutant_exists(mutant: Mutant) -> None:
    assert bool(mutant.caught_by) != bool(mutant.test)
    if mutant.test:
        file, _, name = mutant.test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8")
    said = [path.read_text(encoding="utf-8") for path in SIMULATION]
    for invariant in mutant.caught_by:
        assert any(f'"{invariant}"' in text for text in said), invariant
