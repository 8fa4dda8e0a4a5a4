"""Relations between our words and a vendor's: one table for each, from which both directions are derived.

After Meertens (1998) and Stevens (2007): a relation defines which pairs fit; `forward` changes theirs as little as
needed, `backward` changes ours as little as needed. Two laws hold for every relation here and are property-tested:

* correct:     ``fits(ours, forward(ours, theirs_now))`` and ``fits(backward(ours_now, theirs), theirs)``
* hippocratic: if ``fits(ours, theirs)`` then ``forward(ours, theirs) == theirs`` and ``backward(ours, theirs) == ours``

Because of them PagerDuty's "acknowledged" does not move "monitoring" back, and no two systems can make each other
oscillate. A word without a pair raises `UnknownWord`: that one field of that link is frozen until the word has a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from hub.domain.values import Json


class UnknownWord(Exception):
    """A word without a pair. side: "ours" or "theirs"."""

    def __init__(self, side: str, word: Json) -> None:
        super().__init__(f"no pair for {side} {word!r}")
        self.side = side
        self.word = word


class VocabularyGap(ValueError):
    """A table does not cover a vocabulary. Raised at start; the text names the place."""


class Relation(Protocol):
    """A relation between one of our values and one of theirs."""

    def fits(self, ours: Json, theirs: Json) -> bool: ...

    def forward(self, ours: Json, theirs_now: Json) -> Json: ...

    def backward(self, ours_now: Json, theirs: Json) -> Json: ...


@runtime_checkable
class ManyRelation(Relation, Protocol):
    """A relation between a set (or map) of ours and one of theirs, merged element by element."""

    def field_paths(self, theirs: Json) -> Mapping[str, Json]:
        """Theirs, read as our field paths: element → True for a set, key → our value for a map. An element without
        a pair is left out (and `forward` leaves it unchanged)."""
        ...


def _key(value: Json) -> Json:
    """A hashable form of a value: a list (such as priority and urgency) becomes a tuple."""
    return tuple([_key(v) for v in value]) if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class Table:
    """Pairs (our word, their word), many-to-many; the first fitting pair in table order wins.

    Their word may be a list: several words that together are one value.
    """

    pairs: tuple[tuple[str | None, Json], ...]

    @classmethod
    def of(cls, pairs: Iterable[Sequence[Json]]) -> Table:
        return cls(tuple((ours, theirs) for ours, theirs in pairs))

    @cached_property
    def _fitting(self) -> frozenset[tuple[Json, Json]]:
        return frozenset((o, _key(t)) for o, t in self.pairs)

    @cached_property
    def _theirs(self) -> Mapping[Json, Json]:
        """Our word → the first of theirs that fits it."""
        return dict(reversed(self.pairs))

    @cached_property
    def _ours(self) -> Mapping[Json, Json]:
        """Their word → the first of ours that fits it."""
        return {_key(t): o for o, t in reversed(self.pairs)}

    def fits(self, ours: Json, theirs: Json) -> bool:
        try:
            return (ours, _key(theirs)) in self._fitting
        except TypeError:  # not hashable, so not in the table
            return False

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        if self.fits(ours, theirs_now):
            return theirs_now
        try:
            return self._theirs[ours]
        except (KeyError, TypeError):
            raise UnknownWord("ours", ours) from None

    def backward(self, ours_now: Json, theirs: Json) -> Json:
        if self.fits(ours_now, theirs):
            return ours_now
        try:
            return self._ours[_key(theirs)]
        except (KeyError, TypeError):
            raise UnknownWord("theirs", theirs) from None

    def require(self, place: str, ours: Iterable[Json] = (), theirs: Iterable[Json] = ()) -> Table:
        """Returns the table. Raises VocabularyGap if it lacks one of these words. place: names the table in the
        message."""
        have_ours = {o for o, _ in self.pairs}
        have_theirs = {_key(t) for _, t in self.pairs}
        gaps = [f"our word {w!r}" for w in ours if w not in have_ours]
        gaps += [f"their word {w!r}" for w in theirs if _key(w) not in have_theirs]
        if gaps:
            raise VocabularyGap(f"{place}: the table has no pair for {', '.join(gaps)}; add one line for each")
        return self

    def one_to_one(self, place: str) -> Table:
        """Returns the table. Raises VocabularyGap if a word occurs twice, for tables where that has no meaning (keys of
        a map)."""
        for side, words in (("our", [o for o, _ in self.pairs]), ("their", [_key(t) for _, t in self.pairs])):
            twice = sorted({str(w) for w in words if words.count(w) > 1})
            if twice:
                raise VocabularyGap(f"{place}: {side} word {twice[0]!r} is in two lines; it may be in only one")
        return self


@dataclass(frozen=True)
class Same:
    """The same value on both sides."""

    def fits(self, ours: Json, theirs: Json) -> bool:
        return bool(_key(ours) == _key(theirs))

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        return theirs_now if self.fits(ours, theirs_now) else ours

    def backward(self, ours_now: Json, theirs: Json) -> Json:
        return ours_now if self.fits(ours_now, theirs) else theirs


def _squash(text: Json) -> str:
    return " ".join(str(text or "").split())


@dataclass(frozen=True)
class Text:
    """Our text and the vendor's form of it: cut to `limit` characters, white space as the vendor normalises it.

    `empty`: the text written instead of none at vendors that require one (a summary may not be empty).
    `one_line`: line breaks become spaces.
    """

    limit: int | None = None
    empty: str = ""
    one_line: bool = False

    def cuts(self, ours: Json) -> bool:
        """Whether the vendor shows only a part of this text."""
        limit = self.limit
        return limit is not None and len(str(ours or "")) > limit and len(self._whole(ours)) > limit

    def _whole(self, ours: Json) -> str:
        text = str(ours or "")
        return (_squash(text) if self.one_line else text.strip()) or self.empty

    def _cut(self, ours: Json) -> str:
        text = self._whole(ours)
        if self.limit is not None and len(text) > self.limit:
            text = text[: self.limit - 1].rstrip() + "…"
        return text

    def fits(self, ours: Json, theirs: Json) -> bool:
        if ours == theirs and isinstance(ours, str) and ours.strip() and len(ours) <= (self.limit or len(ours)):
            return True  # the usual case, without normalising
        return _squash(self._cut(ours)) == _squash(theirs)

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        return theirs_now if self.fits(ours, theirs_now) else self._cut(ours)

    def backward(self, ours_now: Json, theirs: Json) -> Json:
        return ours_now if self.fits(ours_now, theirs) else str(theirs or "").strip()


@dataclass(frozen=True)
class Elements:
    """A set of our words and a list of theirs, related by `each`; elements without a pair are left unchanged.

    It fits when each word on either side has a fitting one on the other: two of ours may share one of theirs, and one
    of ours may have two.
    """

    each: Relation

    def _ours(self, theirs: Json) -> Json | None:
        try:
            return self.each.backward(None, theirs)
        except UnknownWord:
            return None

    def field_paths(self, theirs: Json) -> Mapping[str, Json]:
        return {o: True for t in theirs or () if (o := self._ours(t)) is not None}

    def _mapped(self, ours: Iterable[str]) -> list[tuple[str, Json]]:
        out = []
        for o in sorted(set(ours or ())):
            try:
                out.append((o, self.each.forward(o, None)))
            except UnknownWord:
                continue
        return out

    def unmapped(self, ours: Json) -> list[str]:
        """Our elements that have no pair, so that the vendor cannot show them."""
        if not ours:
            return []
        return sorted(set(ours or ()) - {o for o, _ in self._mapped(ours)})

    def _known(self, theirs: Json) -> list[Json]:
        return [t for t in theirs or () if self._ours(t) is not None]

    def _shown(self, ours: str, theirs: Iterable[Json]) -> bool:
        return any(self.each.fits(ours, t) for t in theirs)

    def _meant(self, theirs: Json, ours: Iterable[str]) -> bool:
        return any(self.each.fits(o, theirs) for o in ours)

    def fits(self, ours: Json, theirs: Json) -> bool:
        if not ours and not theirs:
            return True
        want, known = [o for o, _ in self._mapped(ours)], self._known(theirs)
        return all(self._shown(o, known) for o in want) and all(self._meant(t, want) for t in known)

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        if self.fits(ours, theirs_now):
            return theirs_now
        want = self._mapped(ours)
        names = [o for o, _ in want]
        out = [t for t in theirs_now or () if self._ours(t) is None or self._meant(t, names)]
        for o, t in want:
            if not self._shown(o, out):
                out.append(t)
        return out

    def backward(self, ours_now: Json, theirs: Json) -> Json:
        if self.fits(ours_now, theirs):
            return ours_now
        mapped, known = {o for o, _ in self._mapped(ours_now)}, self._known(theirs)
        kept = {o for o in mapped if self._shown(o, known)}
        kept |= {o for t in known if not self._meant(t, kept) and (o := self._ours(t)) is not None}
        return sorted((set(ours_now or ()) - mapped) | kept)


@dataclass(frozen=True)
class OneOf:
    """A set of ours and a vendor's single value or None (Jira has one assignee)."""

    each: Relation

    def field_paths(self, theirs: Json) -> Mapping[str, Json]:
        return {} if theirs is None else {self.each.backward(None, theirs): True}

    def _mapped(self, ours: Iterable[str]) -> list[tuple[str, Json]]:
        return Elements(self.each)._mapped(ours)

    def unmapped(self, ours: Json) -> list[str]:
        if not ours:
            return []
        return Elements(self.each).unmapped(ours)

    def fits(self, ours: Json, theirs: Json) -> bool:
        want = self._mapped(ours)
        return not want if theirs is None else any(self.each.fits(o, theirs) for o, _ in want)

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        if self.fits(ours, theirs_now):
            return theirs_now
        want = self._mapped(ours)
        return want[0][1] if want else None

    def backward(self, ours_now: Json, theirs: Json) -> Json:
        if self.fits(ours_now, theirs):
            return ours_now
        mapped = {o for o, _ in self._mapped(ours_now)}
        return sorted((set(ours_now or ()) - mapped) | set(self.field_paths(theirs)))


