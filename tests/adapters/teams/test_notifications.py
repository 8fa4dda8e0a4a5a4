"""Change notifications: the handshake, authentication, and the hints of each."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import COMMENT, INCIDENT, Hint, Ref, Request
from tests.adapters.teams.conftest import has_invalid_signature
from tests.conftest import absent
from tests.contract.worlds.teams import TeamsWorld

ROOT, REPLY = Ref(INCIDENT, "1767603600000"), Ref(COMMENT, "1767603605000", "1767603600000")


def post(world: TeamsWorld, data: Any, **headers: str) -> Request:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Request("POST", "/webhooks/teams", {}, headers, body, world.clock.now())


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        ("message-created", [Hint("created", ROOT, born=True)]),
        ("message-created.slashes", [Hint("created", ROOT, born=True)]),
        ("message-updated", [Hint("updated", ROOT, alone=True)]),
        ("message-deleted", [Hint("deleted", ROOT, deleted=True)]),
        ("reply-created", [Hint("created", REPLY, born=True)]),
        ("reply-updated", [Hint("updated", REPLY)]),
        ("reply-deleted", [Hint("deleted", REPLY, deleted=True)]),
        ("several", [Hint("updated", ROOT, alone=True), Hint("created", REPLY, born=True)]),
        ("message-created.other-channel", [Hint("created", ignored="about another channel")]),
        ("presence-updated", [Hint("updated", ignored="not about a message of a channel")]),
        ("lifecycle-missed", [Hint("missed", resync=True)]),
        ("lifecycle-reauthorizationRequired", [Hint("reauthorizationRequired", subscription="renew")]),
        ("lifecycle-subscriptionRemoved", [Hint("subscriptionRemoved", subscription="recreate", resync=True)]),
        ("lifecycle-somethingNew", [Hint("somethingNew", ignored="unknown lifecycle event 'somethingNew'")]),
    ],
)
def test_each_event_means_this(world: TeamsWorld, fixture: Callable[[str], Any], name: str, hints: list[Hint]) -> None:
    """Every fixture's name is an event; this is the catalogue of what is understood."""
    world.secrets.put("client_state", "a-state-that-only-we-know")
    request = post(world, fixture(name))
    assert world.adapter.authenticate(request, world.secrets)
    assert list(world.adapter.hints(request)) == hints


def test_every_fixture_is_in_the_catalogue() -> None:
    """A fixture without a test would only look like coverage."""
    here = Path(__file__).parent
    tests = "".join(p.read_text(encoding="utf-8") for p in here.glob("test_*.py"))
    assert [p.stem for p in (here / "fixtures").glob("*.json") if f'"{p.stem}"' not in tests] == []


# --- the captured payloads ------------------------------------------------------------------------------------------


def expected(item: dict[str, Any]) -> dict[str, Any]:
    """What a captured item's own content says, read independently of the adapter."""
    event = item.get("lifecycleEvent")
    if event:
        return {
            "resync": event in ("missed", "subscriptionRemoved"),
            "subscription": {"reauthorizationRequired": "renew", "subscriptionRemoved": "recreate"}.get(event),
            "ref": None,
        }
    return {"event": item["changeType"], "resync": False, "subscription": None}


def test_captured_payloads_mean_what_they_say(shared: Path, world: TeamsWorld) -> None:
    """Every file of the shared folder goes through without an exception."""
    files = sorted((shared / "payloads" / "graph").glob("*.json"))
    if not files:
        absent("there are no captured payloads of Graph")
    for path in files:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = world.adapter.hints(post(world, data))
        assert len(found) == len(data["value"]), path.name
        for hint, item in zip(found, data["value"], strict=True):
            for name, value in expected(item).items():
                assert getattr(hint, name) == value, (path.name, name)
            assert hint.ignored is None or "lifecycleEvent" not in item or hint.subscription is None


# --- the handshake --------------------------------------------------------------------------------------------------


def shake(world: TeamsWorld, token: str, method: str = "POST") -> Any:
    request = Request(method, "/webhooks/teams", {"validationToken": token}, {}, b"", world.clock.now())
    return world.adapter.handshake(request)  # type: ignore[attr-defined]


def test_the_token_comes_back_as_plain_text_and_is_not_stored(world: TeamsWorld) -> None:
    """As Graph wants it, within the response."""
    reply = shake(world, "Validation: Testing client application reachability for subscription Request-Id: 1%2B+é")
    assert (reply.status, reply.content_type, reply.store) == (200, "text/plain", False)
    assert (
        reply.body.decode() == "Validation: Testing client application reachability for subscription Request-Id: 1%2B+é"
    )


