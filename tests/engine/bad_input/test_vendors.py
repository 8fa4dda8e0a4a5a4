"""Changes by people and vendors that break a linked object: each problem is reported on its link, by the API, by doctor and in the
log, with the place and the remedy; it affects no other object, and ends with its cause."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from adapters.jira.adapter import build as build_jira
from adapters.jira.sandbox import JiraSandbox
from adapters.jira.sandbox.state import STATUSES, WORKFLOW, Workflow
from adapters.sandboxing import Fault
from hub import services
from hub.domain.values import INCIDENT, Ref
from tests.engine.quartet import Quartet


@contextmanager
def workflow(jira: JiraSandbox, table: Workflow) -> Iterator[None]:
    """Jira's administrator changes the workflow."""
    new = {word: ("10099", "indeterminate") for word in table if word not in STATUSES}
    with mock.patch.object(jira, "workflow", table), mock.patch.dict(STATUSES, new):
        yield


@pytest.fixture
def q() -> Quartet:
    return Quartet()


def said(q: Quartet, part: str) -> list[str]:
    """What doctor reports about a part: each line with its remedy."""
    return [f"{x.what} → {x.remedy}" for x in q.doctor_work() if x.part == part and x.level == "warn"]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """logged(event, connection="jira"): the log lines whose event begins so and that have these values, each with its other values."""
    caplog.set_level(logging.INFO)

    def lines(words: str, **about: str) -> list[str]:
        return [
            f"{r.getMessage()} {[getattr(r, k, None) for k in ('incident', 'field_path', 'value', 'field', 'fields', 'words')]}"
            for r in caplog.records
            if r.getMessage().startswith(words) and all(getattr(r, k, None) == v for k, v in about.items())
        ]

    return lines


# --- credentials ----------------------------------------------------------------------------------------------------

SECRET: Mapping[str, str] = {
    "pagerduty": "api_token", "jira": "token", "teams": "client_secret", "statuspage": "api_key",
}  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_a_revoked_credential_is_said_everywhere_and_costs_only_its_own_vendor(
    q: Quartet, name: str, logged: Callable[..., list[str]]
) -> None:
    incident = q.begins()
    if name == "teams":
        q.settle(3600, step=30)  # the access token expires; until then the vendor accepts it
    q.worlds[name].forbid()
    q.others_go_on(incident, without=name)
    link = q.link(incident, name)
    assert link["lag"] > 0
    assert link["reason"]
    shown = q.api("GET", "connections").json
    assert shown is not None
    states = {c["name"]: (c["healthy"], c["reason"]) for c in shown["items"]}
    assert states[name][0] is False
    assert states[name][1] == link["reason"]
    assert [healthy for other, (healthy, _) in states.items() if other != name] == [True, True, True]
    assert said(q, f"connection {name}")
    errors = [line for line in q.doctor(name) if line.level == "error"]
    assert errors
    assert SECRET[name] in errors[0].remedy.replace("its token", "token")
    assert len(logged("calls fail", connection=name)) >= 1
    assert [logged("calls fail", connection=other) for other in q.worlds if other != name] == [[], [], []]


# --- objects --------------------------------------------------------------------------------------------------------


def test_an_object_that_the_vendor_says_is_deleted_is_gone_and_never_made_again(
    q: Quartet, logged: Callable[..., list[str]]
) -> None:
    incident = q.begins()
    issues = set(q.jira.sandbox.issues)
    q.jira.sandbox.people_delete(q.link(incident, "jira")["remote_id"])
    q.settle(10)
    link = q.link(incident, "jira")
    assert (link["state"], link["reason"]) == ("gone", "deleted at the vendor")
    q.others_go_on(incident, without="jira")
    assert set(q.jira.sandbox.issues) < issues
    line = [x for x in services.show_journal(q.hub, incident)["items"] if x["kind"] == "gone"]
    assert len(line) == 1
    assert len(logged("an object was deleted at the vendor", connection="jira", link=link["id"])) == 1
    (doctor,) = [x for x in q.doctor_work() if x.part == "INC-1 in jira"]
    assert doctor.what.startswith(
        "the object was deleted at the vendor; the hub writes nothing there; `lockstep link relink`"
    )


