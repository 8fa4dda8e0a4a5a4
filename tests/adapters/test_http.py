"""A request that could not be sent is reported with what to correct, and never counts as a write of unknown outcome."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import requests

from adapters.http import NO_ADDRESS, UNCARRIED, Wire, error_from
from hub.domain.errors import RetryLater, Unauthorised, VendorError
from tests.contract.worlds.jira import JiraWorld

NO_ADDRESSES = ["https://[::1", "https://x:99999", "https://x:port", "https://a..b", f"https://{'a' * 70}.example"]
WRONG = [*NO_ADDRESSES, "https:///x", "https://exa mple.com", "ftp://x", "jira.example.com"]


def failure(**more: Any) -> VendorError:
    """The vendor error that the adapters' clients make of an exception of the transport in a write."""
    try:
        Wire().session().request("POST", **more)
    except VendorError as error:
        return error
    except requests.RequestException as error:
        return error_from(error, write=True)
    raise AssertionError("it was sent")


@pytest.mark.parametrize("value", ["tök→en", "to\nken", " token"])
def test_a_credential_that_no_header_can_carry_is_to_be_set_again(value: str) -> None:
    error = failure(url="http://127.0.0.1:9/", headers={"Authorization": value})
    assert (type(error), error.words) == (Unauthorised, UNCARRIED)
    assert failure(url="http://127.0.0.1:9/", auth=("bot→@example.com", "token")).words == UNCARRIED


@pytest.mark.parametrize("url", WRONG)
def test_an_address_that_is_none_is_a_setting_to_mend(url: str) -> None:
    error = failure(url=url)
    assert (type(error), error.words) == (RetryLater, NO_ADDRESS)


def test_the_same_holds_for_graph() -> None:
    """Graph has another client library."""
    for more, kind in (
        ({"url": "https://x:port/"}, RetryLater),
        ({"url": "https://x.example/", "headers": {"Authorization": "tök→en"}}, Unauthorised),
    ):
        with pytest.raises((httpx.InvalidURL, UnicodeEncodeError)) as caught:
            httpx.Client().request("POST", **more)  # type: ignore[arg-type]
        assert type(error_from(caught.value, write=True)) is kind


def test_jira_says_both_in_these_words() -> None:
    world = JiraWorld(True)
    world.secrets.put("token", "tök→en")
    with pytest.raises(Unauthorised, match=re.escape(UNCARRIED)):
        world.adapter.changed_since(None)