@pytest.mark.parametrize("token", ["<script>", "a<b", "x" * 4097, "é" * 2049, "a\nb", "a\x00"])
def test_what_is_no_token_is_not_reflected(world: TeamsWorld, token: str) -> None:
    """The endpoint cannot be used to show a script."""
    reply = shake(world, token)
    assert reply.status == 400
    assert token.encode() not in reply.body


def test_everything_else_is_no_handshake(world: TeamsWorld, fixture: Callable[[str], Any]) -> None:
    """A notification, and a GET."""
    assert world.adapter.handshake(post(world, fixture("several"))) is None  # type: ignore[attr-defined]
    assert shake(world, "x", "GET") is None


# --- authentication -------------------------------------------------------------------------------------------------


def notified(world: TeamsWorld) -> Request:
    world.sandbox.outgoing.clear()
    world.sandbox.people_post("hello")
    (request,) = world.webhooks()
    return request


def test_the_stand_ins_notification_is_believed_and_its_forgeries_are_not(world: TeamsWorld) -> None:
    """Missing, empty, false client states, and one false item among true ones."""
    request = notified(world)
    name = world.adapter.authenticate(request, world.secrets)
    assert (
        world.adapter.authenticate(
            replace(request, received_at=request.received_at + timedelta(hours=1)), world.secrets
        )
        == name
    )
    for why, badly_signed in world.badly_signed(request):
        assert has_invalid_signature(world, badly_signed), why


def test_without_a_client_state_nothing_is_believed(world: TeamsWorld) -> None:
    """Not even a notification without a client state."""
    request = notified(world)
    del world.secrets.values["client_state"]
    with pytest.raises(InvalidSignature, match="client_state is not set"):
        world.adapter.authenticate(request, world.secrets)


def test_an_old_client_state_holds_while_a_new_one_comes_in(world: TeamsWorld) -> None:
    """A rotation loses no notification in flight."""
    old = notified(world)
    world.rotate()
    world.adapter.authenticate(old, world.secrets)
    world.adapter.authenticate(notified(world), world.secrets)


def test_the_next_edit_of_a_message_is_another_delivery(world: TeamsWorld, fixture: Callable[[str], Any]) -> None:
    """Also where Graph leaves out the etag: reading twice is cheap, losing an edit is not."""
    one = world.sandbox.people_post("a")
    world.sandbox.outgoing.clear()
    world.sandbox.people_edit(one, "b")
    world.sandbox.people_edit(one, "c")
    names = {world.adapter.authenticate(r, world.secrets) for r in world.webhooks()}
    assert len(names) == 2
    world.secrets.put("client_state", "a-state-that-only-we-know")
    bare = post(world, fixture("message-updated"))
    later = replace(bare, received_at=bare.received_at + timedelta(seconds=5))
    assert world.adapter.authenticate(bare, world.secrets) != world.adapter.authenticate(later, world.secrets)


RUBBISH = [
    b"", b"null", b"[]", b"{}", b"5", b'"x"', b'{"value": 5}', b'{"value": []}', b'{"value": [5, null, "x", []]}',
    b'{"value": [{"resource": 5, "changeType": [], "resourceData": "x"}]}', b"\xff\xfe", b"[" * 100_000,
    b'{"value": ' + b"[" * 50_000, b'{"value": [{"changeType": "created", "resource": "\\u0000\\ud800"}]}',
    b'{"value": [{"lifecycleEvent": {"a": 1}}]}', b'{"value": [{"encryptedContent": 5}]}', b"1" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("body", RUBBISH)
def test_rubbish_has_an_invalid_signature_or_unusable_or_ignored(world: TeamsWorld, body: bytes) -> None:
    """Never another exception, and never a hint."""
    for headers in ({}, {"authorization": "HMAC xx"}, {"authorization": "HMAC " + "A" * 44}):
        request = post(world, body, **headers)
        with pytest.raises(InvalidSignature):
            world.adapter.authenticate(request, world.secrets)
        try:
            hints = world.adapter.hints(request)
        except Unusable:
            continue
        assert all(h.ref is None and h.command is None for h in hints)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c), max_leaves=8
    )
)
def test_any_item_at_all_is_understood_or_ignored(item: Any) -> None:
    """For any item."""
    world = _WORLD
    hints = world.adapter.hints(post(world, {"value": [item]}))
    assert len(hints) == 1


_WORLD = TeamsWorld("workflow")


# --- encrypted content ----------------------------------------------------------------------------------------------


