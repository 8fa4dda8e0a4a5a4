"""PagerDuty's webhooks are verified on the raw body, have one delivery id each, and raise no unexpected error."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.pagerduty.webhooks import DATA_TYPES, EVENTS, IGNORED
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import COMMENT, INCIDENT, Hint, Ref, Request
from tests.contract.world import MemorySecrets
from tests.contract.worlds.pagerduty import PagerDutyWorld

FIXTURES = Path(__file__).parent / "fixtures"
INC = "Q1FIXTURE00001"
WORLD = PagerDutyWorld()
ADAPTER = WORLD.adapter


def sent(body: bytes, **headers: str) -> Request:
    return Request("POST", "/hooks/pagerduty", {}, headers, body, datetime(2026, 1, 5, tzinfo=UTC))


def signed(body: bytes, *secrets: str) -> Request:
    entries = [f"v1={hmac.new(s.encode(), body, hashlib.sha256).hexdigest()}" for s in secrets]
    return sent(body, **{"x-pagerduty-signature": ", ".join(entries)})


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def test_there_is_a_fixture_for_every_event_that_is_understood() -> None:
    have = {p.name.removesuffix(".json") for p in FIXTURES.iterdir()}
    assert {e for e in (*EVENTS, *IGNORED) if "." in e} <= have


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_an_incident_event_names_the_incident_to_look_at(name: str) -> None:
    [hint] = ADAPTER.hints(sent(fixture(name)))
    expected = Ref(COMMENT, "PNOTE01", INC) if name == "incident.annotated" else Ref(INCIDENT, INC)
    assert (hint.event, hint.ref, hint.ignored, hint.deleted) == (name, expected, None, False)


def test_the_person_behind_an_event_is_named_for_the_journal() -> None:
    [hint] = ADAPTER.hints(sent(fixture("incident.acknowledged")))
    assert hint.actor is not None
    assert (hint.actor.name, hint.actor.account) == ("Ada", "PADA001")


def test_a_note_event_without_an_id_names_its_incident() -> None:
    body = json.loads(fixture("incident.annotated"))
    del body["event"]["data"]["id"]
    [hint] = ADAPTER.hints(sent(json.dumps(body).encode()))
    assert hint.ref == Ref(INCIDENT, INC)


@pytest.mark.parametrize("name", sorted(n for n in IGNORED if "." in n))
def test_what_concerns_no_incident_is_ignored_with_the_reason(name: str) -> None:
    [hint] = ADAPTER.hints(sent(fixture(name)))
    assert hint.ref is None
    assert hint.ignored == IGNORED[name]


def test_an_unknown_event_is_ignored_in_words_and_not_an_error() -> None:
    body = json.dumps({"event": {"event_type": "incident.levitated", "data": {"id": INC, "type": "incident"}}}).encode()
    [hint] = ADAPTER.hints(sent(body))
    assert hint.ref is None
    assert "incident.levitated" in str(hint.ignored)


def test_a_v2_webhook_is_recognised_and_explained() -> None:
    [hint] = ADAPTER.hints(sent(fixture("v2.incident.trigger")))
    assert (hint.event, hint.ref) == ("incident.trigger", None)
    assert "V2" in str(hint.ignored)


@pytest.mark.parametrize("name", sorted(DATA_TYPES))
def test_data_without_its_envelope_still_names_the_incident(name: str) -> None:
    data = {"type": name, "id": INC, "incident": {"id": INC, "type": "incident_reference"}}
    hints = ADAPTER.hints(sent(json.dumps(data).encode()))
    assert [h.ref.parent or h.ref.id for h in hints if h.ref] == [INC]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"\xff\xfe", b"{", b'"text"', b"{}", b'{"event": 7}', b'{"event": {"event_type": null}}',
        b'{"event": {"event_type": "incident.triggered"}}', b'{"event": {"event_type": "incident.triggered", "data": []}}',
        b'{"event": {"event_type": "incident.triggered", "data": {"id": ""}}}',
        b'{"event": {"event_type": "incident.triggered", "data": {"id": "a\\u0000b"}}}',
        b'{"event": {"event_type": "incident.triggered", "data": {"id": "a b"}}}',
        b'{"event": {"event_type": "incident.triggered", "data": {"id": "\\ud800"}}}',
        b'{"event": {"event_type": "incident.triggered", "data": {"id": 7}}}',
        b'{"event": {"event_type": "incident.role.assigned", "data": {"incident_role_assignments": [1, null, {}]}}}',
        b'{"event": {"event_type": "incident.triggered", "data": {"id": "' + b"x" * 5000 + b'"}}}',
        b"[" * 100_000, b'{"event":' * 50_000,
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable):
        ADAPTER.hints(sent(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from([*EVENTS, *IGNORED, "x"]), JSON, JSON)
def test_whatever_an_event_holds_there_are_hints_or_it_is_unusable(name: str, data: object, agent: object) -> None:
    body = json.dumps({"event": {"event_type": name, "data": data, "agent": agent}}).encode()
    try:
        found = ADAPTER.hints(sent(body))
    except Unusable:
        return
    assert found
    assert all(isinstance(h, Hint) and (h.ref is None) == (h.ignored is not None) for h in found)


@given(st.binary(max_size=200), st.text(max_size=80))
def test_no_bytes_and_no_header_make_verification_fail_otherwise_than_as_an_invalid_signature(
    body: bytes, header: str
) -> None:
    with pytest.raises(InvalidSignature):
        ADAPTER.authenticate(sent(body, **{"x-pagerduty-signature": header}), MemorySecrets(webhook_secret="s"))


def test_any_valid_secret_and_any_v1_entry_will_do_while_a_secret_is_rotated() -> None:
    body = fixture("incident.triggered")
    secrets = MemorySecrets(webhook_secret=["new", "old"])
    for request in (signed(body, "new"), signed(body, "old"), signed(body, "other", "old")):
        assert ADAPTER.authenticate(request, secrets) == "01FIXTURE00000000000000000"
    with pytest.raises(InvalidSignature):
        ADAPTER.authenticate(signed(body, "other"), secrets)


def test_without_a_secret_nothing_is_believed() -> None:
    with pytest.raises(InvalidSignature):
        ADAPTER.authenticate(signed(fixture("pagey.ping"), ""), MemorySecrets())


def test_the_delivery_id_is_covered_by_the_signature() -> None:
    """A replay with another, unsigned `X-Webhook-Id` is still the same delivery."""
    secrets = MemorySecrets(webhook_secret="s")
    first = signed(fixture("incident.triggered"), "s")
    replayed = replace(first, headers={**first.headers, "x-webhook-id": "another"})
    assert ADAPTER.authenticate(first, secrets) == ADAPTER.authenticate(replayed, secrets)


def test_a_body_without_an_event_id_is_named_by_its_hash() -> None:
    secrets = MemorySecrets(webhook_secret="s")
    ids = {ADAPTER.authenticate(signed(body, "s"), secrets) for body in (b"{}", b"{ }", b"not json")}
    assert len(ids) == 3
    assert all(id.startswith("sha256:") for id in ids)


def test_only_an_event_about_the_incident_itself_spares_the_notes() -> None:
    """An acknowledgement is about fields alone; a note and a published update are not."""
    [acknowledged] = ADAPTER.hints(sent(fixture("incident.acknowledged")))
    others = [
        h for n in ("incident.annotated", "incident.status_update_published") for h in ADAPTER.hints(sent(fixture(n)))
    ]
    assert acknowledged.alone
    assert others
    assert not any(h.alone for h in others)