def test_an_object_that_is_not_shown_any_more_is_unreachable_until_a_person_says_what_it_is(
    q: Quartet, logged: Callable[..., list[str]]
) -> None:
    """The deletion's webhook is lost: 404 is not "deleted"."""
    incident = q.begins()
    link = q.link(incident, "statuspage")
    q.statuspage.sandbox.people_delete(link["remote_id"])
    q.settle(5, webhooks=False)
    q.others_go_on(incident, without="statuspage")
    link = q.link(incident, "statuspage")
    assert link["state"] == "unreachable"
    assert "deleted, moved, or not readable" in link["reason"]
    (words,) = said(q, "INC-1 in statuspage")
    assert f"lockstep link unlink {link['id']}" in words
    assert len(logged("the vendor does not show an object", connection="statuspage", link=link["id"])) == 1
    assert q.api("DELETE", f"links/{link['id']}").status_code == 200
    assert said(q, "INC-1 in statuspage") == []


# --- moves, words, parts --------------------------------------------------------------------------------------------


def test_a_walk_without_a_path_is_refused_in_words_and_goes_on_when_there_is_one(
    q: Quartet, logged: Callable[..., list[str]]
) -> None:
    incident = q.begins()
    issue = q.link(incident, "jira")["remote_id"]
    with workflow(q.jira.sandbox, dict.fromkeys(WORKFLOW, ())):
        services.edit_incident(q.hub, incident, {"status": "resolved", "severity": "SEV1"}, actor="ada")
        q.settle(120)
        link = q.link(incident, "jira")
        assert list(link["refused"]) == ["status"]
        assert "there is no transition" in link["reason"]
        assert link["shadow"]["severity"] == q.jira.sandbox.issues[issue]["priority"] == "Highest"
        assert "the vendor refused to write status: there is no transition" in said(q, "INC-1 in jira")[0]
        assert [n for n in q.behind(incident) if n != "jira"] == []
        (line,) = logged("the vendor refused a write", connection="jira", link=link["id"])
        assert "['status']" in line
        assert "there is no transition" in line
    found = q.api("GET", "failed-writes").json
    assert found is not None
    (failed_write,) = found["items"]
    assert (failed_write["connection"], failed_write["error_class"], list(failed_write["changes"])) == (
        "jira",
        "Refused",
        ["status"],
    )
    assert q.api("POST", f"failed-writes/{failed_write['id']}/retry").status_code == 202
    q.settle(60)
    assert q.behind(incident) == []
    assert q.jira.sandbox.issues[issue]["status"] == "Done"


def test_an_unknown_word_freezes_its_field_visibly_until_it_is_mapped(
    q: Quartet, logged: Callable[..., list[str]]
) -> None:
    incident = q.begins()
    issue = q.link(incident, "jira")["remote_id"]
    start = q.jira.sandbox.issues[issue]["status"]
    table = dict(WORKFLOW)
    table |= {start: (*table[start], ("991", "Park", "Parked")), "Parked": (("992", "Unpark", start),)}
    with workflow(q.jira.sandbox, table):
        q.jira.sandbox.people_move(issue, "Parked")
        q.settle(60)
        link = q.link(incident, "jira")
        assert link["frozen"] == {"status": "Parked"}
        assert q.fields(incident)["status"] == "triggered"
        (words,) = said(q, "INC-1 in jira")
        assert "'Parked'" in words
        assert "[vocabulary.jira].status" in words
        (line,) = logged("the vendor shows a word that is not mapped", connection="jira", link=link["id"])
        assert "'status'" in line
        assert "'Parked'" in line
        assert any(x["kind"] == "unknown_word" for x in services.show_journal(q.hub, incident)["items"])

        services.edit_incident(q.hub, incident, {"status": "acknowledged"}, actor="ada")
        q.others_go_on(incident, without="jira")
        assert q.jira.sandbox.issues[issue]["status"] == "Parked", "a frozen field was written"
        assert q.jira.sandbox.issues[issue]["priority"] == "Highest", "the other fields of the link stood still"

        pairs = [*q.jira.spec.vocabulary["status"], ["identified", "Parked"]]
        mapped = build_jira(replace(q.jira.spec, vocabulary={**q.jira.spec.vocabulary, "status": pairs}))
        q.hub.adapters["jira"] = mapped  # type: ignore[index]
        assert q.api("POST", f"links/{link['id']}/refresh").status_code == 202
        q.settle(60)
        assert q.behind(incident) == []
        assert q.fields(incident)["status"] == "identified"


