"""Which system may change which field, and which wins a conflict: one table, `authority.toml` beside this file, written
so that people who are not engineers can read it.

`Authority` is total: the `*` rows apply to a field or vendor without a row of its own.
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
    """What the hub does with a change that was made at a vendor."""

    TAKE = "take"  # the vendor's value becomes ours
    KEEP = "keep"  # our value stays and is written back
    REVIEW = "review"  # a person decides; until then the field is held on that link


RULES = ("latest", "rank", "review")
MOVES = ("forward", "unacknowledge", "backward", "reopen", "close", "any")


def move(field_name: str, before: Json, after: Json) -> str:
    """The kind of move that a change is. Only a status has kinds of moves; for any other field it is "any".

    close: to resolved or cancelled. reopen: from one of these. unacknowledge: acknowledged → triggered. backward: to
    any other earlier status.
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
    """One row of the table. take, review: moves; for a move in neither, our value stays and is written back.
    rule: how a conflict is settled. rank: decides where the rule does not; the smaller one wins."""

    field: str
    vendor: str
    take: frozenset[str]
    review: frozenset[str] = frozenset()
    rule: str = "latest"
    rank: int = 5


@dataclass(frozen=True)
class Authority:
    """The table. `row` finds the first matching row, the most specific first: (field, vendor), (field, *), (*, vendor),
    (*, *)."""

    rows: tuple[Row, ...]
    _found: dict[tuple[str, str], Row] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, lines: Sequence[Mapping[str, Json]], place: str) -> Authority:
        """Raises ValueError with the place of an invalid row."""
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
                    raise ValueError(f"{where}: {word!r} is not a move; moves are {', '.join(MOVES)}")
            if row.rule not in RULES:
                raise ValueError(f"{where}: {row.rule!r} is not a rule; rules are {', '.join(RULES)}")
            rows.append(row)
        table = cls(tuple(rows))
        if not any(r.field == "*" and r.vendor == "*" for r in rows):
            raise ValueError(f"{place}: the table needs a last line for field '*' and vendor '*'")
        return table

    def over(self, other: Authority) -> Authority:
        """This table's rows, then the other's: of rows for the same field and vendor, this table's apply."""
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
        """Whether this vendor may change our value from `before` to `after`."""
        row, kind = self.row(field_name, vendor), move(field_name, before, after)
        if kind in row.review:
            return Verdict.REVIEW
        return Verdict.TAKE if kind in row.take or "any" in row.take else Verdict.KEEP

    def rank(self, field_name: str, vendor: str) -> int:
        return self.row(field_name, vendor).rank

    def rule(self, field_name: str, vendor: str) -> str:
        return self.row(field_name, vendor).rule


def load(text: str, place: str) -> Authority:
    """A table from TOML text. place: named in errors. Raises ValueError."""
    return Authority.parse(tomllib.loads(text).get("authority", []), place)


DEFAULT = load((Path(__file__).with_name("authority.toml")).read_text(encoding="utf-8"), "authority.toml")