@dataclass(frozen=True)
class Entries:
    """A map of ours (key → word) and a map of theirs, related by `keys` and `values`; keys without a pair stay
    unchanged."""

    keys: Relation
    values: Relation

    def field_paths(self, theirs: Json) -> Mapping[str, Json]:
        out: dict[str, Json] = {}
        for k, v in sorted((theirs or {}).items()):
            try:
                ours = self.keys.backward(None, k)
            except UnknownWord:
                continue
            if ours is not None:
                out[ours] = self.values.backward(out.get(ours), v)
        return out

    def _key_of(self, ours: str) -> str | None:
        try:
            return self.keys.forward(ours, None)
        except UnknownWord:
            return None

    def fits(self, ours: Json, theirs: Json) -> bool:
        theirs = theirs or {}
        want = {k: v for o, v in (ours or {}).items() if (k := self._key_of(o)) is not None}
        known = {k for k in theirs if self.field_paths({k: theirs[k]})}
        return set(want) == known and all(self.values.fits(v, theirs[k]) for k, v in want.items())

    def forward(self, ours: Json, theirs_now: Json) -> Json:
        if self.fits(ours, theirs_now):
            return theirs_now
        now = dict(theirs_now or {})
        want = {k: v for o, v in (ours or {}).items() if (k := self._key_of(o)) is not None}
        out = {k: v for k, v in now.items() if k in want or not self.field_paths({k: v})}
        for k, v in want.items():
            out[k] = self.values.forward(v, now.get(k))
        return out

    def backward(self, ours_now: Json, theirs: Json) -> Json:
        if self.fits(ours_now, theirs):
            return ours_now
        now = dict(ours_now or {})
        out = {o: v for o, v in now.items() if self._key_of(o) is None}
        for k, v in (theirs or {}).items():
            try:
                o = self.keys.backward(None, k)
            except UnknownWord:
                continue
            if o is not None:
                out[o] = self.values.backward(now.get(o), v)
        return out
