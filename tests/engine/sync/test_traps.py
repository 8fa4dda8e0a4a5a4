"""Each trap of the design once, over the real client libraries and the vendors' stand-ins. `hub/README.md` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.sandboxing import Fault
from hub import services
from hub.domain.values import INCIDENT, Ref
from tests.engine.quartet import Quartet


@pytest.fixture
def four() -> Iterator[Quartet]:
    quartet = Quartet()
    quartet.teams.sandbox.push.subscriptions.clear()
    yield quartet
    quartet.hub.store.close()


def ids(four: Quartet, incident: str) -> dict[str, str]:
    return {k["connection"]: k["remote_id"] for k in services.show_incident(four.hub, incident)["links"]}


def seen(four: Quartet, incident: str, name: str) -> Any:
    return four.worlds[name].adapter.observe(Ref(INCIDENT, ids(four, incident)[name]))


def said(four: Quartet, incident: str, kind: str) -> list[dict[str, Any]]:
    return [x["data"] for x in services.show_journal(four.hub, incident)["items"] if x["kind"] == kind]


def before_next(adapter: Any, method: str, act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A person acts immediately before our next call of this method."""
    original = getattr(adapter, method)

    def called(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(adapter, method, original)
        act()
        return original(*args, **kwargs)

    monkeypatch.setattr(adapter, method, called)


def test_trap_01_an_edit_of_the_same_field_between_our_read_and_our_write_is_found(
    four: Quartet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jira's history shows the overwritten title; the authority rules decide, and all four end with one of the two."""
    incident = four.begins()
    issue = ids(four, incident)["jira"]
    before_next(
        four.jira.adapter, "update", lambda: four.jira.sandbox.people_set(issue, summary="Ada's title"), monkeypatch
    )
    services.edit_incident(four.hub, incident, {"title": "Our title"}, actor="ben")
    four.settle(60)
    assert said(four, incident, "gap")[0]["values"] == {"title": "Ada's title"}
    titles = {seen(four, incident, name).fields["title"] for name in ("pagerduty", "jira", "teams")}
    assert titles == {four.fields(incident)["title"]}
    assert any(d["value"] == "Ada's title" for d in said(four, incident, "changed") + said(four, incident, "overruled"))


def test_trap_02_an_edit_of_another_field_in_that_gap_survives_our_write(
    four: Quartet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We write the title while Ada changes the priority: both changes reach all systems."""
    incident = four.begins()
    issue = ids(four, incident)["jira"]
    before_next(
        four.jira.adapter, "update", lambda: four.jira.sandbox.people_set(issue, priority="Highest"), monkeypatch
    )
    services.edit_incident(four.hub, incident, {"title": "Our title"}, actor="ben")
    four.settle(60)
    assert four.fields(incident)["severity"] == "SEV1"
    assert seen(four, incident, "jira").fields["title"] == "Our title"
    assert seen(four, incident, "pagerduty").fields["severity"][0] == "P1"


@pytest.mark.parametrize("kind", ["late", "later"])
def test_trap_03_a_create_whose_answer_was_lost_is_looked_for_before_it_is_done_again(four: Quartet, kind: str) -> None:
    """Whether Jira acted before the time-out or acts only afterwards: one issue exists."""
    four.settle(2)

    def posts_an_issue(method: str, path: str) -> bool:
        return method == "POST" and path.endswith("/issue")

    four.jira.sandbox.faults.append(Fault(kind, match=posts_an_issue))
    four.pagerduty.sandbox.people_create("Checkout is slow")
    four.settle(120)
    (incident,) = services.list_incidents(four.hub)["items"]
    assert len(four.jira.sandbox.issues) == 1
    assert ids(four, incident["id"])["jira"] in four.jira.sandbox.issues
    assert said(four, incident["id"], "outcome_unknown")


def test_trap_04_our_own_walk_is_stored_before_it_begins_and_its_middle_is_no_news(four: Quartet) -> None:
    """A resolve takes Jira from To Do through In Progress to Done; the webhooks of the intermediate step change no system back."""
    incident = four.begins()
    four.pagerduty.sandbox.people_set_status(ids(four, incident)["pagerduty"], "resolved")
    four.settle(60)
    (walk,) = said(four, incident, "walk")
    assert walk["steps"] == ["In Progress", "Done"]
    assert [d["value"] for d in said(four, incident, "changed") if d["field"] == "status"] == ["resolved"]
    assert seen(four, incident, "jira").fields["status"] == "Done"


def test_trap_05_a_read_that_began_before_our_write_does_not_revert_it(
    four: Quartet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow read shows the old title after ours was written: it is discarded and the object is read again."""
    incident = four.begins()
    adapter, original = four.jira.adapter, four.jira.adapter.observe

    def slow(ref: Ref) -> Any:
        monkeypatch.setattr(adapter, "observe", original)
        shown = original(ref)
        services.edit_incident(four.hub, incident, {"title": "Written meanwhile"}, actor="ben")
        four.clock.advance(2)
        four.work()
        return shown

    monkeypatch.setattr(adapter, "observe", slow)
    services.refresh_link(four.hub, four.link(incident, "jira")["id"])
    four.settle(60)
    assert four.fields(incident)["title"] == "Written meanwhile"
    assert seen(four, incident, "jira").fields["title"] == "Written meanwhile"


def test_trap_06_a_person_who_acts_through_the_hubs_own_account_is_heard(four: Quartet) -> None:
    """A change made in Jira through the hub's account counts like any other."""
    incident = four.begins()
    four.jira.sandbox.people_set(ids(four, incident)["jira"], by="lockstep", summary="Changed by hand")
    four.settle(60)
    assert seen(four, incident, "pagerduty").fields["title"] == "Changed by hand"


def test_trap_07_an_acknowledgement_that_runs_out_pulls_no_later_state_back_but_a_reopen_does(four: Quartet) -> None:
    """PagerDuty's time-out does not change "monitoring" or the public page; a person's reopen is taken."""
    incident = four.begins()
    there = ids(four, incident)
    four.pagerduty.sandbox.services["PCHECKO"].acknowledgement_timeout = 1800.0
    four.pagerduty.sandbox.people_set_status(there["pagerduty"], "acknowledged")
    four.statuspage.sandbox.people_set_status(there["statuspage"], "monitoring", "We are watching.")
    four.settle(60)
    four.clock.advance(1900)
    four.pagerduty.sandbox.tick()
    four.settle(60)
    assert four.fields(incident)["status"] == "monitoring"
    assert seen(four, incident, "statuspage").fields["status"] == "monitoring"
    assert said(four, incident, "overruled")[-1]["rule"] == "authority"
    four.pagerduty.sandbox.people_set_status(there["pagerduty"], "resolved")
    four.settle(60)
    four.pagerduty.sandbox.people_set_status(there["pagerduty"], "triggered")
    four.settle(60)
    assert four.fields(incident)["status"] == "triggered"


def test_trap_08_a_vendors_consequences_are_not_edits(four: Quartet) -> None:
    """PagerDuty clears the assignees of a resolved incident: all other systems still show them."""
    incident = four.begins()
    before = four.fields(incident)["assignees"]
    four.pagerduty.sandbox.people_set_status(ids(four, incident)["pagerduty"], "resolved")
    four.settle(60)
    assert seen(four, incident, "pagerduty").fields["assignees"] == []
    assert four.fields(incident)["assignees"] == before == ["ada"]


def test_trap_09_a_recurrence_is_a_new_incident_linked_to_the_last(four: Quartet) -> None:
    """The same dedup key opens a new incident after the end of the last, and none while one is open."""
    four.settle(2)
    first = services.open_incident(four.hub, {"title": "Disk full"}, actor="ada", dedup_key="disk-7")
    again = services.open_incident(four.hub, {"title": "Disk full again"}, actor="ada", dedup_key="disk-7")
    assert again["id"] == first["id"]
    services.edit_incident(four.hub, first["id"], {"status": "resolved"}, actor="ada")
    second = services.open_incident(four.hub, {"title": "Disk full"}, actor="ada", dedup_key="disk-7")
    assert second["id"] != first["id"]
    assert second["previous_id"] == first["id"]


def test_trap_10_of_merged_incidents_the_winners_links_stay_primary(four: Quartet) -> None:
    """Two incidents are merged: the loser's Jira issue is kept as secondary and nothing is made twice."""
    winner = four.begins()
    other = four.pagerduty.sandbox.people_create("Search is slow", service="PSEARCH")
    four.settle(30)
    (loser,) = [i["id"] for i in services.list_incidents(four.hub)["items"] if i["id"] != winner]
    services.merge_incidents(four.hub, loser, winner, actor="ada")
    four.settle(60)
    slots = {k["remote_id"]: k["slot"] for k in services.show_incident(four.hub, winner)["links"]}
    assert slots[other] == "secondary-1"
    assert len(four.jira.sandbox.issues) == 2
    assert services.show_incident(four.hub, loser)["merged_into"] == winner


def test_trap_11_comments_are_matched_by_id_and_mark_never_by_text(four: Quartet) -> None:
    """Two people write the same comment: both are kept, and each copy follows its own original."""
    incident = four.begins()
    issue = ids(four, incident)["jira"]
    first = four.jira.sandbox.people_comment(issue, "Same here")
    four.jira.sandbox.people_comment(issue, "Same here", by="ben")
    four.settle(40)
    notes = [c.fields["text"] for c in seen(four, incident, "pagerduty").children]
    assert notes == ["Same here", "Same here"]
    four.jira.sandbox.people_edit_comment(issue, first, "Not any more")
    four.settle(40)
    notes = sorted(c.fields["text"] for c in seen(four, incident, "pagerduty").children)
    assert notes == ["Not any more", "Same here"]


def test_trap_12_not_found_is_not_deleted(four: Quartet) -> None:
    """An issue that the hub's account may no longer read is unreachable, and recovers; no new one is made."""
    incident = four.begins()
    issue = ids(four, incident)["jira"]
    four.jira.sandbox.people_hide(issue)
    services.refresh_link(four.hub, four.link(incident, "jira")["id"])
    four.settle(30)
    assert four.link(incident, "jira")["state"] == "unreachable"
    four.jira.sandbox.hidden.clear()
    services.edit_incident(four.hub, incident, {"title": "Changed meanwhile"}, actor="ada")
    four.settle(400)
    assert four.link(incident, "jira")["state"] == "live"
    assert seen(four, incident, "jira").fields["title"] == "Changed meanwhile"
    assert len(four.jira.sandbox.issues) == 1


def test_trap_13_an_object_that_a_person_made_joins_the_one_incident_it_fits_or_is_proposed(four: Quartet) -> None:
    """If one open incident of its service has no issue, the object is linked to it. If two have none, a person decides."""
    four.settle(2)
    one = services.open_incident(
        four.hub, {"title": "Checkout is slow", "severity": "SEV5", "services": ["checkout"]}, actor="ada"
    )
    four.settle(20)
    issue = four.jira.sandbox.people_create("Checkout ticket", components=["Checkout"])
    four.settle(60)
    assert ids(four, one["id"]).get("jira") == issue
    for title in ("Search is slow", "Search is down"):
        services.open_incident(four.hub, {"title": title, "severity": "SEV5", "services": ["search"]}, actor="ada")
    four.settle(20)
    four.jira.sandbox.people_create("Search ticket", components=["Search"])
    four.settle(60)
    (unmatched,) = [s for s in services.list_unmatched(four.hub)["items"] if s["state"] == "proposed"]
    assert len(unmatched["candidates"]) == 2


def test_trap_14_another_integration_on_the_same_pair_is_seen_by_the_doctor(four: Quartet) -> None:
    """PagerDuty's own Jira extension on a service of ours: doctor reports it with the remedy."""
    four.pagerduty.sandbox.extensions.append(
        {
            "id": "PEXT001", "type": "extension", "name": "Jira Cloud",
            "extension_schema": {"id": "PJIRA01", "type": "extension_schema_reference", "summary": "Jira Cloud"},
            "extension_objects": [{"id": "PCHECKO", "type": "service_reference"}],
        }
    )  # fmt: skip
    lines = four.doctor("pagerduty")
    assert [line for line in lines if line.level in ("warn", "error") and "Jira" in line.what]


def test_trap_15_a_draft_that_was_overtaken_by_the_end_is_withdrawn(four: Quartet) -> None:
    """The incident is resolved while the draft is held: nothing is published, and an approval of changed words is refused."""
    four.settle(2)
    four.pagerduty.sandbox.people_create("Checkout is slow")
    four.settle(30)
    (incident,) = [i["id"] for i in services.list_incidents(four.hub)["items"]]
    link = four.link(incident, "statuspage")
    draft = services.show_link(four.hub, link["id"])
    services.edit_incident(four.hub, incident, {"public_title": "Other words"}, actor="ada")
    with pytest.raises(services.Conflict):
        services.approve_link(four.hub, link["id"], draft["content_hash"], actor="cleo")
    four.pagerduty.sandbox.people_set_status(ids(four, incident)["pagerduty"], "resolved")
    four.settle(60)
    assert four.link(incident, "statuspage")["state"] == "unlinked"
    assert four.statuspage.sandbox.incidents == {}


def test_trap_15_an_approved_draft_whose_text_changes_as_the_incident_ends_is_withdrawn_by_the_same_plan(
    four: Quartet,
) -> None:
    four.settle(2)
    four.pagerduty.sandbox.people_create("Checkout is slow")
    four.settle(30)
    (incident,) = [i["id"] for i in services.list_incidents(four.hub)["items"]]
    link = four.link(incident, "statuspage")["id"]
    services.approve_link(four.hub, link, services.show_link(four.hub, link)["content_hash"], actor="cleo")
    services.edit_incident(four.hub, incident, {"public_title": "Other words", "status": "resolved"}, actor="ada")
    assert four.link(incident, "statuspage")["state"] == "unlinked"
    four.settle(60)
    assert four.statuspage.sandbox.incidents == {}
