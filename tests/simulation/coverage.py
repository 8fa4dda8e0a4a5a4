"""Coverage of a batch of runs: a simulation that meets no crash and no conflict proves nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.domain.authority import DEFAULT, Authority, Row, Verdict
from hub.domain.values import Json

VENDORS = ("pagerduty", "jira", "statuspage", "teams", "hub")
RULES = ("only", "latest", "rank", "authority", "review", "here")
MOMENTS = ("commit", "committed", "send", "answered", "wake", "woken")


@dataclass
class Coverage:
    """Counts by kind: boundaries passed, crashes at them, faults injected, journal lines and rules, authority rows used."""

    boundaries: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)

    def boundary(self, place: str) -> None:
        self.boundaries[place] += 1

    def crash(self, place: str) -> None:
        self.crashes[place] += 1

    def fault(self, name: str) -> None:
        self.faults[name] += 1

    def line(self, kind: str, data: dict[str, Any] | None) -> None:
        """Counts a journal line."""
        self.kinds[kind] += 1
        rule = (data or {}).get("rule")
        if rule:
            self.rules[rule] += 1

    def add(self, other: Coverage) -> None:
        for name in vars(self):
            getattr(self, name).update(getattr(other, name))

    def missing(self) -> list[str]:
        """Kinds that a large batch must meet and this one did not."""
        out = [f"no crash at {place}" for place in sorted(self.boundaries) if not self.crashes[place]]
        out += [f"merge rule {rule} never decided" for rule in RULES if not self.rules[rule]]
        for row in DEFAULT.rows:
            name = f"{row.field}/{row.vendor}"
            if row.vendor in ("*", *VENDORS) and not self.rows[name]:
                out.append(f"authority row {name} never asked")
        return out

    def table(self) -> str:
        """For people."""
        lines = []
        for title, counts in vars(self).items():
            shown = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
            lines.append(f"{title:>11}: {shown or '-'}")
        crashed = sum(1 for p in self.boundaries if self.crashes[p])
        lines.append(f"crash points: {crashed} of {len(self.boundaries)} hit")
        lines += [f"    MISSING: {m}" for m in self.missing()]
        return "\n".join(lines)


class CountingAuthority(Authority):
    """An authority table that counts which of its rows decided."""

    def __init__(self, rows: tuple[Row, ...], coverage: Coverage) -> None:
        super().__init__(rows)
        object.__setattr__(self, "coverage", coverage)

    def judge(self, field_name: str, vendor: str, before: Json, after: Json) -> Verdict:
        row = self.row(field_name, vendor)
        self.coverage.rows[f"{row.field}/{row.vendor}"] += 1  # type: ignore[attr-defined]
        return super().judge(field_name, vendor, before, after)

    def rank(self, field_name: str, vendor: str) -> int:
        row = self.row(field_name, vendor)
        self.coverage.rows[f"{row.field}/{row.vendor}"] += 1  # type: ignore[attr-defined]
        return row.rank


def counting(coverage: Coverage, rows: Sequence[Row] = DEFAULT.rows) -> CountingAuthority:
    return CountingAuthority(tuple(rows), coverage)
