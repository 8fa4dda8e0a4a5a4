"""What the services refuse, from any caller, with a message that names the place and the remedy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub import services
from hub.sync.hub import Hub
from hub.sync.inbound.intake import OwnRows
from tests.unit.web.hub import make_hub


@pytest.fixture
def hub() -> Hub:
    made = make_hub()
    services.open_incident(made, {"title": "Checkout is slow"}, actor="ada")
    return made


def test_an_update_is_written_for_an_audience_that_there_is(hub: Hub) -> None:
    """An unknown audience is refused with the list of known ones, and no draft is kept."""
    with pytest.raises(services.Invalid, match="'pubic' is not one of public, internal"):
        services.draft_update(hub, "1", "We look into it.", audience="pubic", actor="ada")
    assert services.show_incident(hub, "1")["updates"] == []


@pytest.mark.parametrize("blank", ["", " \t", "\u200b", "\u2060 \ufeff"])
def test_an_incident_has_a_title_that_can_be_seen_from_first_to_last(hub: Hub, blank: str) -> None:
    """A missing title, or one of invisible characters only, is refused when an incident is opened or changed."""
    with pytest.raises(services.Invalid, match="title: must not be empty"):
        services.open_incident(hub, {"title": blank}, actor="ada")
    with pytest.raises(services.Invalid, match="title: must not be empty"):
        services.edit_incident(hub, "1", {"title": blank}, actor="ada")
    (only,) = services.list_incidents(hub)["items"]
    assert only["fields"]["title"] == "Checkout is slow"


ONE = ["INC-\N{SUPERSCRIPT ONE}", "\N{SUPERSCRIPT ONE}", "\N{CIRCLED DIGIT ONE}", "\N{ARABIC-INDIC DIGIT ONE}"]
"""References that mean one, but are no incident number."""


@pytest.mark.parametrize("ref", ONE)
def test_only_plain_digits_are_a_number(hub: Hub, ref: str) -> None:
    """An incident number in other digits is answered as not found, in the services and in chat."""
    with pytest.raises(services.NotFound):
        services.show_incident(hub, ref)
    asked = OwnRows(hub, "signed")
    assert asked.incident(None, ref) is None
    assert (asked.incident(None, "INC-1") or {})["number"] == "INC-1"


NAMED: dict[str, Callable[[Hub, str], object]] = {
    "an incident": services.show_incident,
    "a link": services.show_link,
    "a link to refresh": services.refresh_link,
    "a link to let go of": lambda hub, id: services.unlink(hub, id, actor="ada"),
    "a webhook": services.show_inbox,
    "a failed write": services.show_failed_write,
    "a failed write to retry": lambda hub, id: services.retry_failed_write(hub, id, actor="ada"),
    "a failed write to discard": lambda hub, id: services.discard_failed_write(hub, id, actor="ada"),
    "a webhook to read again": services.retry_inbox,
    "an unmatched object to link": lambda hub, id: services.link_unmatched(hub, id, "1", actor="ada"),
    "an unmatched object to open": lambda hub, id: services.open_unmatched(hub, id, actor="ada"),
    "an unmatched object to ignore": lambda hub, id: services.ignore_unmatched(hub, id, actor="ada"),
    "a comment": lambda hub, id: services.edit_comment(hub, id, "x", actor="ada"),
    "an update": lambda hub, id: services.approve_update(hub, id, "0" * 64, actor="ada"),
    "a connection": lambda hub, id: services.set_connection(hub, id, "enabled", actor="ada"),
}


@pytest.mark.parametrize("what", NAMED)
@pytest.mark.parametrize("id", ["\x00", "\udcff"], ids=["NUL", "half a character"])
def test_what_no_database_can_be_asked_for_is_not_there(hub: Hub, what: str, id: str) -> None:
    """An id with NUL or half a surrogate pair is not found."""
    with pytest.raises(services.NotFound):
        NAMED[what](hub, id)


@pytest.mark.parametrize("rows", [services.list_links, services.list_inbox, services.list_unmatched])
def test_a_state_that_there_is_not_is_refused_with_those_that_there_are(hub: Hub, rows: Callable[..., object]) -> None:
    with pytest.raises(services.Invalid, match=r"'bogus' is not one of [a-z]+, [a-z]+"):
        rows(hub, state="bogus")


LISTS = (services.list_links, services.list_inbox, services.list_unmatched, services.list_failed_writes)


@pytest.mark.parametrize("rows", [services.list_incidents, *LISTS])
@pytest.mark.parametrize("before", ["zzz", "", "INC-9", "0" * 26, "0" * 41, "\x00", "\udcff"])
def test_a_page_begins_only_after_a_row_that_there_is(hub: Hub, rows: Callable[..., object], before: str) -> None:
    with pytest.raises(services.Invalid, match=r"before: .*`next` of the page before"):
        rows(hub, before=before)


def test_a_page_of_incidents_begins_after_a_number_too(hub: Hub) -> None:
    services.open_incident(hub, {"title": "Search is slow"}, actor="ada")
    for before in ("INC-2", "2", services.show_incident(hub, "2")["id"]):
        (one,) = services.list_incidents(hub, before=before)["items"]
        assert one["number"] == "INC-1"
