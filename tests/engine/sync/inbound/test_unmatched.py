"""A person's decision about an unmatched object: link, open or ignore. It acts once, is journaled, and never breaks the rules that
keep an object from having two links (trap 13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from hub import services
from hub.domain.errors import Unauthorised, VendorError
from hub.domain.values import Observation, Ref
from hub.store.records import Outbox, Unmatched, save
from hub.store.tables import connections, incidents, journal, links, switches
from hub.sync.hub import Hub
from hub.sync.setup import register
from tests.unit.web.hub import Signed, make_hub


class Showing(Signed):
    """A vendor that shows one object, or raises."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        self.error: VendorError | None = None

    def observe(self, ref: Ref) -> Observation:
        if self.error is not None:
            raise self.error
        return Observation(ref=ref, **{"fields": {"title": "Disk full", "status": "triggered"}, **self.seen})


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    """INC-1 is open and has a held link in `signed`, where `R9` is an unmatched object that is proposed to a person."""
    url = f"sqlite:///{tmp_path}/hub.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    hub = make_hub(url)
    register(hub)
    hub.adapters["signed"] = Showing()  # type: ignore[index]
    services.open_incident(hub, {"title": "Checkout is slow"}, actor="ada")
    with hub.store.unit() as tx:
        save(tx, Unmatched(hub.ids.new(), "signed", "incident", "R9", hub.clock.now(), state="proposed"))
    yield hub
    hub.store.close()


@pytest.fixture
def vendor(hub: Hub) -> Showing:
    shown = hub.adapters["signed"]
    assert isinstance(shown, Showing)
    return shown


@pytest.fixture
def id(hub: Hub) -> str:
    (one,) = services.list_unmatched(hub)["items"]
    return str(one["id"])


def counts(hub: Hub) -> tuple[int, int, int]:
    """Number of incidents, links and journal lines."""
    with hub.store.reading() as tx:
        found = [tx.scalar(select(func.count()).select_from(table)) or 0 for table in (incidents, links, journal)]
    return found[0], found[1], found[2]


def state(hub: Hub) -> str:
    (one,) = services.list_unmatched(hub)["items"]
    return str(one["state"])


def lines(hub: Hub, ref: str, kind: str) -> list[dict[str, Any]]:
    return [x["data"] for x in services.show_journal(hub, ref)["items"] if x["kind"] == kind]


def link_to_1(hub: Hub, id: str) -> Any:
    return services.link_unmatched(hub, id, "INC-1", actor="bob")


def open_new(hub: Hub, id: str) -> Any:
    return services.open_unmatched(hub, id, actor="bob")


DECISIONS: dict[str, Callable[[Hub, str], Any]] = {"link": link_to_1, "open": open_new}
decision = pytest.mark.parametrize("decide", DECISIONS.values(), ids=DECISIONS)


def test_link_ties_it_to_the_incident_and_the_journal_says_who(hub: Hub, id: str) -> None:
    assert link_to_1(hub, id)["state"] == "linked"
    (link,) = services.list_links(hub, "INC-1")["items"]
    assert (link["remote_id"], link["state"]) == ("R9", "live")
    (line,) = lines(hub, "INC-1", "unmatched_linked")
    assert line == {"link": link["id"], "unmatched": id, "id": "R9", "actor": "bob"}
    assert counts(hub)[:2] == (1, 1)


def test_open_makes_one_new_incident_and_the_journal_says_who(hub: Hub, id: str) -> None:
    assert open_new(hub, id)["state"] == "opened"
    shown = services.show_incident(hub, "INC-2")
    assert shown["fields"]["title"] == "Disk full"
    assert [k["remote_id"] for k in shown["links"]] == ["R9"]
    (line,) = lines(hub, "INC-2", "unmatched_opened")
    assert (line["unmatched"], line["actor"]) == (id, "bob")
    assert counts(hub)[:2] == (2, 2)


def test_ignore_leaves_it_alone_and_is_noted_with_the_switches(hub: Hub, id: str) -> None:
    before = counts(hub)
    assert services.ignore_unmatched(hub, id, actor="bob")["reason"] == "ignored by bob"
    assert (state(hub), counts(hub)) == ("ignored", before)
    with hub.store.reading() as tx:
        (noted,) = tx.scalar(select(switches.c.value).where(switches.c.name == "history")) or []
    assert noted == {
        "connection": "signed",
        "state": "ignored unmatched object R9",
        "actor": "bob",
        "at": hub.clock.now().isoformat(),
    }


ALREADY = {"link": "linked to INC-1 already", "open": "opened as INC-2 already", "ignore": "is ignored already"}


@pytest.mark.parametrize("first", ALREADY)
def test_each_acts_once_and_the_second_time_is_a_conflict_that_says_what_it_is_already(
    hub: Hub, id: str, first: str
) -> None:
    ignore = partial(services.ignore_unmatched, actor="bob")
    every: dict[str, Callable[[Hub, str], Any]] = {**DECISIONS, "ignore": ignore}
    every[first](hub, id)
    before, now = counts(hub), state(hub)
    for word, decide in every.items():
        if first == "ignore" and word != "ignore":
            continue  # an ignored object may still be decided on
        with pytest.raises(services.Conflict, match=ALREADY[first]):
            decide(hub, id)
    assert (counts(hub), state(hub)) == (before, now)


