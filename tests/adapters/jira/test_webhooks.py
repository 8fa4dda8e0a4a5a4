"""Jira's webhooks: only authentic ones are accepted, and each form, old and new, names its object."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jira import webhooks
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import Hint, Ref, Request
from tests.contract.world import MemorySecrets
from tests.contract.worlds.jira import JiraWorld

FIXTURES = Path(__file__).with_name("fixtures")
APP_SECRET = "an-app-secret-of-thirty-two-bytes-"
NOW = datetime(2026, 3, 13, tzinfo=UTC)
ISSUE, COMMENT = Ref("incident", "10042"), Ref("comment", "30007", "10042")

EXPECTED: dict[str, list[tuple[Ref, bool]] | str | None] = {
    "jira-issue_created.cloud": [(ISSUE, False)],
    "jira-issue_updated.status.cloud": [(ISSUE, False)],
    "jira-issue_updated.resolution-only.cloud": [(ISSUE, False)],
    "jira-issue_updated.labels.cloud": [(ISSUE, False)],
    "jira-issue_updated.empty-changelog.cloud": [(ISSUE, False)],
    "jira-issue_updated.comment-only.cloud": [(ISSUE, False), (COMMENT, False)],
    "jira-issue_updated.comment-edited.old-dc": [(ISSUE, False), (COMMENT, False)],
    "jira-issue_updated.comment-deleted.old-dc": [(ISSUE, False)],
    "jira-issue_deleted.cloud": [(ISSUE, True)],
    "comment_created.cut-down-issue.cloud": [(COMMENT, False)],
    "comment_created.no-issue.dc": [(COMMENT, False)],
    "comment_updated.cloud": [(COMMENT, False)],
    "comment_deleted.no-issue.dc": [(COMMENT, True)],
    "comment_created.no-issue-no-self.dc": "resync",
    "issue_property_set.cloud": None,
    "worklog_created.cloud": None,
    "sprint_started.cloud": None,
    "issuelink_created.cloud": None,
}
"""fixture → the object that it names and whether that is gone; "resync"; None: ignored."""


def incoming(body: bytes, path: str = "/webhooks/jira", **headers: str) -> Request:
    return Request("POST", path, {}, {k.replace("_", "-"): v for k, v in headers.items()}, body, NOW)


def test_every_fixture_is_expected_and_every_expectation_has_a_fixture() -> None:
    """The folder's listing is the catalogue of understood events."""
    assert {p.stem for p in FIXTURES.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_webhook_points_at_what_it_is_about(name: str) -> None:
    found = webhooks.hints(incoming((FIXTURES / f"{name}.json").read_bytes()))
    expected = EXPECTED[name]
    if expected is None:
        assert [bool(h.ignored) for h in found] == [True]
    elif expected == "resync":
        assert [(h.resync, h.ref) for h in found] == [(True, None)]
    else:
        assert [(h.ref, h.deleted) for h in found] == expected
        assert all(h.actor is not None and h.actor.name == "Ada" for h in found)


def captured() -> list[Path]:
    import os

    root = Path(os.environ.get("LOCKSTEP_SHARED") or Path(__file__).resolve().parents[4] / "shared")
    return sorted((root / "payloads" / "jira").glob("*.json"))


@pytest.mark.parametrize("path", captured(), ids=lambda p: p.stem)
def test_a_captured_webhook_yields_the_hint_that_its_content_says(path: Path) -> None:
    """Webhooks captured from real Jiras are understood, of any age."""
    body = json.loads(path.read_bytes())
    found = list(webhooks.hints(incoming(path.read_bytes())))
    assert {h.event for h in found} == {body["webhookEvent"]}
    assert [(h.ref, h.deleted) for h in found if h.ref] == list(meant(body))
    comment = body.get("comment") or {}
    who = body.get("user") or comment.get("updateAuthor") or comment.get("author") or {}
    for hint in found:
        assert (hint.ref is None) == bool(hint.ignored or hint.resync)
        if hint.ref and who:
            assert hint.actor is not None
            assert hint.actor.account == (who.get("accountId") or who.get("name") or who.get("key"))


def test_there_are_captured_webhooks(shared: Path) -> None:
    assert list((shared / "payloads" / "jira").glob("*.json"))


def meant(body: Any) -> Iterator[tuple[Ref, bool]]:
    """The expected hints, derived from the payload independently of the adapter."""
    event, comment = body["webhookEvent"], body.get("comment")
    in_url = re.search(r"/issue/(\d+)/", comment["self"]) if comment else None
    issue = body["issue"]["id"] if "issue" in body else in_url[1] if in_url else None
    if not event.startswith(("jira:issue_", "comment_")) or issue is None:
        return
    if event.startswith("jira:issue_"):
        yield Ref("incident", issue), event.endswith("_deleted")
    if comment and not event.endswith("issue_deleted"):
        yield Ref("comment", comment["id"], issue), event == "comment_deleted"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x00", b"\xff\xfe", b"null", b"[]", b"{}", b'"x"', b"1", b"NaN", b"{" * 10,
        b"[" * 200_000, b'{"webhookEvent": 3}', b'{"webhookEvent": "a\\u0000"}', b'{"webhookEvent":"jira:issue_updated"}',
        b'{"webhookEvent":"jira:issue_updated","issue":{"id":"../../x"}}',
        b'{"webhookEvent":"jira:issue_updated","issue":{"id":true}}',
        b'{"webhookEvent":"jira:issue_updated","issue":{"id":[1]}}',
        '{"webhookEvent":"jira:issue_updated","issue":{"id":"١٢"}}'.encode(),
        b'{"webhookEvent":"comment_created"}', b'{"webhookEvent":"comment_created","comment":[]}',
        b'{"webhookEvent":"comment_created","comment":{"id":null,"self":5}}',
        b'{"webhookEvent":"jira:issue_updated","issue":{"id":' + b"9" * 5000 + b"}}",
    ],
)  # fmt: skip
def test_nonsense_is_unusable_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(Unusable):
        webhooks.hints(incoming(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
SHAPED = st.fixed_dictionaries(
    {"webhookEvent": st.sampled_from(["jira:issue_updated", "comment_created", "jira:issue_deleted", "else"]) | JSON},
    optional={"issue": JSON | st.fixed_dictionaries({"id": JSON}), "comment": JSON, "user": JSON},
)


@given(SHAPED | JSON)
def test_any_json_yields_hints_or_is_unusable(body: Any) -> None:
    """Never another exception, and never an id that would change the path of a URL."""
    try:
        found = webhooks.hints(incoming(json.dumps(body).encode()))
    except Unusable:
        return
    for hint in found:
        assert isinstance(hint, Hint)
        assert hint.ref is None or (hint.ref.id.isascii() and hint.ref.id.isdigit())


@given(st.binary(max_size=60))
def test_any_bytes_yield_hints_or_are_unusable(body: bytes) -> None:
    with contextlib.suppress(Unusable):
        webhooks.hints(incoming(body))


def test_text_that_no_database_takes_is_cleaned() -> None:
    body = {
        "webhookEvent": "jira:issue_updated",
        "issue": {"id": "1"},
        "user": {"displayName": "A\x00\ud800", "name": "a"},
    }
    (hint,) = webhooks.hints(incoming(json.dumps(body).encode()))
    assert hint.actor is not None
    assert hint.actor.name == "A?"


# ---------------------------------------------------------------- authentication


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_the_identifier_is_the_delivery_id_and_the_same_on_a_retry() -> None:
    world = JiraWorld(cloud=True)
    world.sandbox.people_create("x")
    (sent,) = world.sandbox.outgoing
    assert world.sandbox.failed(sent, 503)
    (again,) = (s for _, s in world.sandbox.hooks.late)
    assert again.headers["x-atlassian-webhook-retry"] == "1"
    ids = {world.adapter.authenticate(incoming_of(s), world.secrets) for s in (sent, again)}
    assert ids == {sent.id}


def incoming_of(sent: Any) -> Request:
    return Request("POST", "/webhooks/jira", {}, sent.headers, sent.body, NOW)


def test_an_old_data_center_sends_no_identifier_so_the_body_is_hashed() -> None:
    secrets = MemorySecrets(webhook_secret="s")
    body = b'{"a": 1}'
    first, second = (
        webhooks.authenticate(incoming(b, x_hub_signature=signature("s", b)), secrets, "signature")
        for b in (body, body + b" ")
    )
    assert first.startswith("sha256:")
    assert first != second


def test_every_secret_that_is_valid_now_is_taken() -> None:
    secrets = MemorySecrets(webhook_secret=["new", "old"])
    for secret in ("new", "old"):
        webhooks.authenticate(incoming(b"x", x_hub_signature=signature(secret, b"x")), secrets, "signature")


def test_another_method_before_the_equals_sign_is_understood() -> None:
    secrets = MemorySecrets(webhook_secret="s")
    digest = hmac.new(b"s", b"x", hashlib.sha512).hexdigest()
    webhooks.authenticate(incoming(b"x", x_hub_signature=f"SHA512={digest}"), secrets, "signature")


def test_without_a_configured_secret_nothing_passes() -> None:
    with pytest.raises(InvalidSignature):
        webhooks.authenticate(incoming(b"x", x_hub_signature=signature("", b"x")), MemorySecrets(), "signature")


@pytest.mark.parametrize("deployment", ["cloud", "dc"])
def test_forgeries_are_refused(deployment: str) -> None:
    world = JiraWorld(cloud=deployment == "cloud")
    world.sandbox.people_create("x")
    (genuine,) = world.webhooks()
    world.adapter.authenticate(genuine, world.secrets)
    for _, badly_signed in world.badly_signed(genuine):
        with pytest.raises(InvalidSignature):
            world.adapter.authenticate(badly_signed, world.secrets)


def token(secret: str = APP_SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"exp": NOW.timestamp() + 60, **claims}, secret, algorithm=algorithm)


def test_an_apps_webhook_is_signed_by_a_token() -> None:
    secrets = MemorySecrets(client_secret=APP_SECRET)
    good = incoming(b"x", authorization=f"Bearer {token()}")
    webhooks.authenticate(good, secrets, "jwt")
    for bad in ("", "Bearer", "Bearer x.y.z", f"Bearer {token('another-secret-of-thirty-two-bytes')}", f"Bearer {token(exp=NOW.timestamp() - 900)}",
                f"Basic {token()}", "Bearer " + jwt.encode({"exp": 9e9}, None, algorithm="none"),
                "Bearer " + jwt.encode({}, APP_SECRET), "Bearer \u00fc"):  # fmt: skip
        with pytest.raises(InvalidSignature):
            webhooks.authenticate(replace(good, headers={"authorization": bad}), secrets, "jwt")


def test_a_data_center_that_cannot_sign_is_known_by_its_path() -> None:
    secrets = MemorySecrets(webhook_path_token=["new", "old"])
    for last in ("new", "old"):
        webhooks.authenticate(incoming(b"x", path=f"/webhooks/jira/{last}"), secrets, "path")
    for path in ("/webhooks/jira", "/webhooks/jira/", "/webhooks/jira/neu", "/webhooks/jira/new/x", "/\udcff"):
        with pytest.raises(InvalidSignature):
            webhooks.authenticate(incoming(b"x", path=path), secrets, "path")


@pytest.mark.parametrize(
    ("changed", "event", "alone"),
    [
        (["priority", "labels"], "issue_generic", True),
        (["Comment"], "issue_comment_deleted", False),
        (["priority"], "issue_commented", False),
        ([], "issue_generic", False),
    ],
)
def test_only_a_change_of_fields_spares_the_comments(changed: list[str], event: str, alone: bool) -> None:
    """Jira reports a deleted comment as a change of the issue: then the comments are read too."""
    body = {
        "webhookEvent": "jira:issue_updated", "issue_event_type_name": event, "issue": {"id": "10001", "key": "OPS-1"},
        "changelog": {"id": "1", "items": [{"field": name, "fieldtype": "jira"} for name in changed]},
    }  # fmt: skip
    (hint,) = webhooks.hints(incoming(json.dumps(body).encode()))
    assert hint.alone is alone
