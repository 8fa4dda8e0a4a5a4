"""The promises of the product with all four tools, over their real client libraries, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import event, func, select

from hub import services
from hub.domain.values import INCIDENT, Ref
from hub.store.tables import journal, outbox
from tests.engine.quartet import Quartet


@pytest.fixture(params=["sqlite", "postgres"])
def four(request: pytest.FixtureRequest) -> Iterator[Quartet]:
    """An incident that began in PagerDuty and is shown by all four; its public draft is approved."""
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    quartet = Quartet(url)
    quartet.teams.sandbox.push.subscriptions.clear()  # the hub makes its own subscriptions
    quartet.settle(10)
    quartet.pagerduty.sandbox.people_create("Checkout is broken", priority="P2")
    quartet.settle(30)
    for link in incident(quartet)["links"]:
        if link["state"] == "held":
            shown = services.show_link(quartet.hub, link["id"])
            services.approve_link(quartet.hub, link["id"], shown["content_hash"], actor="cleo")
    quartet.settle(30)
    yield quartet
    quartet.hub.store.close()


def incident(quartet: Quartet) -> dict:
    (only,) = services.list_incidents(quartet.hub)["items"]
    return services.show_incident(quartet.hub, only["id"])


def remote(quartet: Quartet) -> dict[str, str]:
    return {k["connection"]: k["remote_id"] for k in incident(quartet)["links"]}


def seen(quartet: Quartet, name: str):
    return quartet.worlds[name].adapter.observe(Ref(INCIDENT, remote(quartet)[name]))


def statuses(quartet: Quartet) -> dict[str, str]:
    return {name: seen(quartet, name).fields["status"] for name in quartet.worlds}


def texts(quartet: Quartet, name: str) -> list[str]:
    return sorted(str(c.fields["text"]) for c in seen(quartet, name).children if c.state == "present")


def writes(quartet: Quartet) -> dict[str, int]:
    """Stand-in → number of requests that are no reads."""
    reads = ("/search", "oauth2", "/subscriptions", "subscribers")
    return {
        name: sum(1 for method, path in w.sandbox.calls if method != "GET" and not any(r in path for r in reads))
        for name, w in quartet.worlds.items()
    }


def test_one_incident_is_shown_once_by_each(four: Quartet) -> None:
    """An incident from PagerDuty has one Jira issue, one Teams card and one published page incident, and nothing else."""
    assert statuses(four) == {
        "pagerduty": "triggered", "jira": "To Do", "teams": "triggered", "statuspage": "investigating",
    }  # fmt: skip
    assert len(four.pagerduty.sandbox.incidents) == len(four.jira.sandbox.issues) == 1
    assert len(four.teams.sandbox.incidents) == len(four.statuspage.sandbox.incidents) == 1


@pytest.mark.parametrize("where", ["pagerduty", "jira", "teams", "statuspage"])
def test_a_change_in_any_of_the_four_shows_in_the_other_three(four: Quartet, where: str) -> None:
    """Wherever a person changes the status, the others follow in their own vocabulary, and the source is not written back."""
    ids = remote(four)
    acts = {
        "pagerduty": lambda: four.pagerduty.sandbox.people_set_status(ids["pagerduty"], "acknowledged"),
        "jira": lambda: four.jira.sandbox.people_move(ids["jira"], "In Progress"),
        "teams": lambda: four.teams.sandbox.people_command("status acknowledged", ids["teams"]),
        "statuspage": lambda: four.statuspage.sandbox.people_set_status(ids["statuspage"], "identified"),
    }
    before = writes(four)
    acts[where]()
    four.settle(40)
    expected = "identified" if where == "statuspage" else "acknowledged"
    assert incident(four)["fields"]["status"] == expected
    assert statuses(four) == {
        "pagerduty": "acknowledged", "jira": "In Progress", "teams": expected,
        "statuspage": "identified" if where == "statuspage" else "investigating",
    }  # fmt: skip
    after = writes(four)
    if where != "teams":  # the card must show the command's change
        assert after[where] == before[where]


def test_comments_go_everywhere_once_and_edits_and_deletions_follow(four: Quartet) -> None:
    """A comment made in one internal tool is copied once to each other; its edit and its deletion reach every copy."""
    ids = remote(four)
    comment = four.jira.sandbox.people_comment(ids["jira"], "It began with the deploy")
    note = four.pagerduty.sandbox.people_note(ids["pagerduty"], "On it")
    four.settle(40)
    for name in ("pagerduty", "jira", "teams"):
        assert texts(four, name) == ["It began with the deploy", "On it"]
    four.jira.sandbox.people_edit_comment(ids["jira"], comment, "It began with the config change")
    four.pagerduty.sandbox.people_delete_note(ids["pagerduty"], note)
    four.settle(400)  # PagerDuty sends no webhook for a deleted note; polling finds it
    for name in ("pagerduty", "jira", "teams"):
        assert texts(four, name) == ["It began with the config change"]


def test_a_resolve_on_the_public_page_alone_waits_for_a_person(four: Quartet) -> None:
    """The page shows resolved; it is copied nowhere until a person decides, and the link shows that it is held."""
    ids = remote(four)
    four.statuspage.sandbox.people_set_status(ids["statuspage"], "resolved")
    four.settle(30)
    assert incident(four)["fields"]["status"] == "triggered"
    (link,) = [k for k in incident(four)["links"] if k["connection"] == "statuspage"]
    assert "status" in link["held"]
    assert statuses(four)["pagerduty"] == "triggered"
    services.review_field(four.hub, link["id"], "status", "take", actor="cleo")
    four.settle(30)
    assert statuses(four) == {"pagerduty": "resolved", "jira": "Done", "teams": "resolved", "statuspage": "resolved"}


def test_changed_public_words_wait_for_an_approval_of_exactly_that_text(four: Quartet) -> None:
    """A new public title is held with its hash; another hash is refused; the right one publishes it."""
    number = incident(four)["number"]
    services.edit_incident(four.hub, number, {"public_title": "Card payments fail"}, actor="ada")
    four.settle(20)
    assert seen(four, "statuspage").fields["public_title"] != "Card payments fail"
    (link,) = [k for k in incident(four)["links"] if k["connection"] == "statuspage"]
    digest = services.show_link(four.hub, link["id"])["content_hash"]
    with pytest.raises(services.Conflict):
        services.approve_link(four.hub, link["id"], "0" * 64, actor="cleo")
    services.approve_link(four.hub, link["id"], digest, actor="cleo")
    four.settle(20)
    assert seen(four, "statuspage").fields["public_title"] == "Card payments fail"


@pytest.mark.parametrize("where", ["pagerduty", "jira", "teams", "statuspage"])
def test_what_can_be_no_id_there_is_refused_before_anything_is_kept(four: Quartet, where: str) -> None:
    """A mistyped id is refused with the adapter's message: no link is made, no vendor is called, no write fails."""
    before, kept = writes(four), services.list_links(four.hub)
    with pytest.raises(services.Invalid, match=r"remote_id: '\.\./\.\./secret' is no id of an? "):
        services.relink(four.hub, incident(four)["number"], where, "other", "../../secret", actor="ada")
    four.settle(60)
    assert (writes(four), services.list_links(four.hub), services.list_failed_writes(four.hub)["items"]) == (
        before,
        kept,
        [],
    )


