"""A journal in which anything was changed no longer verifies, and the place is reported; erased content is no such change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from hub import services
from hub.clock import ManualClock
from hub.store import incidents as incident_rows
from hub.store import journal, migrate
from hub.store.records import save
from hub.store.tables import journal as lines
from hub.store.unit import Tx
from hub.sync.hub import Hub
from tests.unit.web.hub import make_hub


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    url = f"sqlite:///{tmp_path}/hub.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate.upgrade(url)
    hub = make_hub(url, create=False)
    yield hub
    hub.store.close()


def written(hub: Hub) -> str:
    """An incident with four lines in its journal. Returns its id."""
    assert isinstance(hub.clock, ManualClock)
    incident = services.open_incident(hub, {"title": "Checkout is slow"}, actor="ada")
    hub.clock.advance(1)
    services.edit_incident(hub, str(incident["id"]), {"severity": "SEV1"}, actor="ada")
    shown = services.show_journal(hub, str(incident["id"]))
    assert (len(shown["items"]), shown["verified"], shown["broken"]) == (4, True, None)
    return str(incident["id"])


def row(tx: Tx, id: str, seq: int) -> dict[str, Any]:
    return dict(tx.execute(select(lines).where(lines.c.incident_id == id, lines.c.seq == seq)).mappings().one())


def put(tx: Tx, id: str, seq: int, **cells: Any) -> None:
    tx.execute(update(lines).where(lines.c.incident_id == id, lines.c.seq == seq).values(**cells))


def take(tx: Tx, id: str, *seqs: int) -> None:
    tx.execute(delete(lines).where(lines.c.incident_id == id, lines.c.seq.in_(seqs)))


def swap(tx: Tx, id: str, one: int, other: int) -> None:
    for now, then in ((one, 99), (other, one), (99, other)):
        tx.execute(update(lines).where(lines.c.incident_id == id, lines.c.seq == now).values(seq=then))


def add(tx: Tx, id: str) -> None:
    """Adds a line that continues the chain."""
    last = row(tx, id, 4)
    end = journal._hash(last["hash"], 5, last["at"], last["kind"], last["source"], last["commitment"])
    tx.execute(insert(lines), [{**last, "seq": 5, "hash": end}])


def rewrite(tx: Tx, id: str, seq: int, *, hash: bool) -> None:
    """Replaces a line's content, with the matching commitment (and hash)."""
    line, before = row(tx, id, seq), row(tx, id, seq - 1)
    commitment = journal._commitment(line["salt"], OTHER)
    end = journal._hash(before["hash"], seq, line["at"], line["kind"], line["source"], commitment)
    put(tx, id, seq, data=OTHER, commitment=commitment, hash=end if hash else line["hash"])


OTHER = {"field": "title", "value": "Nothing happened", "ours": "", "rule": "opened", "actor": "ada"}
FOLLOWS = "line {} does not follow from the one before it"

