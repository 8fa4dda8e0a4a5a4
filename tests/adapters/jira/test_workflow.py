"""The path through a workflow: configured, direct, learned, or guessed through one unseen status; and a screen's fields."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.jira.workflow import Workflow, pick, screen
from tests.contract.world import MemoryNotebook


def to(*names: str, **more: Any) -> list[Any]:
    return [{"id": str(n), "name": "Done", "to": {"name": name}, **more} for n, name in enumerate(names, 1)]


def workflow(walks: Any = None) -> Workflow:
    return Workflow(MemoryNotebook(), walks or {}, ["To Do", "In Progress", "Done"])


def test_a_configured_way_is_taken_from_where_the_issue_stands() -> None:
    known = workflow({"Done": ["In Progress", "Review", "Done"]})
    assert known.way("To Do", "Done") == ["In Progress", "Review", "Done"]
    assert known.way("In Progress", "Done") == ["Review", "Done"]


def test_a_way_is_learned_from_what_issues_offered_and_the_shortest_is_taken() -> None:
    known = workflow()
    known.learn("To Do", to("Triage", "Waiting"))
    known.learn("Triage", to("Waiting", "Review"))
    known.learn("Waiting", to("Triage"))
    known.learn("Review", to("Done"))
    assert known.way("To Do", "Done") == ["Triage", "Review", "Done"]


def test_a_direct_transition_is_one_step() -> None:
    known = workflow()
    known.learn("To Do", to("In Progress", "Done"))
    assert known.way("To Do", "Done") == ["Done"]


def test_a_fresh_hub_goes_through_a_status_that_it_has_a_word_for() -> None:
    """The transitions after In Progress are still unknown, and those after Waiting too, but at Waiting our field would freeze."""
    known = workflow()
    known.learn("To Do", to("In Progress", "Waiting"))
    assert known.way("To Do", "Done") == ["In Progress", "Done"]


def test_where_no_way_is_known_there_is_none() -> None:
    known = workflow()
    assert known.way("To Do", "Done") == []
    known.learn("To Do", to("In Progress"))
    known.learn("In Progress", to("To Do"))
    assert known.way("To Do", "Done") == []


def test_what_was_learned_is_kept_and_written_only_when_it_is_news() -> None:
    notebook = MemoryNotebook()
    writes: list[Any] = []
    notebook.write = lambda name, value: (writes.append(value), notebook.pages.update({name: value}))[0]  # type: ignore[method-assign]
    known = Workflow(notebook, {}, [])
    for _ in range(3):
        known.learn("To Do", to("Done"))
    known.learn(None, to("Done"))
    known.learn("Done", [])
    assert writes == [{"To Do": ["Done"]}]
    assert Workflow(notebook, {}, []).way("To Do", "Done") == ["Done"]


def test_an_edited_workflow_is_learned_anew() -> None:
    known = workflow()
    known.learn("To Do", to("Done"))
    known.learn("To Do", to("In Progress"))
    assert known.graph() == {"To Do": ["In Progress"]}


def test_a_transition_is_chosen_by_where_it_leads_never_by_its_name() -> None:
    offered = [*to("In Progress", hasScreen=True), {"id": "7", "name": "x", "to": {"name": "In Progress"}}]
    chosen = pick(offered, "In Progress")
    assert chosen is not None
    assert chosen["id"] == "7"
    assert pick(to("In Progress"), "Done") is None
    assert pick(to("Done", isAvailable=False), "Done") is None


FIELDS = {
    "resolution": {"required": False, "schema": {"type": "resolution"}},
    "customfield_1": {"required": True, "schema": {"type": "option"}},
    "customfield_2": {"required": True, "schema": {"type": "array", "items": "version"}},
    "customfield_3": {"required": True, "schema": {"type": "string"}},
    "customfield_4": {"required": True, "hasDefaultValue": True, "schema": {"type": "string"}},
    "customfield_5": {"required": False, "schema": {"type": "string"}},
}


@pytest.mark.parametrize(
    ("given", "filled", "missing"),
    [
        ({}, {}, ["customfield_1", "customfield_2", "customfield_3"]),
        (
            {"customfield_1": "A", "customfield_2": ["1.0"], "customfield_3": "text", "customfield_5": "not asked for"},
            {"customfield_1": {"value": "A"}, "customfield_2": [{"name": "1.0"}], "customfield_3": "text"},
            [],
        ),
    ],
)
def test_a_screen_gets_what_it_demands_and_says_what_is_missing(given: Any, filled: Any, missing: Any) -> None:
    got, lacking = screen({"fields": FIELDS}, "Done", given)
    assert got == {"resolution": {"name": "Done"}, **filled}
    assert lacking == missing


def test_no_resolution_is_sent_where_the_screen_has_none() -> None:
    assert screen({}, "Done", {}) == ({}, [])
    assert screen({"fields": FIELDS}, None, {})[0] == {}
