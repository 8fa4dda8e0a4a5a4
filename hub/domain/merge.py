"""The three-way merge: what the vendors show now, each link's shadow, and our values. Pure.

A *field path* is the unit of merging: a scalar field ("status"), or one element of a set or map ("tags/db",
"impacts/checkout").

For each field path of each observation:

| remote against shadow | ours against shadow | then |
|---|---|---|
| the same | any | no change |
| changed, and fits ours | any | no change; the shadow takes the remote value |
| changed | fits (in step) | *only theirs changed*: taken if authority allows this system this move; else overruled |
| changed | differs, or changed later than theirs | *conflict*: the authority table's rule decides |

The result depends on the set of observations only, never on their order: candidates are collected first and settled
together. It is idempotent: with the shadows that it returns, the same observations change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from hub.domain.authority import Authority, Verdict
from hub.domain.incident import FieldSpec, Provenance
from hub.domain.values import Fields, Json
from hub.domain.vocabulary import ManyRelation, Relation, UnknownWord

MISSING = "\x00missing"


@dataclass(frozen=True)
class Seen:
    """One link's observation, ready to be merged.

    shadow, remote: field → theirs. after, until: the interval in which the remote changes happened, on the hub's clock.
    own: field → values of our own writes of unknown outcome, or steps of our own walk: they are not changes.
    """

    link: str
    source: str
    vendor: str
    order: tuple[int, ...]
    shadow: Fields
    remote: Fields
    relations: Mapping[str, Relation]
    after: datetime
    until: datetime
    consequences: frozenset[str] = frozenset()
    held: Fields = field(default_factory=dict)
    frozen: Fields = field(default_factory=dict)
    own: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    actor: str | None = None


@dataclass(frozen=True)
class Entry:
    """A journal line: kind `changed | overruled | review | unknown_word`; rule: what decided."""

    kind: str
    field_path: str
    source: str
    rule: str
    value: Json
    ours: Json
    actor: str | None = None
    link: str | None = None


@dataclass
class LinkAfter:
    """One link's state after the merge."""

    shadow: dict[str, Json]
    held: dict[str, Json]
    frozen: dict[str, Json]


@dataclass
class Merged:
    """fields, provenance: the canonical object after the merge (each field path of a set or map has its own
    provenance)."""

    fields: dict[str, Json]
    provenance: dict[str, Provenance]
    links: dict[str, LinkAfter]
    entries: list[Entry]
    changed: set[str]


@dataclass(frozen=True)
class _Candidate:
    field_path: str
    field: str
    value: Json
    seen: Seen
    conflict: bool

    def provenance(self, rank: int) -> Provenance:
        return Provenance(self.seen.source, self.seen.after, self.seen.until, rank, self.seen.actor)


def value_at(fields: Fields, field_path: str) -> Json:
    """The value of a field path; None for an element that is missing."""
    name, _, key = field_path.partition("/")
    value = fields.get(name)
    if not key:
        return value
    if isinstance(value, Mapping):
        return value.get(key)
    return True if key in (value or ()) else None


def set_value_at(fields: dict[str, Json], field_path: str, value: Json, many: str) -> None:
    """Sets a field path; None removes an element."""
    name, _, key = field_path.partition("/")
    if not key:
        fields[name] = value
    elif many == "map":
        entries = {k: v for k, v in (fields.get(name) or {}).items() if k != key}
        fields[name] = entries if value is None else dict(sorted({**entries, key: value}.items()))
    else:
        rest = set(fields.get(name) or ()) - {key}
        fields[name] = sorted(rest if value is None else rest | {key})


def merge(
    fields: Fields,
    provenance: Mapping[str, Provenance],
    seen: Sequence[Seen],
    authority: Authority,
    specs: Mapping[str, FieldSpec],
    orders: Mapping[str, int] | None = None,
) -> Merged:
    """Merges the observations of several links into the canonical object; see the module's table. orders: source → its
    place among the connections, the last tie-break (a source that is not in it comes first)."""
    result = Merged(dict(fields), dict(provenance), {}, [], set())
    candidates: dict[str, list[_Candidate]] = {}
    for s in sorted(seen, key=lambda s: (s.order, s.link)):
        after = LinkAfter(dict(s.shadow), dict(s.held), dict(s.frozen))
        result.links[s.link] = after
        for name in sorted(s.remote):
            for candidate in _news(name, s, fields, after, specs, result.entries):
                candidates.setdefault(candidate.field_path, []).append(candidate)
    for field_path in sorted(candidates):
        _settle(field_path, candidates[field_path], fields, result, authority, specs, orders or {})
    return result


def _news(
    name: str,
    s: Seen,
    fields: Fields,
    after: LinkAfter,
    specs: Mapping[str, FieldSpec],
    entries: list[Entry],
) -> list[_Candidate]:
    """The changes in one field of one observation. Also moves the link's shadow to the remote value."""
    relation, theirs, before = s.relations.get(name), s.remote[name], s.shadow.get(name, MISSING)
    if relation is None or name not in specs:
        return []
    if name in s.consequences:
        after.shadow[name] = theirs
        after.held.pop(name, None)
        return []
    if before == theirs and name not in s.frozen:
        return []
    ours = fields.get(name)
    try:
        if theirs in s.own.get(name, ()):
            found: list[_Candidate] = []
        elif specs[name].many and isinstance(relation, ManyRelation):
            found = _elements(name, s, fields, relation, before)
        else:
            found = _scalar(name, s, ours, relation, before)
            if not found:
                after.held.pop(name, None)
    except UnknownWord as e:
        after.shadow[name] = theirs
        if s.frozen.get(name) != e.word:
            after.frozen[name] = e.word
            entries.append(Entry("unknown_word", name, s.source, "vocabulary", e.word, ours, s.actor, s.link))
        return []
    after.shadow[name] = theirs
    after.frozen.pop(name, None)
    return found


