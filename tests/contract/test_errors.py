"""Any fault of an exchange raises the right one of the four vendor errors, after one attempt, without a secret in it. Each exchange of
each call is disturbed in turn, each in its own world.

| what goes wrong | in a read | in a write |
|---|---|---|
| 429 | retry later, throttled, after the vendor's delay | the same |
| 401 | unauthorised | unauthorised |
| 5xx, time-out, a connection that breaks | retry later | outcome unknown |
| no connection | retry later | retry later: nothing was sent |
| a malformed answer | retry later | outcome unknown |

If an earlier exchange of the same call has already changed something, the outcome is unknown.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from hub.domain.errors import OutcomeUnknown, RetryLater, Unauthorised, VendorError
from hub.ports import Probes
from tests.contract.cases import WORLDS, speaks
from tests.contract.line import Answer, Exchange, Line, cut, garbled, lost, saying, unreachable
from tests.contract.ops import Op, answered, each_op, prepared, rehearsed
from tests.contract.world import World

How = Callable[[World, Callable[[], Answer]], Answer]


def _secrets(world: World) -> list[str]:
    return [value for values in world.secrets.values.values() for value in values]


def _discreet(world: World, error: BaseException, log: str) -> None:
    """Asserts that no secret is in anything shown to a person or written to a log."""
    told = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(vars(error)) + log
    told += repr(world.adapter)
    for secret in _secrets(world):
        assert secret not in told


def _spoilt(
    name: str, op: Op, number: int, how: How, caplog: pytest.LogCaptureFixture
) -> tuple[World, VendorError | None, Any]:
    """(world, the error or None, the result) of a call whose exchange of that number is disturbed once."""
    world, call, line = prepared(name, op)
    line.spoil(number, how)
    caplog.clear()
    result, error = None, None
    with caplog.at_level(logging.DEBUG):
        try:
            result = call()
        except VendorError as raised:
            error = raised
            _discreet(world, raised, caplog.text)
    wrong = line.kept[number]
    after = [(e.method, e.url, e.body) for e in line.kept[number + 1 :]]
    assert (wrong.method, wrong.url, wrong.body) not in after, "nothing is tried again by itself"
    return world, error, result


def _happened(exchanges: list[Exchange], number: int) -> bool:
    """Whether an earlier exchange of the same call changed something."""
    return any(e.writes for e in exchanges[:number])


def _is(error: VendorError | None, *wanted: type[VendorError]) -> bool:
    return type(error) in wanted


@each_op()
@pytest.mark.parametrize("header", ["7", None], ids=["with Retry-After", "without"])
def test_too_fast_is_retry_later_with_the_vendors_delay(
    name: str, op: Op, header: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    exchanges = rehearsed(name, op)
    assert exchanges, "a call that talks to nobody"
    how = saying(429, b"{}", Retry_After=header) if header else saying(429)
    for number in range(len(exchanges)):
        _, error, _ = _spoilt(name, op, number, how, caplog)
        if _happened(exchanges, number):
            assert error is None or _is(error, OutcomeUnknown) or op.again
            continue
        assert isinstance(error, RetryLater), f"exchange {number}: {error!r}"
        assert error.throttled
        assert error.delay == (7.0 if header else None)


@each_op()
def test_a_credential_that_is_not_taken_any_more_is_unauthorised(
    name: str, op: Op, caplog: pytest.LogCaptureFixture
) -> None:
    world, call, _ = prepared(name, op)
    world.forbid()
    with caplog.at_level(logging.DEBUG), pytest.raises(Unauthorised) as raised:
        call()
    _discreet(world, raised.value, caplog.text)


@each_op()
def test_a_missing_credential_is_named_and_nothing_is_sent(name: str, op: Op) -> None:
    world = WORLDS[name]()
    call = op.prepare(world)
    world.secrets.values.clear()
    world.clock.advance(24 * 3600)  # a token that is valid for an hour has expired
    world.sandbox.calls.clear()
    with pytest.raises(Unauthorised, match="secret"):
        call()
    assert not world.sandbox.calls


@each_op()
@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_of_theirs_leaves_a_write_unknown_and_a_read_for_later(
    name: str, op: Op, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    _undecided(name, op, saying(status, b"<html>Bad gateway</html>"), caplog)


@each_op()
@pytest.mark.parametrize("how", [lost, cut], ids=["lost", "cut"])
def test_a_time_out_leaves_a_write_unknown_and_a_read_for_later(
    name: str, op: Op, how: How, caplog: pytest.LogCaptureFixture
) -> None:
    _undecided(name, op, how, caplog)


def _undecided(name: str, op: Op, how: How, caplog: pytest.LogCaptureFixture) -> None:
    exchanges = rehearsed(name, op)
    for number, exchange in enumerate(exchanges):
        _, error, _ = _spoilt(name, op, number, how, caplog)
        if exchange.writes:
            assert _is(error, OutcomeUnknown), f"exchange {number}: {error!r}"
        elif _happened(exchanges, number):
            assert error is None or _is(error, OutcomeUnknown) or op.again, f"exchange {number}: {error!r}"
        else:
            assert _is(error, RetryLater), f"exchange {number}: {error!r}"
            assert isinstance(error, RetryLater)
            assert not error.throttled


@each_op()
def test_no_connection_is_retry_later(name: str, op: Op, caplog: pytest.LogCaptureFixture) -> None:
    exchanges = rehearsed(name, op)
    for number in range(len(exchanges)):
        _, error, _ = _spoilt(name, op, number, unreachable, caplog)
        if _happened(exchanges, number):
            assert error is None or _is(error, OutcomeUnknown) or op.again, f"exchange {number}: {error!r}"
        else:
            assert _is(error, RetryLater), f"exchange {number}: {error!r}"


NONSENSE = {
    "a page of HTML": b"<!doctype html><title>Maintenance</title>",
    "nothing": b"",
    "null": b"null",
    "a list of numbers": b"[1, 2, 3]",
    "a text": b'"ok"',
    "another object": b'{"message": "welcome", "errors": null}',
    "half an object": b'{"id": "1", "fields": {"sta',
    "too deep": b"[" * 100_000,
}


@each_op()
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_an_answer_without_sense_is_an_error_of_ours_and_no_other_exception(
    name: str, op: Op, nonsense: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If the adapter does not need the answer (of a write that is answered briefly, or of a read that is not used), the call may
    still succeed: then its result is the usual one."""
    exchanges = rehearsed(name, op)
    for number, exchange in enumerate(exchanges):
        _, error, result = _spoilt(name, op, number, garbled(NONSENSE[nonsense]), caplog)
        place = f"exchange {number}, {exchange.method} {exchange.path}: {error!r} {result!r}"
        if exchange.writes or _happened(exchanges, number):
            assert error is None or _is(error, OutcomeUnknown) or (op.again and _is(error, RetryLater)), place
        elif error is None:
            assert _alike(result, answered(name, op)), place
        else:
            assert _is(error, RetryLater), place


