"""Relations between tags and Jira's labels (no spaces, at most 255 characters), and the label that is the hub's mark.
Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub.domain.values import Json
from hub.domain.vocabulary import Elements

LONGEST = 255
_MARK = re.compile(r"lockstep-([a-z0-9]{6,64})")


def mark_label(key: str) -> str:
    """The label by which JQL finds what the hub created."""
    return f"lockstep-{key}"


def is_mark(label: str) -> bool:
    return _MARK.fullmatch(label) is not None


def visible(labels: Json) -> list[str]:
    """Jira's label list without the hub's mark, in alphabetical order: Jira's own order has no meaning."""
    return sorted(x for x in labels or () if isinstance(x, str) and not is_mark(x))


@dataclass(frozen=True)
class Labels:
    """Relation of a set of tags to a list of labels: "customer impact" is `customer-impact`. A tag that differs from a
    label only in that way equals it, so neither side is rewritten. A tag that looks like the hub's mark has no
    label."""

    @staticmethod
    def _label(tag: str) -> str:
        label = "-".join(str(tag).split())[:LONGEST]
        return "" if is_mark(label) else label

    def _all(self, words: Iterable[str] | None) -> set[str]:
        return {label for w in words or () if (label := self._label(w))}

    def field_paths(self, theirs: Json) -> Mapping[str, Json]:
        return dict.fromkeys(sorted(self._all(theirs)), True)

    def fits(self, ours: Json, theirs: Json) -> bool:
        return self._all(ours) == self._all(theirs)

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        if self.fits(ours, theirs_now):
            return theirs_now
        want = self._all(ours)
        kept: Sequence[str] = [t for t in theirs_now or () if self._label(t) in want]
        return sorted([*kept, *(want - self._all(kept))])

    def backward(self, ours_now: Json, theirs: Json) -> Json:
        if self.fits(ours_now, theirs):
            return ours_now
        have = self._all(theirs)
        kept = [o for o in ours_now or () if self._label(o) in have or not self._label(o)]
        return sorted({*kept, *(have - self._all(kept))})


@dataclass(frozen=True)
class Components(Elements):
    """Relation of a set of services to a list of component names, in alphabetical order like all lists of this
    adapter."""

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        if self.fits(ours, theirs_now):
            return theirs_now
        return sorted(super().forward(ours, theirs_now))
