"""Incoming notifications: authentication and hints."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.statuspage import webhooks
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import INCIDENT, Hint, Ref, Request
from tests.contract.world import MemorySecrets
from tests.contract.worlds.statuspage import StatuspageWorld

FIXTURES = Path(__file__).parent / "fixtures"
SECRETS = MemorySecrets(webhook_path_token=["new-token", "old-token"])


def request(body: bytes, path: str = "/webhooks/page/new-token") -> Request:
    return Request("POST", path, {}, {"content-type": "application/json"}, body, datetime(2026, 1, 5, tzinfo=UTC))


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def expected(payload: dict[str, Any]) -> Hint:
    """The expected hint of a payload, derived independently of the adapter."""
    if "incident" in payload:
        return Hint("incident", Ref(INCIDENT, payload["incident"]["id"]))
    return Hint("component_update", resync=True)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda p: p.stem)
def test_each_understood_event_yields_its_hint(path: Path) -> None:
    """An incident's notification names the incident; a component's asks for a resync."""
    assert webhooks.hints(request(path.read_bytes())) == (expected(json.loads(path.read_bytes())),)


def test_replay_of_captured_payloads(shared: Path) -> None:
    """Every captured notification yields the hint that its content says."""
    files = sorted((shared / "payloads" / "statuspage").glob("*.json"))
    assert files
    for path in files:
        payload = json.loads(path.read_bytes())
        [hint] = webhooks.hints(request(path.read_bytes()))
        assert hint == expected(payload), path.name
        assert webhooks.authenticate(request(path.read_bytes()), SECRETS)


def test_captured_rest_answers_are_no_notifications(shared: Path) -> None:
    """A list of the read API that ends up at the webhook is unusable, and breaks nothing."""
    for path in sorted((shared / "payloads" / "statuspage-rest").glob("*.json")):
        with pytest.raises(Unusable):
            webhooks.hints(request(path.read_bytes()))


@pytest.mark.parametrize("token", ["new-token", "old-token", "new-token/"])
def test_each_valid_path_token_is_accepted(token: str) -> None:
    """During a rotation both tokens are valid."""
    assert webhooks.authenticate(request(b"{}", f"/webhooks/page/{token}"), SECRETS)


@pytest.mark.parametrize(
    "path", ["/webhooks/page", "/webhooks/page/", "/new-token/x", "/webhooks/page/new-toke\udcff", ""]
)
def test_a_path_without_the_token_has_an_invalid_signature(path: str) -> None:
    """Only the last path segment authenticates a notification, and the refusal does not show the token."""
    with pytest.raises(InvalidSignature) as refused:
        webhooks.authenticate(request(b"{}", path), SECRETS)
    assert "new-token" not in str(refused.value)


def test_without_a_token_everything_has_an_invalid_signature() -> None:
    """A connection without a token accepts nothing, not even an empty token."""
    for secrets in (MemorySecrets(), MemorySecrets(webhook_path_token="")):
        with pytest.raises(InvalidSignature):
            webhooks.authenticate(request(b"{}", "/webhooks/page/"), secrets)


def test_a_repeated_notification_has_the_same_delivery_id_and_a_further_update_another() -> None:
    """Statuspage sends no delivery id: the newest update gives it, in any order of the list and at any time of sending."""
    payload = json.loads(fixture("incident_update.json"))
    first = webhooks.authenticate(request(json.dumps(payload).encode()), SECRETS)
    payload["meta"]["generated_at"] = "2026-01-05T09:11:00.000Z"
    payload["meta"]["unsubscribe"] = "https://status.example.com/?unsubscribe=other"
    payload["incident"]["incident_updates"].reverse()
    assert webhooks.authenticate(request(json.dumps(payload).encode()), SECRETS) == first
    payload["incident"]["incident_updates"].insert(0, {"id": "upd3", "created_at": "2026-01-05T09:30:00Z"})
    assert webhooks.authenticate(request(json.dumps(payload).encode()), SECRETS) != first


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda p: p.stem)
def test_the_unsubscribe_link_goes_nowhere(path: Path) -> None:
    """`meta.unsubscribe` ends our subscription when opened: it is in no hint, id or error."""
    link = json.loads(path.read_bytes())["meta"]["unsubscribe"]
    said = [
        repr(webhooks.hints(request(path.read_bytes()))),
        webhooks.authenticate(request(path.read_bytes()), SECRETS),
    ]
    broken = path.read_bytes().replace(b'"incident": {', b'"incident": [{') + b"]"
    with pytest.raises(Unusable) as unusable:
        webhooks.hints(request(broken))
    assert not any(link in text or link.split("=")[1] in text for text in [*said, str(unusable.value)])


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"{", b"[" * 100_000, b'{"incident": null}', b'{"incident": []}',
        b'{"incident": {"id": null}}', b'{"incident": {"id": 5}}', b'{"incident": {"id": "a\\u0000b"}}',
        b'{"incident": {"id": "../../pages"}}', b'{"incident": {"id": "' + b"a" * 70 + b'"}}',
        b'{"incident": {"incident_updates": {"a": 1}}}', b'{"incident": {"id": {"id": "a"}}}', b"1" * 5000,
    ],
)  # fmt: skip
def test_bad_input_is_unusable_and_nothing_worse(body: bytes) -> None:
    """For any bytes: an authentic but malformed request is Unusable, and still has a delivery id."""
    with pytest.raises(Unusable):
        webhooks.hints(request(body))
    assert webhooks.authenticate(request(body), SECRETS)


def test_an_unknown_shape_is_ignored_with_a_reason() -> None:
    """A notification about another kind of object is ignored."""
    [hint] = webhooks.hints(request(b'{"meta": {}, "page": {"id": "x"}}'))
    assert hint.ignored
    assert hint.ref is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["incident", "id", "incident_updates", "component_update", "component", "created_at", "page"]), inner
    ),
    max_leaves=25,
)  # fmt: skip


@given(json_values)
def test_any_json_is_a_hint_or_unusable(value: Any) -> None:
    """No content of a notification has another result."""
    body = json.dumps(value).encode()
    assert webhooks.authenticate(request(body), SECRETS)
    try:
        hints = webhooks.hints(request(body))
    except Unusable:
        return
    assert all(h.ref or h.resync or h.ignored for h in hints)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_hint_or_unusable(body: bytes) -> None:
    """Nor have bytes that are no JSON."""
    assert webhooks.authenticate(request(body), SECRETS)
    with contextlib.suppress(Unusable):
        webhooks.hints(request(body))


def test_what_the_page_sends_is_understood() -> None:
    """A person's published update and a component's change each give their hint; those with an invalid signature do not."""
    world = StatuspageWorld()
    ref = world.person_makes(INCIDENT)
    world.sandbox.people_set_component(world.search, "major_outage")
    requests = world.webhooks()
    for r in requests:
        assert world.adapter.authenticate(r, world.secrets)
        for _, badly_signed in world.badly_signed(r):
            with pytest.raises(InvalidSignature):
                world.adapter.authenticate(badly_signed, world.secrets)
    hints = [h for r in requests for h in world.adapter.hints(r)]
    assert Hint("incident", ref) in hints
    assert Hint("component_update", resync=True) in hints
    assert world.webhooks() == []