def test_a_vanished_component_is_refused_in_the_vendors_words_and_the_rest_is_written(
    q: Quartet, logged: Callable[..., list[str]]
) -> None:
    incident = q.begins()
    page, component = q.statuspage.sandbox, q.statuspage.checkout
    kept = page.components.pop(component)
    change = {"impacts": {"checkout": "major_outage"}, "status": "acknowledged"}
    services.edit_incident(q.hub, incident, change, actor="ada")
    q.settle(120)
    link = q.link(incident, "statuspage")
    assert list(link["refused"]) == ["impacts"]
    assert component in link["reason"]
    assert [n for n in q.behind(incident) if n != "statuspage"] == []
    assert component in said(q, "INC-1 in statuspage")[0]
    assert component in logged("the vendor refused a write", connection="statuspage", link=link["id"])[0]
    assert any(component in line.what for line in q.doctor("statuspage") if line.level == "error")
    page.components[component] = kept
    (failed_write,) = services.list_failed_writes(q.hub)["items"]
    services.retry_failed_write(q.hub, failed_write["id"], actor="ada")
    q.settle(60)
    assert q.behind(incident) == []
    assert q.fields(incident)["impacts"] == {"checkout": page.components[component]["status"]}


def test_a_person_whom_a_vendor_does_not_know_is_named_on_its_link(
    q: Quartet, logged: Callable[..., list[str]]
) -> None:
    incident = q.begins()
    services.edit_incident(q.hub, incident, {"assignees": ["ada", "nobody"]}, actor="ada")
    q.settle(60)
    assert q.behind(incident) == []
    link = q.link(incident, "pagerduty")
    assert "nobody" in link["notes"]["assignees"]
    assert ["nobody" in x.what for x in q.doctor_work() if x.part == "INC-1 in pagerduty"] == [True]
    (line,) = logged("the vendor cannot show a field", connection="pagerduty", link=link["id"])
    assert "nobody" in line
    assert q.fields(incident)["assignees"] == ["ada", "nobody"], "what a vendor cannot show was lost"


# --- texts ----------------------------------------------------------------------------------------------------------