@decision
def test_what_was_ignored_may_still_be_linked_or_opened(hub: Hub, id: str, decide: Callable[[Hub, str], Any]) -> None:
    services.ignore_unmatched(hub, id, actor="bob")
    assert decide(hub, id)["state"] in ("linked", "opened")


@decision
def test_a_person_may_take_in_what_is_older_than_the_connection(
    hub: Hub, vendor: Showing, id: str, decide: Callable[[Hub, str], Any]
) -> None:
    vendor.seen = {"created_at": hub.clock.now() - timedelta(days=900)}
    assert decide(hub, id)["state"] in ("linked", "opened")


def marked(hub: Hub, vendor: Showing) -> None:
    services.open_incident(hub, {"title": "another"}, actor="ada")
    (link,) = services.list_links(hub, "INC-2")["items"]
    with hub.store.reading() as tx:
        vendor.seen = {"mark": tx.scalar(select(links.c.mark).where(links.c.id == link["id"]))}


def linked(hub: Hub, vendor: Showing) -> None:
    with hub.store.unit() as tx:
        values = {"remote_kind": "incident", "remote_id": "R9", "state": "live"}
        tx.execute(update(links).values(**values))


def let_go(hub: Hub, vendor: Showing) -> None:
    linked(hub, vendor)
    with hub.store.unit() as tx:
        tx.execute(update(links).values(state="unlinked"))


def sent(hub: Hub, vendor: Showing, *, was_sent: bool = True) -> None:
    """Leaves a create of ours for another incident unsettled in the connection."""
    services.open_incident(hub, {"title": "another"}, actor="ada")
    (link,) = services.list_links(hub, "INC-2")["items"]
    now = hub.clock.now()
    with hub.store.unit() as tx:
        tx.execute(update(links).where(links.c.id == link["id"]).values(state="pending"))
        row = Outbox(
            hub.ids.new(), link["id"], link["incident_id"], "signed", "create", {}, 0, created_at=now,
            state="unknown" if was_sent else "due", first_sent_at=now if was_sent else None,
        )  # fmt: skip
        save(tx, row)


def switched_off(hub: Hub, vendor: Showing) -> None:
    with hub.store.unit() as tx:
        tx.execute(update(connections).where(connections.c.name == "signed").values(state="disabled"))


REFUSED: dict[str, tuple[Callable[[Hub, Showing], object], str]] = {
    "it carries the mark of another link": (marked, "was created by the hub for INC-2"),
    "it is linked": (linked, r"belongs to a link of INC-1 \(live\)$"),
    "it was unlinked": (let_go, "lockstep link relink INC-1 signed primary R9"),
    "a create of ours is not settled": (sent, "R9 may be that one; run the command again in a minute"),
    "it is maintenance": (lambda hub, vendor: vendor.seen.update(type="maintenance"), "is planned maintenance"),
    "it is not shown": (lambda hub, vendor: vendor.seen.update(state="absent"), "account may not see it"),
    "the vendor cannot be asked": (
        lambda hub, vendor: setattr(vendor, "error", Unauthorised("the token was revoked")), "the token was revoked"),
    "the connection is disabled": (switched_off, "run `lockstep connections observe signed` first"),
    "the connection is not configured": (lambda hub, vendor: hub.adapters.pop("signed"), "not in lockstep.toml"),  # type: ignore[attr-defined]
}  # fmt: skip


@decision
@pytest.mark.parametrize("why", REFUSED)
def test_what_would_tie_an_object_twice_is_refused_with_the_reason_and_nothing_changes(
    hub: Hub, vendor: Showing, id: str, decide: Callable[[Hub, str], Any], why: str
) -> None:
    spoil, words = REFUSED[why]
    spoil(hub, vendor)
    before = counts(hub)
    with pytest.raises(services.Conflict, match=words):
        decide(hub, id)
    assert (state(hub), counts(hub)) == ("proposed", before)


@decision
def test_a_create_that_was_never_sent_is_no_reason_to_wait(
    hub: Hub, vendor: Showing, id: str, decide: Callable[[Hub, str], Any]
) -> None:
    sent(hub, vendor, was_sent=False)
    assert decide(hub, id)["state"] in ("linked", "opened")


def test_a_slot_that_shows_an_object_takes_no_other(hub: Hub, vendor: Showing, id: str) -> None:
    services.relink(hub, "INC-1", "signed", "primary", "R1", actor="ada")
    with pytest.raises(services.Conflict, match="INC-1 is linked to R1 there already; unlink that first"):
        link_to_1(hub, id)
    assert state(hub) == "proposed"


@pytest.mark.parametrize("word", ["link", "open", "ignore"])
def test_what_is_not_there_is_not_found(hub: Hub, word: str) -> None:
    every = {**DECISIONS, "ignore": partial(services.ignore_unmatched, actor="bob")}
    with pytest.raises(services.NotFound, match="lockstep unmatched list"):
        every[word](hub, "0" * 26)
