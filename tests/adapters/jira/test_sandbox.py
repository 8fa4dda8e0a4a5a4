"""The stand-in has Jira's restrictions and peculiarities, tested without the adapter."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from adapters.http import Wire
from adapters.jira.sandbox import JiraSandbox
from hub.clock import ManualClock, SeededIds

SITE = "https://acme.atlassian.net"


class Caller:
    """A plain HTTP client of the stand-in."""

    def __init__(self, cloud: bool = True) -> None:
        self.clock = ManualClock()
        self.box = JiraSandbox(self.clock, SeededIds(1), base_url=SITE, cloud=cloud)
        self.session = Wire(mounts={SITE: self.box.requests_adapter}).session()
        if cloud:
            self.session.auth = ("bot@example.com", "sandbox-token")
        else:
            self.session.headers["Authorization"] = "Bearer sandbox-token"
        self.version = 3 if cloud else 2

    def __call__(self, method: str, path: str, body: Any = None, version: int | None = None) -> requests.Response:
        return self.session.request(method, f"{SITE}/rest/api/{version or self.version}/{path}", json=body)


@pytest.fixture
def jira() -> Caller:
    return Caller()


def test_the_old_search_is_gone_on_cloud_and_the_new_one_absent_on_data_center(jira: Caller) -> None:
    assert jira("POST", "search", {"jql": 'project = "OPS"'}).status_code == 410
    assert Caller(cloud=False)("POST", "search/jql", {"jql": 'project = "OPS"'}).status_code == 404


def test_data_center_has_no_third_version() -> None:
    assert Caller(cloud=False)("GET", "myself", version=3).status_code == 404


def test_search_is_late_tells_no_total_and_gives_ids_only_unless_asked(jira: Caller) -> None:
    id = jira.box.people_create("x")
    asked: dict[str, Any] = {"jql": 'project = "OPS" ORDER BY created ASC'}
    assert jira("POST", "search/jql", asked).json()["issues"] == []
    assert [i["id"] for i in jira("POST", "search/jql", {**asked, "reconcileIssues": [int(id)]}).json()["issues"]] == [
        id
    ]
    jira.clock.advance(10)
    page = jira("POST", "search/jql", asked).json()
    assert set(page) == {"issues", "isLast"}
    assert "fields" not in page["issues"][0]


@pytest.mark.parametrize(
    "jql", ["", "ORDER BY created", "nosuch = 1", 'project = "OPS" AND', "project ~ x", 'updated >= "soon"']
)
def test_a_query_without_bounds_or_sense_is_refused(jira: Caller, jql: str) -> None:
    jira.box.people_create("x")
    jira.clock.advance(10)
    status = jira("POST", "search/jql", {"jql": jql}).status_code
    assert status == (200 if jql.endswith("AND") else 400)


def test_absolute_times_of_jql_are_read_in_the_accounts_time_zone(jira: Caller) -> None:
    jira.box.people_create("x")  # at 09:00 UTC, 04:00 in New York
    jira.clock.advance(10)

    def found(time: str) -> int:
        return len(jira("POST", "search/jql", {"jql": f'updated >= "{time}"'}).json()["issues"])

    assert found("2026-01-05 04:00") == 1
    assert found("2026-01-05 09:00") == 0


EMPTY_TEXT = {
    "type": "doc",
    "version": 1,
    "content": [{"type": "paragraph", "content": [{"type": "text", "text": ""}]}],
}


@pytest.mark.parametrize(
    "fields",
    [
        {"description": EMPTY_TEXT},
        {"description": "a string"},
        {"summary": "two\nlines"},
        {"summary": "x" * 256},
        {"labels": ["with space"]},
        {"status": {"name": "Done"}},
        {"customfield_1": 1},
        {"priority": {"name": "Unheard"}},
    ],
)
def test_what_jira_does_not_take_is_a_400_that_names_the_field(jira: Caller, fields: dict[str, Any]) -> None:
    id = jira.box.people_create("x")
    answer = jira("PUT", f"issue/{id}", {"fields": fields})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == list(fields)


def test_version_2_of_cloud_speaks_markup_for_the_same_text(jira: Caller) -> None:
    id = jira.box.people_create("x", description="a *b*")
    assert jira("GET", f"issue/{id}").json()["fields"]["description"]["type"] == "doc"
    assert jira("GET", f"issue/{id}", version=2).json()["fields"]["description"] == r"a \*b\*"


def test_transitions_depend_on_the_status_and_the_last_one_demands_a_resolution(jira: Caller) -> None:
    id = jira.box.people_create("x")
    assert jira("POST", f"issue/{id}/transitions", {"transition": {"id": "21"}}).status_code == 400
    assert jira("POST", f"issue/{id}/transitions", {"transition": {"id": "11"}}).status_code == 204
    refused = jira("POST", f"issue/{id}/transitions", {"transition": {"id": "21"}})
    assert "resolution" in refused.json()["errors"]


def test_a_remote_link_is_replaced_whole(jira: Caller) -> None:
    id = jira.box.people_create("x")
    whole = {"globalId": "g", "relationship": "r", "object": {"url": "https://a", "title": "A"}}
    assert jira("POST", f"issue/{id}/remotelink", whole).status_code == 201
    assert jira("POST", f"issue/{id}/remotelink", {"globalId": "g", "object": whole["object"]}).status_code == 200
    (link,) = jira("GET", f"issue/{id}/remotelink").json()
    assert "relationship" not in link


def test_an_account_that_is_no_app_cannot_make_dynamic_webhooks(jira: Caller) -> None:
    assert jira("POST", "webhook", {"url": "https://x", "webhooks": []}).status_code == 403


def test_webhooks_are_signed_lower_case_in_markup_and_retried_five_times(jira: Caller) -> None:
    jira.box.register("https://hub.example.com/x", "secret")
    id = jira.box.people_create("x", description="a *b*")
    (sent,) = jira.box.outgoing
    assert all(name == name.lower() for name in sent.headers)
    assert json.loads(sent.body)["issue"]["fields"]["description"] == r"a \*b\*"
    assert jira.box.failed(sent, 401) is None
    tries = 0
    while (delay := jira.box.failed(sent, 500)) is not None:
        assert 300 <= delay <= 900
        jira.clock.advance(delay)
        jira.box.outgoing.clear()
        jira.box.hooks.release()
        (sent,) = jira.box.outgoing
        tries += 1
    assert tries == 5
    assert id


def test_a_bulk_changes_webhooks_come_late(jira: Caller) -> None:
    jira.box.register("https://hub.example.com/x", None)
    id = jira.box.people_create("x")
    jira.box.outgoing.clear()
    jira.box.people_bulk_label([id], "bulk")
    assert jira.box.outgoing == []
    jira.clock.advance(900)
    jira.box.hooks.release()
    (sent,) = jira.box.outgoing
    assert sent.headers["x-atlassian-webhook-flow"] == "Secondary"
    assert "x-hub-signature" not in sent.headers


def test_a_comment_on_data_center_is_told_twice_once_without_its_issue() -> None:
    jira = Caller(cloud=False)
    jira.box.register("https://hub.example.com/x", None)
    jira.box.hooks.in_order = True
    id = jira.box.people_create("x")
    jira.box.people_comment(id, "hello")
    bodies = [json.loads(sent.body) for sent in jira.box.outgoing]
    assert [b["webhookEvent"] for b in bodies] == ["jira:issue_created", "comment_created", "jira:issue_updated"]
    assert "issue" not in bodies[1]
    assert "user" not in bodies[1]