def _scalar(name: str, s: Seen, ours: Json, relation: Relation, before: Json) -> list[_Candidate]:
    if relation.fits(ours, s.remote[name]):
        return []
    value = relation.backward(ours, s.remote[name])
    in_step = before != MISSING and relation.fits(ours, before)
    return [_Candidate(name, name, value, s, conflict=not in_step)]


def _elements(name: str, s: Seen, fields: Fields, relation: ManyRelation, before: Json) -> list[_Candidate]:
    was = {} if before == MISSING else relation.field_paths(before)
    now = relation.field_paths(s.remote[name])
    fits = relation.fits(fields.get(name), s.remote[name])
    own = [relation.field_paths(sent) for sent in s.own.get(name, ())]
    found = []
    for key in sorted(set(was) | set(now)):
        if was.get(key) == now.get(key) or any(sent.get(key) == now.get(key) for sent in own):
            continue
        if fits and key in now:  # one of our words that the incident has already fits theirs
            continue
        field_path = f"{name}/{key}"
        ours = value_at(fields, field_path)
        if ours != now.get(key):
            found.append(_Candidate(field_path, name, now.get(key), s, conflict=ours != was.get(key)))
    return found


def _settle(
    field_path: str,
    candidates: list[_Candidate],
    fields: Fields,
    result: Merged,
    authority: Authority,
    specs: Mapping[str, FieldSpec],
    orders: Mapping[str, int],
) -> None:
    """Settles one field path: which changes authority allows, and which of them wins. Records the overruled ones."""
    ours, base = value_at(fields, field_path), result.provenance.get(field_path)
    contenders: list[tuple[_Candidate, Provenance, str]] = []
    for c in candidates:
        row = authority.row(c.field, c.seen.vendor)
        verdict = authority.judge(c.field, c.seen.vendor, ours, c.value)
        proof, rule = c.provenance(row.rank), "only"
        if verdict is not Verdict.REVIEW:
            result.links[c.seen.link].held.pop(c.field, None)
        if verdict is Verdict.KEEP:
            _note(result, "overruled", c, "authority", ours)
            continue
        contested = base is not None and base.source != c.seen.source and (c.conflict or proof.before(base))
        if verdict is Verdict.TAKE and base is not None and contested:
            verdict, rule = _conflict(base, proof, row.rule, orders)
        if verdict is Verdict.KEEP:
            _note(result, "overruled", c, rule, ours)
        elif verdict is Verdict.REVIEW:
            result.links[c.seen.link].held[c.field] = {
                "theirs": c.seen.remote[c.field],
                "value": c.value,
                "rule": "review",
            }
            _note(result, "review", c, "review", ours)
        else:
            contenders.append((c, proof, rule))
    if not contenders:
        return
    latest = [t for t in contenders if not any(t[1].before(o[1]) for o in contenders)]
    winner, proof, rule = min(latest, key=lambda t: (t[1].rank, t[0].seen.order, t[0].seen.link))
    for c, _, _ in contenders:
        if c is not winner and c.value != winner.value:
            _note(result, "overruled", c, "latest" if (c not in [x[0] for x in latest]) else "rank", winner.value)
    _note(result, "changed", winner, rule, ours)
    set_value_at(result.fields, field_path, winner.value, specs[winner.field].many)
    result.provenance[field_path] = proof
    result.changed.add(field_path)


def _conflict(base: Provenance, proof: Provenance, rule: str, orders: Mapping[str, int]) -> tuple[Verdict, str]:
    """Settles a conflict: our value and theirs both changed. Returns (verdict, the rule that decided)."""
    if rule == "review":
        return Verdict.REVIEW, "review"
    if rule == "latest":
        if base.before(proof):
            return Verdict.TAKE, "latest"
        if proof.before(base):
            return Verdict.KEEP, "latest"
    if base.rank != proof.rank:
        return (Verdict.TAKE if proof.rank < base.rank else Verdict.KEEP), "rank"
    first = (orders.get(proof.source, -1), proof.source) < (orders.get(base.source, -1), base.source)
    return (Verdict.TAKE if first else Verdict.KEEP), "order"


def _note(result: Merged, kind: str, c: _Candidate, rule: str, ours: Json) -> None:
    result.entries.append(Entry(kind, c.field_path, c.seen.source, rule, c.value, ours, c.seen.actor, c.seen.link))


def edit(
    fields: Fields,
    provenance: Mapping[str, Provenance],
    changes: Fields,
    proof: Provenance,
    specs: Mapping[str, FieldSpec],
) -> Merged:
    """Applies a change made here or by a command, without a conflict rule. changes: field → our whole new value."""
    result = Merged(dict(fields), dict(provenance), {}, [], set())
    for name in sorted(changes):
        spec, new = specs[name], changes[name]
        for field_path, value in _field_paths_of(name, fields.get(name), new, spec.many):
            ours = value_at(fields, field_path)
            if ours == value:
                continue
            result.entries.append(Entry("changed", field_path, proof.source, "here", value, ours, proof.actor))
            set_value_at(result.fields, field_path, value, spec.many)
            result.provenance[field_path] = replace(proof)
            result.changed.add(field_path)
    return result


def _field_paths_of(name: str, old: Json, new: Json, many: str) -> list[tuple[str, Json]]:
    if not many:
        return [(name, new)]
    if many == "map":
        keys = sorted(set(old or {}) | set(new or {}))
        return [(f"{name}/{k}", (new or {}).get(k)) for k in keys]
    return [(f"{name}/{k}", True if k in (new or ()) else None) for k in sorted(set(old or ()) | set(new or ()))]
