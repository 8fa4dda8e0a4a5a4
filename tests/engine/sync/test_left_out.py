"""A connection whose client library is not installed: the others go on, nothing of it is lost, and once the library is installed it
continues where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select

from hub import services
from hub.domain.values import Request
from hub.ports import LeftOut
from hub.store.due import due
from hub.store.tables import connections, cursors, inbox, links, outbox, timers, unmatched_objects
from hub.sync import tasks
from hub.sync.hub import LEFT_OUT_AGAIN, ConnectionLeftOut
from hub.sync.inbound import intake
from hub.sync.inbound.poll import poll
from tests.engine.quartet import Quartet

WHY = LeftOut("the package jira is not installed", "run `pip install 'lockstep-hub[jira]'`, then restart the hub")


@pytest.fixture
def q() -> Quartet:
    return Quartet()


@contextmanager
def without(q: Quartet, name: str = "jira") -> Iterator[None]:
    """Runs the process without that connection's library."""
    whole = dict(q.hub.adapters)
    q.hub.adapters = {n: a for n, a in whole.items() if n != name}
    q.hub.left_out = {name: WHY}
    yield
    q.hub.adapters, q.hub.left_out = whole, {}


def column(q: Quartet, what: Any, *where: Any) -> list[Any]:
    with q.hub.store.reading() as tx:
        return list(tx.execute(select(what).where(*where)).scalars())


def test_the_others_go_on_and_what_was_meant_for_it_is_written_when_the_library_is_there(q: Quartet) -> None:
    incident = q.begins()
    issues = set(q.jira.sandbox.issues)
    with without(q):
        q.others_go_on(incident, "jira")
        services.add_comment(q.hub, incident, "Rolled back to 4.2.1", actor="ada")
        q.settle(120)
        assert [n for n in q.behind(incident) if n != "jira"] == []
        assert q.link(incident, "jira")["state"] == "live"
    q.settle(2 * LEFT_OUT_AGAIN + 60)
    assert q.behind(incident) == []
    assert set(q.jira.sandbox.issues) == issues
    assert "Rolled back to 4.2.1" in str(q.jira.sandbox.issues)


def test_an_incident_that_began_meanwhile_gets_its_object_when_the_library_is_there(q: Quartet) -> None:
    q.settle(2)
    with without(q):
        q.pagerduty.sandbox.people_create("Search is slow", priority="P2", assignees=["PADA001"])
        q.settle(60)
        (incident,) = [i["id"] for i in services.list_incidents(q.hub)["items"]]
        assert [
            k["connection"] for k in services.show_incident(q.hub, incident)["links"] if k["connection"] == "jira"
        ] == []
    q.settle(2 * LEFT_OUT_AGAIN)
    assert q.link(incident, "jira")["state"] == "live"
    assert len(q.jira.sandbox.issues) == 1


def test_its_webhooks_are_answered_503_so_that_the_vendor_sends_them_again(q: Quartet) -> None:
    incident = q.begins()
    q.jira.webhooks()
    with without(q):
        (issue,) = q.jira.sandbox.issues
        q.jira.sandbox.people_set(issue, summary="Checkout is down")
        sent = q.jira.webhooks()
        answers = [q.send("jira", request) for request in sent]
        assert answers
        assert {(a.status_code, "Retry-After" in a.headers) for a in answers} == {(503, True)}
        assert column(q, inbox.c.id, inbox.c.connection == "jira", inbox.c.state == "new") == []
    assert {q.send("jira", request).status_code for request in sent} == {202}
    q.settle(60)
    assert q.fields(incident)["title"] == "Checkout is down"


def test_a_webhook_that_was_kept_before_waits_unread_and_is_read_when_the_library_is_there(q: Quartet) -> None:
    incident = q.begins()
    q.jira.webhooks()
    (issue,) = q.jira.sandbox.issues
    q.jira.sandbox.people_set(issue, summary="Checkout is down")
    assert {q.send("jira", request).status_code for request in q.jira.webhooks()} == {202}
    waiting = column(q, inbox.c.id, inbox.c.connection == "jira", inbox.c.state == "new")
    assert waiting
    with without(q):
        for _ in range(10):
            q.work()
            q.clock.advance(LEFT_OUT_AGAIN)
        assert column(q, inbox.c.attempts, inbox.c.id.in_(waiting), inbox.c.state == "new") == [0] * len(waiting)
    q.settle(60)
    assert column(q, inbox.c.state, inbox.c.id.in_(waiting)) == ["done"] * len(waiting)
    assert q.fields(incident)["title"] == "Checkout is down"


