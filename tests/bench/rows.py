"""One line of the table, and how large a run is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

COLUMNS = ("name", "value", "unit", "floor", "ratio", "required", "holds")


@dataclass(frozen=True)
class Row:
    """value: measured, in `unit`. floor: what the parts alone can do, measured or computed in the same run; None: there is none.
    ratio: value / floor. required: as text; "": only reported. holds: None if nothing is required."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    required: str = ""
    holds: bool | None = None

    def shape(self) -> dict[str, Any]:
        return asdict(self)


def reported(name: str, value: float, unit: str, floor: float | None = None) -> Row:
    """A figure without a requirement."""
    return Row(name, value, unit, floor, value / floor if floor else None)


def at_most(name: str, value: float, unit: str, limit: float, also: str = "", met: bool = True) -> Row:
    """A figure with an upper limit. also: a further requirement, as text; met: whether that holds."""
    required = f"value <= {limit:g}" + (f", {also}" if also else "")
    return Row(name, value, unit, required=required, holds=value <= limit and met)


def at_least(name: str, value: float, unit: str, limit: float) -> Row:
    return Row(name, value, unit, required=f"value >= {limit:g}", holds=value >= limit)


def ratio_at_least(name: str, value: float, unit: str, floor: float, limit: float) -> Row:
    ratio = value / floor if floor else 0.0
    return Row(name, value, unit, floor, ratio, f"ratio >= {limit:g}", ratio >= limit)


def ratio_at_most(name: str, value: float, unit: str, floor: float, limit: float) -> Row:
    ratio = value / floor if floor else float("inf")
    return Row(name, value, unit, floor, ratio, f"ratio <= {limit:g}", ratio <= limit)


@dataclass(frozen=True)
class Plan:
    """size: "full" (all of the table), "quick" (a few minutes in all) or "mini" (only whether it runs). note: prints a line for the
    reader while it runs; notes: what the measurements found to dominate, printed below the table. base: a checkout of an older version to compare with."""

    size: str = "full"
    note: Callable[[str], None] = lambda line: None
    notes: list[str] = field(default_factory=list)
    base: Path | None = None

    def of(self, full: Any, quick: Any, mini: Any) -> Any:
        """The figure for this size of run."""
        return {"full": full, "quick": quick, "mini": mini}[self.size]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def in_turns(rounds: int, *acts: Callable[[], float]) -> list[list[float]]:
    """Runs the acts A B A B ..., `rounds` times each; returns the results of each act."""
    seen: list[list[float]] = [[] for _ in acts]
    for _ in range(rounds):
        for results, act in zip(seen, acts, strict=True):
            results.append(act())
    return seen


def medians(results: Sequence[Sequence[float]]) -> list[float]:
    return [median(one) for one in results]