CHANGES: dict[str, tuple[Callable[[Tx, str], None], str]] = {
    "a content": (lambda tx, id: put(tx, id, 2, data=OTHER), "the content of line 2 was changed"),
    "a salt": (lambda tx, id: put(tx, id, 2, salt="0" * 22), "the content of line 2 was changed"),
    "a content, as if it were erased": (
        lambda tx, id: put(tx, id, 2, data=OTHER, salt=None), "the content of line 2 was changed"),
    "a content taken away, its salt left": (
        lambda tx, id: put(tx, id, 2, data=None), "the content of line 2 was changed"),
    "a commitment": (lambda tx, id: put(tx, id, 2, commitment="0" * 64), "the content of line 2 was changed"),
    "a hash": (lambda tx, id: put(tx, id, 2, hash="0" * 64), FOLLOWS.format(2)),
    "a content and its commitment": (lambda tx, id: rewrite(tx, id, 2, hash=False), FOLLOWS.format(2)),
    "a content, its commitment and its hash": (lambda tx, id: rewrite(tx, id, 2, hash=True), FOLLOWS.format(3)),
    "the same of the last line": (
        lambda tx, id: rewrite(tx, id, 4, hash=True), "its last hash differs from the one stored with the incident"),
    "when": (lambda tx, id: put(tx, id, 2, at=row(tx, id, 2)["at"] - timedelta(hours=1)), FOLLOWS.format(2)),
    "what": (lambda tx, id: put(tx, id, 2, kind="overruled"), FOLLOWS.format(2)),
    "by whom": (lambda tx, id: put(tx, id, 2, source="jira"), FOLLOWS.format(2)),
    "the first line gone": (lambda tx, id: take(tx, id, 1), "line 1 is missing"),
    "a middle line gone": (lambda tx, id: take(tx, id, 2), "line 2 is missing"),
    "the last line gone": (lambda tx, id: take(tx, id, 4), "lines are missing at its end"),
    "all lines gone": (lambda tx, id: take(tx, id, 1, 2, 3, 4), "lines are missing at its end"),
    "two lines swapped": (lambda tx, id: swap(tx, id, 2, 3), FOLLOWS.format(2)),
    "a line added": (add, "its last hash differs from the one stored with the incident"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_journal_that_was_changed_no_longer_verifies_and_it_is_said_where(hub: Hub, what: str) -> None:
    changed, other = written(hub), written(hub)
    change, words = CHANGES[what]
    with hub.store.unit() as tx:
        change(tx, changed)
    shown = services.show_journal(hub, changed)
    assert (shown["verified"], shown["broken"]) == (False, words)
    assert services.show_journal(hub, other)["verified"]


def test_what_was_erased_is_gone_and_the_journal_still_verifies(hub: Hub) -> None:
    incident = written(hub)
    before = services.show_journal(hub, incident)["items"]
    with hub.store.unit() as tx:
        for seq in (1, 4):
            journal.erase(tx, incident, seq)
    shown = services.show_journal(hub, incident)
    assert (shown["verified"], shown["broken"]) == (True, None)
    assert [x["data"] for x in shown["items"]] == [None, before[1]["data"], before[2]["data"], None]
    services.edit_incident(hub, incident, {"severity": "SEV2"}, actor="ada")
    assert services.show_journal(hub, incident)["verified"]
    with hub.store.unit() as tx:
        put(tx, incident, 4, kind="overruled")
    assert services.show_journal(hub, incident)["broken"] == FOLLOWS.format(4)


OLD: dict[tuple[str, str], tuple[dict[str, Any], str, dict[str, Any]]] = {
    ("changed", "jira"): (
        {"cell": "tags/db", "value": True, "ours": None, "rule": "latest", "actor": "ada", "link": "k1"},
        "changed",
        {"field": "tags/db", "value": True, "ours": None, "rule": "latest", "actor": "ada", "link": "k1"},
    ),
    ("double", "jira"): (
        {"link": "k1", "twin": "k2", "id": "10077"}, "duplicate", {"link": "k1", "duplicate": "k2", "id": "10077"}),
    ("possible_double", "teams"): (
        {"link": "k1", "unknowns": 1}, "possible_duplicate", {"link": "k1", "unknowns": 1}),
    ("replayed", "hub"): (
        {"link": "k1", "outbox": "o1", "actor": "ada"}, "retried", {"link": "k1", "outbox": "o1", "actor": "ada"}),
}  # fmt: skip
"""(kind, source) of a line as 0.1.0 wrote it → its content, and the kind and content that readers get."""


def test_a_line_of_an_older_version_is_read_with_todays_words_and_verifies_as_it_was_written(hub: Hub) -> None:
    incident = written(hub)
    old = [journal.Line(kind, source, data) for (kind, source), (data, _, _) in OLD.items()]
    with hub.store.unit() as tx:
        row_of = incident_rows.get(tx, incident)
        assert row_of is not None
        journal.append(tx, row_of, hub.clock.now(), old, hub.ids)
        save(tx, row_of)
    shown = services.show_journal(hub, incident)
    assert (shown["verified"], shown["broken"]) == (True, None)
    assert [(x["kind"], x["data"]) for x in shown["items"][4:]] == [(kind, data) for _, kind, data in OLD.values()]
    with hub.store.reading() as tx:
        stored = [(x["kind"], x["source"], x["data"]) for x in journal.entries(tx, incident)[4:]]
    assert stored == [(kind, source, data) for (kind, source), (data, _, _) in OLD.items()]
    with hub.store.unit() as tx:
        put(
            tx, incident, 5, data=OLD["changed", "jira"][2]
        )  # the current words in place of the old ones count as a change
    assert services.show_journal(hub, incident)["broken"] == "the content of line 5 was changed"
