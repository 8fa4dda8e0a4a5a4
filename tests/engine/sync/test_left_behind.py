"""Objects whose connection is no longer configured, and links by a person that cannot exist."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub import services
from hub.domain.policy import ConnectionConfig, LinkRule
from hub.sync.setup import register
from tests.engine.quartet import Quartet


@pytest.fixture
def q() -> Quartet:
    return Quartet()


def rename(q: Quartet, old: str, new: str | None) -> None:
    """Renames a connection in the configuration, or removes it."""
    config, world = q.hub.config, q.worlds.pop(old)
    rest = {n: c for n, c in config.connections.items() if n != old}
    rules = tuple(r for r in config.policy.links if r.connection != old)
    adapters = {n: a for n, a in q.hub.adapters.items() if n != old}
    if new is not None:
        rest[new] = ConnectionConfig(new, old, "enabled", 1)
        rules = (*rules, LinkRule(new, severity_at_least="SEV3"))
        adapters[new], q.worlds[new] = q.hub.adapters[old], world
    q.hub.config = replace(config, connections=rest, policy=replace(config.policy, links=rules))
    q.hub.adapters = adapters
    register(q.hub)


def test_an_incident_goes_on_everywhere_else_when_one_of_its_connections_is_not_configured_any_more(q: Quartet) -> None:
    incident = q.begins()
    rename(q, "jira", None)
    services.edit_incident(q.hub, incident, {"title": "Checkout is down"}, actor="ada")
    services.add_comment(q.hub, incident, "Looking at it", actor="ada")
    q.settle(60)
    links = services.show_incident(q.hub, incident)["links"]
    assert [k["connection"] for k in links if k["state"] != "live" or k["lag"]] in ([], ["jira"])
    (words,) = [x for x in q.doctor_work() if x.part == "connection jira"]
    assert (words.level, words.what[:11]) == ("warn", "1 object(s)")


def test_a_connection_with_a_new_name_makes_no_second_object_until_the_old_one_is_let_go_of(q: Quartet) -> None:
    incident = q.begins()
    issues = set(q.jira.sandbox.issues)
    (old,) = [k["id"] for k in services.show_incident(q.hub, incident)["links"] if k["connection"] == "jira"]
    rename(q, "jira", "jira-two")
    services.edit_incident(q.hub, incident, {"severity": "SEV1"}, actor="ada")
    q.settle(60)
    assert set(q.jira.sandbox.issues) == issues
    services.unlink(q.hub, old, actor="ada")
    q.settle(60)
    assert len(set(q.jira.sandbox.issues) - issues) == 1


def test_an_incident_that_was_merged_into_another_takes_no_link(q: Quartet) -> None:
    loser, winner = q.begins("Search is slow"), q.begins()
    services.merge_incidents(q.hub, loser, winner, actor="ada")
    issue = q.jira.sandbox.people_create("made by hand")
    number = services.show_incident(q.hub, loser)["number"]
    answer = q.api("POST", f"incidents/{number}/links", json={"connection": "jira", "remote_id": issue})
    assert (answer.status_code, "was merged into another" in answer.json["detail"]) == (409, True)
    assert q.fields(loser)["title"] == "Search is slow"


@pytest.mark.parametrize("slot", ["duplicate-1", "secondary-2", "primary ", "a\nb", "Primary", "-"])
def test_a_slot_with_a_meaning_of_its_own_or_no_name_is_refused_and_nothing_is_closed(q: Quartet, slot: str) -> None:
    incident = q.begins()
    issue = q.jira.sandbox.people_create("made by hand")
    before = q.jira.sandbox.issues[issue]["status"]
    given = {"connection": "jira", "remote_id": issue, "slot": slot}
    answer = q.api("POST", f"incidents/{incident}/links", json=given)
    assert (answer.status_code, answer.json["field"]) == (422, "body.slot")
    q.settle(30)
    assert q.jira.sandbox.issues[issue]["status"] == before


def test_what_kept_a_change_from_being_written_is_not_said_of_a_link_that_is_in_step_again(q: Quartet) -> None:
    incident = q.begins()
    title = q.fields(incident)["title"]
    q.worlds["jira"].forbid()
    services.edit_incident(q.hub, incident, {"title": "Checkout is down"}, actor="ada")
    q.settle(10)
    assert q.link(incident, "jira")["reason"]
    services.edit_incident(q.hub, incident, {"title": title}, actor="ada")
    q.settle(1)
    assert (q.link(incident, "jira")["state"], q.link(incident, "jira")["reason"]) == ("live", None)


def test_nothing_is_said_in_an_object_that_a_person_has_tied_until_it_was_read(q: Quartet) -> None:
    incident = q.begins()
    services.add_comment(q.hub, incident, "Looking at it", actor="ada")
    q.settle(60)
    right = q.link(incident, "pagerduty")
    services.unlink(q.hub, right["id"], actor="ada")
    services.relink(q.hub, incident, "pagerduty", "primary", "PWRONG0000000", actor="ada")
    q.settle(60)
    assert q.link(incident, "pagerduty")["state"] == "unreachable"
    assert services.list_failed_writes(q.hub)["items"] == []
    services.unlink(q.hub, right["id"], actor="ada")
    services.relink(q.hub, incident, "pagerduty", "primary", right["remote_id"], actor="ada")
    q.settle(90)
    assert q.behind(incident) == []


def test_a_draft_whose_link_was_let_go_of_is_no_draft_any_more(q: Quartet) -> None:
    q.settle(2)
    q.pagerduty.sandbox.people_create("Checkout is slow", priority="P2", assignees=["PADA001"])
    q.settle(30)
    (incident,) = [i["id"] for i in services.list_incidents(q.hub)["items"]]
    held = services.show_link(q.hub, q.link(incident, "statuspage")["id"])
    assert held["draft"]
    ended = services.unlink(q.hub, held["id"], actor="ada")
    assert (ended["draft"], ended["content_hash"]) == (None, None)