def _alike(one: Any, other: Any) -> bool:
    """Whether two results are equal except for the mark, which differs in each world."""
    return re.sub(r"c0ntract[0-9]{6}", "#", repr(one)) == re.sub(r"c0ntract[0-9]{6}", "#", repr(other))


DELAYS = [
    ("7", 7.0),
    ("0", 0.0),
    ("-3", 0.0),
    ("1.5", 1.5),
    ("Mon, 05 Jan 2099 09:00:00 GMT", True),
    ("Mon, 05 Jan 1999 09:00:00 GMT", 0.0),
    ("soon", None),
    ("inf", None),
    ("nan", None),
    ("1e999", None),
    ("", None),
]
"""`Retry-After` → the delay (True: some time from now). An invalid time gives no delay: the hub chooses its own."""


@each_op(lambda op: op.name in ("first poll", "create incident"))
@pytest.mark.parametrize(("said", "delay"), DELAYS)
def test_a_delay_is_a_finite_number_of_seconds(
    name: str, op: Op, said: str, delay: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    number = next((n for n, e in enumerate(rehearsed(name, op)) if e.writes), 0)
    _, error, _ = _spoilt(name, op, number, saying(429, Retry_After=said), caplog)
    assert isinstance(error, RetryLater)
    if delay is True:
        assert error.delay is not None
        assert 0 < error.delay < float("inf")
    else:
        assert error.delay == delay


@pytest.mark.parametrize("how", ["nonsense", "null", "a fault", "a time-out", "forbidden"])
@pytest.mark.parametrize("name", [n for n in WORLDS if speaks(n, Probes)])
def test_doctor_finds_something_to_say_whatever_goes_wrong(name: str, how: str) -> None:
    """A list of findings, or one of the four errors, whichever of its requests fails."""
    ways: dict[str, How] = {
        "nonsense": garbled(b"<html>"),
        "null": garbled(b"null"),
        "a fault": saying(500),
        "a time-out": lost,
        "forbidden": saying(403, b"{}"),
    }
    for number in range(10):
        world = WORLDS[name]()
        assert isinstance(world.adapter, Probes)
        line = Line(world)
        line.spoil(number, ways[how])
        try:
            findings = world.adapter.examine()
        except VendorError as error:
            _discreet(world, error, "")
            continue
        assert findings
        for finding in findings:
            assert finding.level in ("ok", "warn", "error")
            assert finding.what
            assert not any(secret in repr(finding) for secret in _secrets(world))
        if len(line.kept) <= number:
            return  # it makes no further request
