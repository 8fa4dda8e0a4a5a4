"""msgraph-sdk under the hub's rules: one request per call, the four errors, one loop thread per process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from werkzeug.serving import make_server

from adapters.http import Wire
from adapters.sandboxing import Fault
from adapters.teams.adapter import build
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised, VendorError
from hub.domain.values import COMMENT, INCIDENT, Desired, Mark, Ref, Update
from tests.contract.worlds.teams import BASE, CARD, TeamsWorld

CLAIMS = {"WWW-Authenticate": 'Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="'}

ANSWERS: list[tuple[int, dict[str, str], type[VendorError], type[VendorError], float | None]] = [
    (429, {"Retry-After": "7"}, RetryLater, RetryLater, 7.0),
    (429, {}, RetryLater, RetryLater, None),
    (503, {"Retry-After": "7"}, RetryLater, OutcomeUnknown, 7.0),
    (503, {}, RetryLater, OutcomeUnknown, None),
    (504, {}, RetryLater, OutcomeUnknown, None),
    (500, {}, RetryLater, OutcomeUnknown, None),
    (502, {}, RetryLater, OutcomeUnknown, None),
    (401, CLAIMS, Unauthorised, Unauthorised, None),
    (403, {}, Unauthorised, Unauthorised, None),
    (400, {}, Refused, Refused, None),
    (413, {}, Refused, Refused, None),
    (302, {"Location": f"{BASE}/v1.0/elsewhere"}, Refused, Refused, None),
]


def writes(world: TeamsWorld, card: Ref) -> dict[str, Callable[[], Any]]:
    now = world.clock.now()
    reply = world.adapter.create(Desired(COMMENT, {"text": "x"}, card), Mark(COMMENT, "comment1", now, card)).ref
    assert reply
    return {
        "post": lambda: world.adapter.create(world.sample(INCIDENT), Mark(INCIDENT, "abcdef1", now)),
        "reply": lambda: world.adapter.create(
            Desired(COMMENT, {"text": "y"}, card), Mark(COMMENT, "c2c2c2", now, card)
        ),
        "edit": lambda: world.adapter.update(reply, Update({"text": "z"}, {})),
        "delete": lambda: world.adapter.update(reply, Update({"deleted": True}, {})),
    }


@pytest.mark.parametrize(("status", "headers", "read", "write", "delay"), ANSWERS)
def test_no_call_is_ever_sent_twice_and_each_answer_is_one_of_the_four_errors(
    world: TeamsWorld, card: Ref, status: int, headers: dict[str, str], read: type, write: type, delay: float | None
) -> None:
    """The SDK's retries, its second try after a claims challenge, and its redirects are off: for POSTs above all."""
    box = world.sandbox
    calls = writes(world, card)
    for name, call, wanted in [
        ("read", lambda: world.adapter.observe(card), read),
        *((n, c, write) for n, c in calls.items()),
    ]:
        if status == 403 and name in ("edit", "delete"):
            continue  # 403 on an edit costs one read, to find whose message it is
        world.adapter.observe(card)
        box.faults.append(Fault("status", times=9, status=status, headers=headers, match=lambda m, p: "/teams/" in p))
        before = len(box.calls)
        with pytest.raises(VendorError) as caught:
            call()
        assert type(caught.value) is wanted, name
        assert len([p for _, p in box.calls[before:] if "/teams/" in p]) == 1, name
        if isinstance(caught.value, RetryLater):
            assert caught.value.delay == delay
            assert caught.value.throttled is (status == 429)
        box.faults.clear()


def test_a_stored_message_whose_answer_was_lost_is_an_unknown_outcome_and_is_there_once(world: TeamsWorld) -> None:
    """The time-out after Graph acted: the mark finds the one message."""
    mark = Mark(INCIDENT, "abcdef1", world.clock.now())
    world.sandbox.faults.append(Fault("late", match=lambda m, p: m == "POST" and p.endswith("/messages")))
    with pytest.raises(OutcomeUnknown):
        world.adapter.create(world.sample(INCIDENT), mark)
    assert len(world.adapter.find(mark)) == 1


def test_a_read_that_times_out_may_simply_be_tried_later(world: TeamsWorld, card: Ref) -> None:
    """A read has changed nothing."""
    world.sandbox.faults.append(Fault("lost"))
    with pytest.raises(RetryLater):
        world.adapter.observe(card)


def test_four_requests_a_second_is_the_stand_ins_limit(world: TeamsWorld, card: Ref) -> None:
    """Throttled with the delay, or without one where the vendor leaves it out."""
    world.sandbox.rate_limited = True
    for _ in range(4):
        world.adapter.probe()  # type: ignore[attr-defined]
    with pytest.raises(RetryLater) as caught:
        world.adapter.probe()  # type: ignore[attr-defined]
    assert (caught.value.delay, caught.value.throttled) == (1.0, True)
    world.sandbox.omit_retry_after = True
    with pytest.raises(RetryLater) as caught:
        world.adapter.probe()  # type: ignore[attr-defined]
    assert (caught.value.delay, caught.value.throttled) == (None, True)
    world.clock.advance(1)
    world.adapter.probe()  # type: ignore[attr-defined]


