"""Tags against Jira's labels, which have no spaces and at most 255 characters; and the one label that is our mark.
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
    """The label by which JQL finds what we created."""
    return f"lockstep-{key}"


def is_mark(label: str) -> bool:
    return _MARK.fullmatch(label) is not None


def visible(labels: Json) -> list[str]:
    """A label list as Jira gives it, without our mark, in alphabetical order: Jira's own order says nothing."""
    return sorted(x for x in labels or () if isinstance(x, str) and not is_mark(x))


@dataclass(frozen=True)
class Labels:
    """A set of tags against a list of labels: "customer impact" is `customer-impact`. A tag that only differs from a
    label in that way *is* that label, so neither side is rewritten. A tag that looks like our mark has no label."""

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
    """A set of services against a list of components by name, in alphabetical order like all lists that come from
    here."""

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        if self.fits(ours, theirs_now):
            return theirs_now
        return sorted(super().forward(ours, theirs_now))