def certificate() -> tuple[str, str]:
    """(private key as PEM, certificate as base64 DER)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    start = TeamsWorld("workflow").clock.now()
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(start).not_valid_after(start + timedelta(days=365)).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return pem, base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


PEM, DER = certificate()


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> TeamsWorld:
    """A world whose notifications carry encrypted content."""
    world = TeamsWorld(
        certificates={"cert-1": "notification_key"}, encryption_certificate=DER, encryption_certificate_id="cert-1"
    )
    world.secrets.put("notification_key", PEM)
    return world


def test_encrypted_content_is_proved_opened_and_names_its_author(sealed: TeamsWorld) -> None:
    """From the subscription to the hint; the platform's keys are fetched beforehand, not while the webhook waits."""
    request = notified(sealed)
    before = len(sealed.sandbox.calls)
    sealed.adapter.authenticate(request, sealed.secrets)
    (hint,) = sealed.adapter.hints(request)
    assert hint.event == "created"
    assert hint.actor
    assert hint.actor.name == "Robin Kline"
    assert len(sealed.sandbox.calls) == before


def spoil(request: Request, change: Callable[[dict[str, Any]], Any]) -> Request:
    data = json.loads(request.body)
    change(data)
    return replace(request, body=json.dumps(data).encode())


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("validation token", lambda d: d.pop("validationTokens")),
        ("validation token", lambda d: d.update(validationTokens=[])),
        ("validation token", lambda d: d.update(validationTokens=[5])),
        ("validation token", lambda d: d["validationTokens"].append("a.b.c")),
        ("decrypted", lambda d: d["value"][0]["encryptedContent"].update(dataSignature="AAAA")),
        ("decrypted", lambda d: d["value"][0]["encryptedContent"].update(data="AAAA")),
        ("decrypted", lambda d: d["value"][0]["encryptedContent"].update(dataKey="AAAA")),
        ("base64", lambda d: d["value"][0]["encryptedContent"].update(dataKey="é")),
        ("private key", lambda d: d["value"][0]["encryptedContent"].update(encryptionCertificateId="cert-2")),
        ("object", lambda d: d["value"][0].update(encryptedContent=[])),
    ],
)  # fmt: skip
def test_what_cannot_be_proved_or_opened_has_an_invalid_signature(
    sealed: TeamsWorld, why: str, change: Callable[[Any], Any]
) -> None:
    """Each part of the proof is needed."""
    with pytest.raises(InvalidSignature, match=why):
        sealed.adapter.authenticate(spoil(notified(sealed), change), sealed.secrets)


@pytest.mark.parametrize(
    ("why", "claims"),
    [
        ("InvalidAudienceError", {"aud": "another-app"}),
        ("another tenant", {"iss": "https://sts.windows.net/another/"}),
        ("not from Graph", {"appid": "another-app"}),
        ("expired or not yet valid", {"exp": 1}),
        ("expired or not yet valid", {"nbf": 9_999_999_999}),
        ("expired or not yet valid", {"exp": True, "nbf": "x"}),
    ],
)
def test_a_validation_token_for_another_has_an_invalid_signature(
    sealed: TeamsWorld, why: str, claims: dict[str, Any]
) -> None:
    """Audience, tenant, sender and time, each by itself."""
    token = sealed.sandbox.push.validation_token(**claims)
    with pytest.raises(InvalidSignature, match=why):
        sealed.adapter.authenticate(
            spoil(notified(sealed), lambda d: d.update(validationTokens=[token])), sealed.secrets
        )


def test_only_the_platforms_own_signature_counts(sealed: TeamsWorld) -> None:
    """No `none`, no secret of our own, no unknown key."""
    import jwt

    claims = jwt.decode(sealed.sandbox.push.validation_token(), options={"verify_signature": False})
    for token in (
        jwt.encode(claims, None, algorithm="none", headers={"kid": "stand-in-1"}),
        jwt.encode(claims, "s" * 40, algorithm="HS256", headers={"kid": "stand-in-1"}),
        jwt.encode(claims, PEM, algorithm="RS256", headers={"kid": "stand-in-1"}),
        jwt.encode(claims, PEM, algorithm="RS256", headers={"kid": "unknown"}),
    ):
        with pytest.raises(InvalidSignature):
            sealed.adapter.authenticate(
                spoil(notified(sealed), lambda d, t=token: d.update(validationTokens=[t])), sealed.secrets
            )


def test_a_certificate_is_rotated_without_a_gap(sealed: TeamsWorld) -> None:
    """The old private key still opens what was sealed for it."""
    request = notified(sealed)
    sealed.secrets.put("notification_key", certificate()[0])
    assert sealed.adapter.authenticate(request, sealed.secrets)


def test_a_certificate_without_its_key_is_refused_at_start() -> None:
    """With the place."""
    with pytest.raises(ValueError, match=r"ops-channel.*certificates"):
        TeamsWorld(encryption_certificate=DER, encryption_certificate_id="cert-1")
