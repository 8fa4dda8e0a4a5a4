"""The capability matrix of `adapters/README.md`, generated from the adapters' declarations, which this suite tests.

python -m tests.contract.matrix            writes it between the two markers
python -m tests.contract.matrix --check    exits 1 where it is not up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hub.domain.capability import Capabilities, FieldCapability, Gap, KindCapability
from hub.domain.incident import FIELDS
from hub.domain.values import COMMENT, INCIDENT, UPDATE
from tests.contract.cases import DECLARED, NOBODY

README = Path(__file__).resolve().parents[2] / "adapters" / "README.md"
BEGIN, END = "<!-- matrix -->", "<!-- /matrix -->"

LEGEND = """\
**r** read · **w** written at any time · **c** written only when the object is created · **–** not supported.
**walks**: may need several steps. **moves**: legal steps only. **≤ n**: characters. **own doing**: the vendor may change it by
itself; that is not an edit. **history**, **refused**: an edit between the hub's last read and its write is found in the vendor's
history afterwards, or makes the vendor refuse the write. **blind**: such an edit is not seen (below)."""

GAPS: Mapping[Gap, str] = {Gap.HISTORY: "history", Gap.CONDITIONAL: "refused", Gap.BLIND: "blind"}


def _offers() -> dict[str, Capabilities]:
    """Title → capabilities. If settings narrow an adapter, its fullest form is shown."""
    found: dict[str, Capabilities] = {}
    for declared in DECLARED.values():
        found.setdefault(declared.title, declared)
    return dict(sorted(found.items(), key=lambda item: (item[1].public, item[0])))


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---'] * len(head))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _field(field: FieldCapability | None) -> str:
    if field is None:
        return "–"
    rights = ("r" if field.read else "") + {"always": "w", "create": "c", "never": ""}[field.write]
    notes = [
        "walks" if field.walks else "",
        "moves" if field.moves is not None else "",
        f"≤ {field.max_length}" if field.max_length else "",
        "own doing" if field.consequence else "",
        GAPS[field.gap] if field.write == "always" and field.read else "",
    ]
    return ", ".join([f"**{rights}**", *(n for n in notes if n)])


def _kind(kind: KindCapability | None) -> str:
    if kind is None:
        return "–"
    can = {"read": kind.reads, "edited": kind.edits, "deleted": kind.deletes, "adopted": kind.adoptable}
    made = f"made: {kind.create.value}" if kind.create else "not made"
    return "; ".join([made, ", ".join(name for name, true in can.items() if true) or "post only"])


def _number(value: float) -> str:
    return f"{value:g}"


def _limits(c: Capabilities) -> list[str]:
    rates = ", ".join(f"{r.count} in {_number(r.per)} s" for r in c.rates) or "none declared"
    hooks = c.webhooks if c.webhooks == "none" else f"{c.webhooks}, answered within {_number(c.answer_within)} s"
    polled = f"{_number(c.poll[0])} / {_number(c.poll[1])} s"
    reads = any(kind.reads for kind in c.kinds.values())
    return [
        "customers" if c.public else "insiders",
        hooks,
        "kept per object" if c.ordering == "object" else "not kept",
        polled if reads else "nothing to poll",
        f"{_number(c.read_lag)} s / {_number(max(c.find_lag, c.read_lag))} s",
        f"{_number(c.request_limit)} s",
        rates,
        str(c.concurrency),
    ]


LIMITS = [
    "who reads it", "webhooks", "their order", "polled (busy / quiet)", "lag of a read / of a list", "a request may still land for",
    "rate kept", "calls at once",
]  # fmt: skip


def _names(kind: str, offers: Mapping[str, Capabilities]) -> list[str]:
    """The hub's fields in their order, then the other fields that a vendor shows."""
    declared = {name for c in offers.values() if kind in c.kinds for name in c.kinds[kind].fields}
    ours = [name for name in FIELDS[kind] if name in declared]
    return ours + sorted(declared - set(ours))


def matrix() -> str:
    """The text between the markers."""
    offers = _offers()
    titles = list(offers)
    lines = ["### Objects", ""]
    rows = [[kind, *(_kind(c.kinds.get(kind)) for c in offers.values())] for kind in (INCIDENT, COMMENT, UPDATE)]
    lines += [*_table(["", *titles], rows), "", "### Fields", "", LEGEND, ""]
    rows = []
    for kind in (INCIDENT, COMMENT, UPDATE):
        for name in _names(kind, offers):
            cells = [_field(c.kinds[kind].fields.get(name)) if kind in c.kinds else "–" for c in offers.values()]
            rows.append([f"{kind} `{name}`", *cells])
    lines += [*_table(["", *titles], rows), "", "### Limits", ""]
    columns = [_limits(c) for c in offers.values()]
    lines += _table(["", *titles], [[name, *(c[n] for c in columns)] for n, name in enumerate(LIMITS)])
    lines += ["", "### Blind windows", "", BLIND, ""]
    lines += _table(["connection", "fields"], [[t, b] for t, c in offers.items() if (b := _blind(c))])
    lines += [
        "",
        *(f"- {DECLARED[w].title}, {kind}: no window in practice ({why})." for (w, kind), why in NOBODY.items()),
    ]
    lines += ["", "### What a connection says it cannot do", ""]
    narrowed = {c.title: [] for c in DECLARED.values()}  # type: dict[str, list[str]]
    for c in DECLARED.values():
        narrowed[c.title] += [words for words in c.degraded if words not in narrowed[c.title]]
    lines += [f"- **{title}**: {_sentence(words)}" for title in titles for words in narrowed[title]]
    return "\n".join(lines)


BLIND = """\
An edit of such a field after the hub's last read of the object and before its write of the same field is overwritten unseen.
The hub reads right before it writes, so the window is one read and one write long (at most their time-outs); every other edit
is seen."""


def _blind(c: Capabilities) -> str:
    found = [
        f"{kind} `{name}`"
        for kind, k in c.kinds.items()
        if k.reads
        for name, f in k.fields.items()
        if f.write == "always" and f.read and f.gap is Gap.BLIND
    ]
    return ", ".join(found)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "."


def updated(page: str) -> str:
    """The page with the current matrix. Raises ValueError if a marker is missing."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"{README.name} needs {BEGIN} and {END}, once each")
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{matrix()}\n\n{END}{rest.split(END)[1]}"


def main(arguments: list[str]) -> int:
    """Writes or checks; returns the exit code."""
    page = README.read_text(encoding="utf-8")
    fresh = updated(page)
    if "--check" in arguments:
        return int(fresh != page)
    README.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