@pytest.mark.parametrize(("audience", "customers"), [("public", 1), ("internal", 0)])
def test_customers_read_an_update_that_was_written_for_them_and_no_other(
    four: Quartet, audience: str, customers: int
) -> None:
    """An approved update is shown in the internal tools; on the public page only if its audience is the public."""
    words = "The vault's key was in the log"
    draft = services.draft_update(four.hub, incident(four)["number"], words, audience=audience, actor="ada")
    services.approve_update(four.hub, draft["id"], draft["content_hash"], actor="cleo")
    four.settle(60)
    page = four.statuspage.sandbox.incidents[remote(four)["statuspage"]]
    assert str(page).count(words) == customers
    assert words in str(texts(four, "jira"))
    assert words in str(texts(four, "teams"))


def test_without_a_change_nothing_is_written_and_nobody_is_called_but_by_the_poll(four: Quartet) -> None:
    """An hour without changes changes only the cursors' rows, adds no journal line, and makes no vendor call but polls."""
    four.settle(120)
    statements: list[str] = []
    engine = four.hub.store.writer

    def note(connection, cursor, statement, *rest) -> None:
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE") and "cursors" not in statement:
            statements.append(statement)

    calls = {name: len(w.sandbox.calls) for name, w in four.worlds.items()}
    with four.hub.store.reading() as tx:
        lines = tx.execute(select(func.count()).select_from(journal)).scalar_one()
    event.listen(engine, "before_cursor_execute", note)
    four.settle(300)
    event.remove(engine, "before_cursor_execute", note)
    with four.hub.store.reading() as tx:
        assert tx.execute(select(func.count()).select_from(journal)).scalar_one() == lines
    assert statements == []
    looks = ("/issue/1", f"/incidents/{remote(four)['pagerduty']}?", "/replies")
    for name, world in four.worlds.items():
        fresh = [path for method, path in world.sandbox.calls[calls[name] :]]
        assert not [p for p in fresh if any(look in p for look in looks)], name


