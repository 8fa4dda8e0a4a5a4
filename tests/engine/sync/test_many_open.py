"""With many incidents open, each new one costs no more than the first: a storm must not slow itself down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from hub import services
from hub.store.records import Unmatched, save
from hub.sync.hub import Hub
from hub.sync.inbound.adopt import consider
from hub.sync.incident.case import new_case
from hub.sync.incident.commit import finish, open_case
from tests.engine.patience import a_transaction_waits, until
from tests.engine.quartet import Quartet


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def four(request: pytest.FixtureRequest):
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    quartet = Quartet(url)
    quartet.settle(3)
    yield quartet
    quartet.hub.store.close()


def opened(four: Quartet, count: int) -> None:
    for number in range(count):
        four.pagerduty.sandbox.people_create(f"Checkout is slow, {number}", priority="P2")
    four.settle(10)


def unmatched_of(four: Quartet) -> Unmatched:
    """An unmatched incident of PagerDuty."""
    id = four.pagerduty.sandbox.people_create("One more", priority="P2")
    now = four.clock.now()
    unmatched = Unmatched(four.hub.ids.new(), "pagerduty", "incident", id, now, due_at=now)
    with four.hub.store.unit() as tx:
        save(tx, unmatched)
    return unmatched


def statements_of_an_unmatched_object(four: Quartet) -> int:
    """The number of SQL statements until the hub knows that an incident of PagerDuty is new."""
    hub, unmatched, seen = four.hub, unmatched_of(four), list[str]()

    def note(_connection, _cursor, statement, *_rest) -> None:
        seen.append(statement)

    event.listen(hub.store.writer, "before_cursor_execute", note)  # the reader is the same engine, or shares its events
    before = len(services.list_incidents(hub, limit=100)["items"])
    seen.clear()
    consider(hub, unmatched.id)
    count = len(seen)
    event.remove(hub.store.writer, "before_cursor_execute", note)
    assert len(services.list_incidents(hub, limit=100)["items"]) == before + 1
    return count


def test_whose_an_unmatched_object_is_takes_as_many_statements_with_thirty_open_incidents_as_with_two(
    four: Quartet,
) -> None:
    """A query for each open incident would make the work of a storm grow with the square of its size."""
    opened(four, 2)
    few = statements_of_an_unmatched_object(four)
    opened(four, 28)
    assert statements_of_an_unmatched_object(four) == few


@pytest.mark.postgres
def test_who_opens_an_incident_while_another_is_being_opened_waits_for_its_number(postgres_url: str) -> None:
    """If it were refused, it would read the vendor again; in a storm that used up PagerDuty's rate limit."""
    four = Quartet(postgres_url)
    four.settle(3)
    hub, unmatched = four.hub, unmatched_of(four)
    asked = len(four.pagerduty.sandbox.calls)
    with ThreadPoolExecutor(1) as other:
        with hub.store.unit() as tx:
            mine = new_case(hub, tx, {"title": "Mine"}, dedup_key=None, source="lockstep", actor="ada")
            finish(mine)
            theirs = other.submit(consider, hub, unmatched.id)
            until(lambda: a_transaction_waits(hub.store))
        theirs.result(30)
    assert sorted(i["number"] for i in services.list_incidents(hub)["items"]) == ["INC-1", "INC-2"]
    assert [path.split("?")[0] for _, path in four.pagerduty.sandbox.calls[asked:]].count(
        f"/incidents/{unmatched.remote_id}"
    ) == 1
    hub.store.close()


def test_what_our_own_writes_announce_is_read_and_opens_no_case(four: Quartet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read of fields that shows what is known needs no merge: of the four refreshes after an edit in Jira, only the one of
    the issue opens a case."""
    opened(four, 1)
    four.settle(60)
    (number,) = [i["number"] for i in services.list_incidents(four.hub)["items"]]
    ids = {k["connection"]: k["remote_id"] for k in services.show_incident(four.hub, number)["links"]}
    cases, reads = list[str](), {name: len(world.sandbox.calls) for name, world in four.worlds.items()}

    def open_(hub: Hub, incident_id: str):
        cases.append(incident_id)
        return open_case(hub, incident_id)

    monkeypatch.setattr("hub.sync.inbound.refresh.open_case", open_)
    four.jira.sandbox.people_set(ids["jira"], priority="Highest")
    four.settle(10)
    assert services.show_incident(four.hub, number)["fields"]["severity"] == "SEV1"
    assert len(cases) == 1
    for name in ("pagerduty", "teams"):
        fresh = four.worlds[name].sandbox.calls[reads[name] :]
        assert [m for m, path in fresh if m == "GET" and ids[name] in path][1:], (
            f"{name}: read before and after the write"
        )
