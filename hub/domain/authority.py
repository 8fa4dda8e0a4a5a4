"""Who may change what, and who wins: one table, `authority.toml` beside this file, readable without being an engineer.

Every question has an answer (`Authority` is total): a field or vendor that is in no row falls to the `*` rows.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hub.domain.incident import CLOSED, STATUSES
from hub.domain.values import Json


class Verdict(StrEnum):
    """What is done with a change that was made at a vendor."""

    TAKE = "take"  # theirs becomes ours
    KEEP = "keep"  # ours stays, and is written back
    REVIEW = "review"  # a person decides; the field is held on that link meanwhile


RULES = ("latest", "rank", "review")
MOVES = ("forward", "unacknowledge", "backward", "reopen", "close", "any")


def move(field_name: str, before: Json, after: Json) -> str:
    """The kind of move a change is. Only a status has directions; anything else is "any".

    close: to an end. reopen: from an end. unacknowledge: acknowledged → triggered. backward: to any earlier word.
    """
    if field_name != "status" or before not in STATUSES or after not in STATUSES:
        return "any"
    if before in CLOSED and after not in CLOSED:
        return "reopen"
    if after in CLOSED:
        return "close"
    if (before, after) == ("acknowledged", "triggered"):
        return "unacknowledge"
    return "forward" if STATUSES.index(after) > STATUSES.index(before) else "backward"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `take`, `review`: moves; a move in neither is kept (ours is written back).
    rule: how a conflict is settled. rank: who goes first where the rule does not decide; smaller wins."""

    field: str
    vendor: str
    take: frozenset[str]
    review: frozenset[str] = frozenset()
    rule: str = "latest"
    rank: int = 5


@dataclass(frozen=True)
class Authority:
    """The table. `row` finds the first line, most particular first: (field, vendor), (field, *), (*, vendor), (*, *)."""

    rows: tuple[Row, ...]
    _found: dict[tuple[str, str], Row] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, lines: Sequence[Mapping[str, Json]], place: str) -> Authority:
        """Raises ValueError with the place of a line that cannot be right."""
        rows = []
        for number, line in enumerate(lines, 1):
            where = f"{place}: authority line {number}"
            unknown = set(line) - {"field", "vendor", "take", "review", "rule", "rank", "why"}
            if unknown:
                raise ValueError(f"{where}: unknown key {sorted(unknown)[0]!r}")
            row = Row(
                field=str(line.get("field", "*")),
                vendor=str(line.get("vendor", "*")),
                take=frozenset(line.get("take", ())),
                review=frozenset(line.get("review", ())),
                rule=str(line.get("rule", "latest")),
                rank=int(line.get("rank", 5)),
            )
            for word in row.take | row.review:
                if word not in MOVES:
                    raise ValueError(f"{where}: {word!r} is no move; moves are {', '.join(MOVES)}")
            if row.rule not in RULES:
                raise ValueError(f"{where}: {row.rule!r} is no rule; rules are {', '.join(RULES)}")
            rows.append(row)
        table = cls(tuple(rows))
        if not any(r.field == "*" and r.vendor == "*" for r in rows):
            raise ValueError(f"{place}: the table needs a last line for field '*' and vendor '*'")
        return table

    def over(self, other: Authority) -> Authority:
        """This table's lines before the other's."""
        return Authority(self.rows + other.rows)

    def row(self, field_name: str, vendor: str) -> Row:
        key = (field_name, vendor)
        if key not in self._found:
            self._found[key] = next(
                r
                for wanted in ((field_name, vendor), (field_name, "*"), ("*", vendor), ("*", "*"))
                for r in self.rows
                if (r.field, r.vendor) == wanted
            )
        return self._found[key]

    def judge(self, field_name: str, vendor: str, before: Json, after: Json) -> Verdict:
        """Whether this vendor may make this change of ours."""
        row, kind = self.row(field_name, vendor), move(field_name, before, after)
        if kind in row.review:
            return Verdict.REVIEW
        return Verdict.TAKE if kind in row.take or "any" in row.take else Verdict.KEEP

    def rank(self, field_name: str, vendor: str) -> int:
        return self.row(field_name, vendor).rank

    def rule(self, field_name: str, vendor: str) -> str:
        return self.row(field_name, vendor).rule


def load(text: str, place: str) -> Authority:
    """A table from TOML text."""
    return Authority.parse(tomllib.loads(text).get("authority", []), place)


DEFAULT = load((Path(__file__).with_name("authority.toml")).read_text(encoding="utf-8"), "authority.toml")