def everything(q: Quartet, name: str) -> dict[str, Any]:
    """The content of a connection's rows, without their due times."""
    of_it = select(links.c.id).where(links.c.connection == name)
    with q.hub.store.reading() as tx:
        return {
            "outbox": tx.execute(
                select(outbox.c.id, outbox.c.state, outbox.c.attempts, outbox.c.changes).where(
                    outbox.c.connection == name
                )
            ).all(),
            "links": tx.execute(select(links.c.id, links.c.state, links.c.rev).where(links.c.connection == name)).all(),
            "looks": tx.scalar(
                select(func.count()).where(links.c.connection == name, links.c.refresh_due.is_not(None))
            ),
            "unmatched_objects": tx.execute(
                select(unmatched_objects.c.id, unmatched_objects.c.state, unmatched_objects.c.attempts).where(
                    unmatched_objects.c.connection == name
                )
            ).all(),
            "timers": tx.scalar(select(func.count()).select_from(timers).where(timers.c.key.in_(of_it))),
            "polls": tx.scalar(select(func.count()).where(cursors.c.connection == name, cursors.c.due_at.is_not(None))),
            "subscription": tx.scalar(
                select(connections.c.subscription_due.is_not(None)).where(connections.c.name == name)
            ),
        }


def test_each_kind_of_row_of_it_waits_as_it_is_and_does_not_stand_in_the_way_of_the_others(q: Quartet) -> None:
    """The sweep takes a limited number of each kind, oldest first: rows that this process cannot work must not stay due."""
    incident = q.begins()
    link = q.link(incident, "jira")["id"]
    q.jira.webhooks()
    q.jira.sandbox.people_create("made by hand")
    q.clock.advance(300)
    poll(q.hub, "jira")
    services.edit_incident(q.hub, incident, {"title": "Checkout is down"}, actor="ada")
    services.refresh_link(q.hub, link)
    with q.hub.store.unit() as tx:
        for kind in ("duplicates", "backlink"):
            tx.execute(timers.insert().values(kind=kind, key=link, due_at=q.clock.now(), data={}))
        tx.execute(connections.update().where(connections.c.name == "jira").values(subscription_due=q.clock.now()))
        tx.execute(cursors.update().where(cursors.c.connection == "jira").values(due_at=q.clock.now()))
    before = everything(q, "jira")
    assert before["outbox"], "there is an intention"
    assert before["looks"], "there is a look"
    assert before["unmatched_objects"], "there is an object that nobody has decided about"
    assert before["timers"] == 2
    with without(q):
        for _ in range(5):
            q.work()
            with q.hub.store.reading() as tx:
                ids = {
                    "jira",
                    link,
                    *(row.id for row in before["unmatched_objects"]),
                    *(row.id for row in before["links"]),
                }
                assert [(task, name) for task, name in due(tx, q.clock.now()) if name in ids] == []
            assert everything(q, "jira") == before
            q.clock.advance(LEFT_OUT_AGAIN + 1)
    q.settle(120)
    assert q.behind(incident) == []
    assert q.jira.sandbox.issues


def test_people_are_told_what_is_missing_and_what_to_do(q: Quartet) -> None:
    incident = q.begins()
    with without(q):
        (line,) = q.doctor("jira")
        assert (line.level, line.what, line.remedy) == ("error", f"it is left out: {WHY.what}", WHY.remedy)
        assert WHY.remedy in [x.remedy for x in q.doctor_work() if x.part == "connection jira"]
        listed = {c["name"]: c for c in services.list_connections(q.hub)}
        assert (listed["jira"]["healthy"], listed["jira"]["reason"]) == (False, str(WHY))
        assert listed["teams"]["healthy"]
        with pytest.raises(services.Conflict, match=r"pip install 'lockstep-hub\[jira\]'"):
            services.relink(q.hub, incident, "jira", "primary", "10002", actor="ada")
        with pytest.raises(ConnectionLeftOut, match=r"pip install"):
            intake.accept(q.hub, "jira", Request("POST", "/in/jira", {}, {}, b"{}", q.clock.now()))
        answer = q.api("GET", "connections")
        assert answer.status_code == 200
        assert "lockstep-hub[jira]" in answer.text


@pytest.mark.parametrize("task", sorted(tasks.TASKS))
def test_no_task_fails_over_a_connection_that_is_left_out(q: Quartet, task: str) -> None:
    incident = q.begins()
    link = q.link(incident, "jira")["id"]
    with without(q):
        for name in ("jira", link, incident):
            tasks.run(q.hub, task, name)