def test_fifty_edits_within_a_second_become_at_most_two_writes_a_system(four: Quartet) -> None:
    """A burst of edits of one field is coalesced; the last value reaches every system."""
    number, before = incident(four)["number"], writes(four)
    for n in range(50):
        services.edit_incident(four.hub, number, {"title": f"Title {n}"}, actor="ada")
        four.work()
        four.clock.advance(0.02)
    four.settle(30)
    after = writes(four)
    assert {name: after[name] - before[name] for name in after if name != "statuspage"} == {
        "pagerduty": 2, "jira": 2, "teams": 2,
    }  # fmt: skip
    assert seen(four, "jira").fields["title"] == "Title 49"


def test_all_webhooks_lost_only_costs_time(four: Quartet) -> None:
    """With every webhook lost, polling brings all four into step."""
    ids = remote(four)
    four.jira.sandbox.people_move(ids["jira"], "In Progress")
    four.pagerduty.sandbox.people_set_title(ids["pagerduty"], "Checkout: errors")
    four.statuspage.sandbox.people_set_status(ids["statuspage"], "identified")
    four.settle(200, webhooks=False)
    assert statuses(four) == {
        "pagerduty": "acknowledged", "jira": "In Progress", "teams": "identified", "statuspage": "identified",
    }  # fmt: skip
    assert seen(four, "jira").fields["title"] == "Checkout: errors"


def test_while_paused_everything_is_decided_and_nothing_is_written(four: Quartet) -> None:
    """During the global pause intentions are kept; after it they are carried out."""
    ids = remote(four)
    services.set_pause(four.hub, True, actor="ada")
    before = writes(four)
    four.jira.sandbox.people_move(ids["jira"], "In Progress")
    four.settle(60)
    assert incident(four)["fields"]["status"] == "acknowledged"
    assert writes(four) == before
    services.set_pause(four.hub, False, actor="ada")
    four.settle(60)
    assert statuses(four)["pagerduty"] == "acknowledged"


def test_unlinking_is_final_until_a_person_links_again(four: Quartet) -> None:
    """An unlinked issue is not written any more, policy makes no new one, and linking it again reads it before any write."""
    ids = remote(four)
    (link,) = [k for k in incident(four)["links"] if k["connection"] == "jira"]
    services.unlink(four.hub, link["id"], actor="ada")
    four.pagerduty.sandbox.people_set_status(ids["pagerduty"], "acknowledged")
    four.settle(60)
    assert seen(four, "jira").fields["status"] == "To Do"
    assert len(four.jira.sandbox.issues) == 1
    services.relink(four.hub, incident(four)["number"], "jira", "primary", ids["jira"], actor="ada")
    four.settle(60)
    assert seen(four, "jira").fields["status"] == "In Progress"


def test_the_losers_issue_is_closed_with_the_winner_when_pagerduty_merges_two(four: Quartet) -> None:
    """A merge in PagerDuty merges the incidents in the hub: the loser's links become secondary and end with the winner."""
    ids = remote(four)
    other = four.pagerduty.sandbox.people_create("Search is broken", service="PSEARCH")
    four.settle(30)
    four.pagerduty.sandbox.people_merge(ids["pagerduty"], [other])
    four.settle(60)
    shown = [services.show_incident(four.hub, i["id"]) for i in services.list_incidents(four.hub)["items"]]
    (winner,) = [i for i in shown if i["merged_into"] is None]
    assert {k["slot"] for k in winner["links"] if k["connection"] == "jira"} == {"primary", "secondary-1"}
    four.pagerduty.sandbox.people_set_status(ids["pagerduty"], "resolved")
    four.settle(60)
    assert {i["status"] for i in four.jira.sandbox.issues.values()} == {"Done"}


@pytest.mark.parametrize("url", ["sqlite://"])
def test_observing_shows_the_plans_and_writes_nothing(url: str) -> None:
    """In observe mode an incident opens in the hub, every link shows what would be written, and no vendor is written to."""
    quartet = Quartet(url, state="observe")
    quartet.pagerduty.sandbox.people_create("Checkout is broken")
    before = writes(quartet)
    quartet.settle(60)
    links = {k["connection"]: k for k in incident(quartet)["links"]}
    assert links["jira"]["plan"]["draft"]["title"] == "Checkout is broken"
    assert writes(quartet) == before
    with quartet.hub.store.reading() as tx:
        assert tx.execute(select(func.count()).select_from(outbox)).scalar_one() == 0