HOSTILE: Mapping[str, str] = {
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)> <at id=\"0\">Ada</at> &lt;b&gt; &amp;",
    "ADF": '{"type": "doc", "version": 1, "content": [{"type": "mention", "attrs": {"id": "1"}}]}',
    "wiki markup": "[~accountid:1] {code}x{code} *b* [a|http://x] !http://x/y.png! {color:red}x{color}",
    "JQL": "x' OR project = SECRET ORDER BY key -- \" AND summary ~ \"",
    "a template": "{{7*7}} ${7*7} {services} {0.__class__} %s %(x)s #{7*7} <%= 7*7 %>",
    "Markdown": "# big **b** [a](http://x) ![i](http://x) `c` | t | @channel <!here>",
    "odd characters": "\u202etxt.exe \u200b\ufeff \U0001f525 e\u0301 \uffff x",
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_text_that_tries_to_be_something_else_is_text_in_all_four(q: Quartet, what: str) -> None:
    text = HOSTILE[what]
    incident = q.begins()
    assert q.api("PATCH", f"incidents/{incident}", json={"fields": {"title": text}}).status_code == 200
    assert q.api("POST", f"incidents/{incident}/comments", json={"text": f"{text} hub"}).status_code == 201
    q.jira.sandbox.people_comment(
        q.link(incident, "jira")["remote_id"], f"{text} jira"
    ) if what != "wiki markup" else None
    q.pagerduty.sandbox.people_note(q.link(incident, "pagerduty")["remote_id"], f"{text} pagerduty")
    q.settle(120)
    assert q.behind(incident) == []
    assert q.fields(incident)["title"] == text
    ours = sorted(c["text"] for c in services.show_incident(q.hub, incident)["comments"])
    assert {f"{text} hub", f"{text} pagerduty"} <= set(ours)
    for name in ("pagerduty", "jira", "teams"):
        shown: Any = q.hub.adapters[name].observe(Ref(INCIDENT, q.link(incident, name)["remote_id"]))
        assert shown.fields.get("title", text) == text, name
        assert sorted(str(c.fields["text"]) for c in shown.children) == ours, name
    assert text not in str(q.fields(incident)["public_title"]), "internal words became public"
    before = {name: world.sandbox.calls.copy() for name, world in q.worlds.items()}
    q.settle(120)
    written = [
        c for n, w in q.worlds.items() for c in w.sandbox.calls[len(before[n]) :] if c[0] in ("PUT", "PATCH", "DELETE")
    ]
    assert written == [], "text that comes back changed is written again and again"


def test_a_title_that_is_too_long_is_refused_by_us_and_cut_for_vendors_who_take_less(
    q: Quartet, logged: Callable[..., list[str]]
) -> None:
    incident = q.begins()
    answer = q.api("PATCH", f"incidents/{incident}", json={"fields": {"title": "x" * 1001}})
    assert answer.status_code == 422
    assert answer.json["field"] == "body.fields.title"
    assert "1000" in answer.json["detail"]
    title = "Checkout fails " * 60
    q.api("PATCH", f"incidents/{incident}", json={"fields": {"title": title}})
    q.settle(120)
    assert q.behind(incident) == []
    assert q.fields(incident)["title"] == title, "our title was cut with theirs"
    link = q.link(incident, "jira")
    assert len(q.jira.sandbox.issues[link["remote_id"]]["summary"]) <= 255
    assert "255" in link["notes"]["title"]
    assert ["title: cut to 255 characters" in x.what for x in q.doctor_work() if x.part == "INC-1 in jira"] == [True]
    (line,) = logged("the vendor cannot show a field", connection="jira", link=link["id"])
    assert "255" in line


# --- answers --------------------------------------------------------------------------------------------------------

GARBAGE: Mapping[str, bytes] = {
    "not JSON": b"<html><body>Please log in</body></html>",
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "wrong types": b'{"incident": 7, "fields": [], "id": {}, "value": "x", "incidents": {}, "issues": 3, "notes": null, "comments": 5}',
    "deep": b"[" * 50_000 + b"]" * 50_000,
    "not UTF-8": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", ["pagerduty", "jira", "teams", "statuspage"])
@pytest.mark.parametrize("what", GARBAGE)
def test_a_vendor_that_answers_garbage_with_200_loses_nothing_and_hurts_nobody(
    q: Quartet, name: str, what: str, logged: Callable[..., list[str]]
) -> None:
    incident = q.begins()
    count = len(q.worlds[name].sandbox.incidents)
    fault = Fault("status", times=10_000, status=200, body=GARBAGE[what], headers={"Content-Type": "application/json"})
    q.worlds[name].sandbox.faults.append(fault)
    q.others_go_on(incident, without=name)
    assert logged("calls fail", connection=name) or logged("the vendor refused a write", connection=name), (
        "nothing in the log"
    )
    assert q.fields(incident)["title"] == "Checkout is slow"
    assert q.fields(incident)["status"] == "triggered"
    assert all(c["deleted"] is False for c in services.show_incident(q.hub, incident)["comments"])
    fault.times = 0
    q.settle(900, step=10)
    assert q.behind(incident) == []
    assert len(q.worlds[name].sandbox.incidents) == count, "an object was made twice"