class Crash(BaseException):
    pass


def test_every_exchange_is_watched_and_a_crash_at_either_moment_passes_through(world: TeamsWorld, card: Ref) -> None:
    """Before sending nothing has happened; after the answer the message is there."""
    seen: list[tuple[str, str, str]] = []
    wanted: list[str] = []

    def watch(moment: str, method: str, url: str) -> None:
        seen.append((moment, method, url))
        if moment in wanted and method == "POST" and url.endswith("/messages"):
            raise Crash

    world.spec.wire.watch = watch
    mark = Mark(INCIDENT, "abcdef1", world.clock.now())
    world.adapter.probe()  # type: ignore[attr-defined]
    assert [(m, v) for m, v, _ in seen] == [("send", "GET"), ("answered", "GET")]
    assert "19%3A4a95f7d8db4c4e7fae857bcebe0623e6%40thread.tacv2" in seen[0][2]
    for moment, found in (("send", 0), ("answered", 1)):
        wanted[:] = [moment]
        with pytest.raises(Crash):
            world.adapter.create(world.sample(INCIDENT), mark)
        assert len(world.adapter.find(mark)) == found


def test_our_token_follows_no_link_to_another_place(
    world: TeamsWorld, monkeypatch: pytest.MonkeyPatch, card: Ref
) -> None:
    """A next link that leads elsewhere is refused before anything is sent."""
    for n in range(60):
        world.sandbox.people_reply(card.id, str(n))
    monkeypatch.setattr(type(world.sandbox), "graph_url", "https://evil.example.com/v1.0")
    before = len(world.sandbox.calls)
    with pytest.raises(Refused, match="another host"):
        world.adapter.observe(card)
    assert len(world.sandbox.calls) == before + 2


def test_no_secret_is_in_an_error(world: TeamsWorld, card: Ref) -> None:
    """Neither the token nor the client secret, whatever the vendor answers."""
    echo = " ".join(world.sandbox.tokens)
    body = f'{{"error": {{"code": "x", "message": "{echo} {"y" * 1000}"}}}}'.encode()
    world.sandbox.faults.append(Fault("status", status=400, body=body, match=lambda m, p: "/teams/" in p))
    with pytest.raises(Refused) as caught:
        world.adapter.observe(card)
    assert len(caught.value.words) < 400
    for secret in [*world.sandbox.tokens, world.sandbox.client_secret, *world.sandbox.refresh_tokens]:
        assert secret not in caught.value.words
        assert secret not in repr(world.adapter.graph.tokens)  # type: ignore[attr-defined]


def test_over_a_real_socket_all_is_the_same(world: TeamsWorld) -> None:
    """Served on loopback, and many threads share one loop thread."""
    box = world.sandbox
    raw: list[str] = []

    def app(environ: Any, start_response: Any) -> Any:
        raw.append(environ.get("REQUEST_URI") or environ.get("RAW_URI") or "")
        return box.app(environ, start_response)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        box.base_url = f"http://127.0.0.1:{server.port}"
        settings = {**world.spec.settings, "graph_url": box.graph_url, "login_url": box.login_url}
        adapter = build(type(world.spec)(**{**world.spec.__dict__, "settings": settings, "wire": Wire()}))
        card = adapter.create(world.sample(INCIDENT), Mark(INCIDENT, "abcdef1", world.clock.now())).ref
        assert card
        assert any("19%3A4a95f7d8db4c4e7fae857bcebe0623e6%40thread.tacv2" in r for r in raw)
        seen: list[Any] = []
        readers = [threading.Thread(target=lambda: seen.append(adapter.observe(card).mark)) for _ in range(6)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert seen == ["abcdef1"] * 6
        assert len([t for t in threading.enumerate() if t.name == "msgraph"]) == 1
        adapter.update(card, Update({"status": "resolved"}, dict(CARD)))
        assert adapter.observe(card).fields["status"] == "resolved"
    finally:
        server.shutdown()
    with pytest.raises(RetryLater):
        adapter.observe(card)


def test_a_loop_thread_is_made_again_after_a_fork(world: TeamsWorld, card: Ref) -> None:
    """A worker that forks per job must not wait for a thread that is not there."""
    world.adapter.observe(card)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if world.adapter.observe(card).mark == "cardmark1" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    """A process that does not call Graph does not load it."""
    import subprocess
    import sys

    code = (
        "import sys, adapters.teams.adapter; "
        "sys.exit(any(m.split('.')[0] in ('msgraph', 'httpx', 'kiota_http', 'azure') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_request_is_sent_as_the_builder_made_it(world: TeamsWorld, card: Ref) -> None:
    """Channel ids hold `:` and `@`; they arrive whole."""
    world.adapter.observe(card)
    paths = [unquote(p) for _, p in world.sandbox.calls if "/channels/" in p]
    assert all("/channels/19:4a95f7d8db4c4e7fae857bcebe0623e6@thread.tacv2" in p for p in paths)
