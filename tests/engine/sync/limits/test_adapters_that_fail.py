"""An adapter's unexpected exception (a bug, a credential that cannot be sent) is treated as any other failure: it is reported on
the connection, retried with growing pauses, and ends with its cause."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import select

from hub import services
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised
from hub.domain.values import INCIDENT, Ref
from hub.ports import (
    Adapter,
    Historian,
    KnowsIds,
    LinksBack,
    PartialReads,
    Probes,
    ReadsReactions,
    Replies,
    Subscribes,
    Walks,
    links_back,
    reads_reactions,
    replies,
)
from hub.settings.environment import EnvSecrets
from hub.store.tables import metadata
from hub.store.unit import Collision, StoreUnavailable
from hub.sync.limits.guard import CALLS, OTHERS, guarded
from tests.contract.cases import WORLDS
from tests.engine.bad_input.test_vendors import SECRET, said
from tests.engine.quartet import Quartet
from tests.unit.test_logs import configured

UNCARRIED = "contains a character that an HTTP header cannot carry; set it again"


class Bug(Exception):
    """An exception that a third party's adapter may raise."""


@pytest.fixture
def q() -> Quartet:
    return Quartet()


def connection(q: Quartet, name: str) -> dict[str, Any]:
    (found,) = [c for c in services.list_connections(q.hub) if c["name"] == name]
    return found


def breaks(
    q: Quartet, monkeypatch: pytest.MonkeyPatch, name: str, *calls: str, error: Exception | None = None
) -> list[str]:
    """Makes these calls of an adapter fail with this error. Returns the list to which each call is added."""
    made: list[str] = []

    def failing(call: str) -> Callable[..., Any]:
        def fail(*args: Any, **more: Any) -> Any:
            made.append(call)
            raise error or Bug("token=hunter2hunter2")

        return fail

    for call in calls:
        monkeypatch.setattr(q.worlds[name].adapter, call, failing(call))
    return made


@pytest.mark.parametrize("name", [n for n in SECRET if n != "teams"])  # Teams sends its secret in the body of a form
def test_a_credential_that_no_header_can_carry_is_said_and_its_mending_is_enough(q: Quartet, name: str) -> None:
    incident = q.begins()
    secrets = q.worlds[name].secrets.values
    before, secrets[SECRET[name]] = secrets[SECRET[name]], ["tök→en"]
    q.others_go_on(incident, without=name)
    shown = connection(q, name)
    assert (shown["healthy"], UNCARRIED in shown["reason"]) == (False, True)
    assert UNCARRIED in q.link(incident, name)["reason"]
    assert said(q, f"connection {name}")
    assert [line.level for line in q.doctor(name) if UNCARRIED in line.what] == ["error"]
    assert "tök" not in str(shown) + str(q.doctor(name)) + str(services.show_journal(q.hub, incident))

    secrets[SECRET[name]] = before
    q.settle(900, step=5)
    assert q.behind(incident) == []
    assert connection(q, name)["healthy"]


def test_an_adapter_with_a_bug_is_said_and_called_ever_more_rarely(
    q: Quartet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    incident = q.begins()
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        made = breaks(q, patch, "statuspage", "observe", "update", "changed_since", "find", "history")
        q.others_go_on(incident, without="statuspage")
        q.settle(600, step=1)
        before = len(made)
        q.settle(600, step=1)
        assert 0 < len(made) - before < 30
        reason = "its adapter failed with Bug; see the log"
        shown = connection(q, "statuspage")
        assert (shown["healthy"], shown["reason"], q.link(incident, "statuspage")["reason"]) == (False, reason, reason)
        assert said(q, "connection statuspage")
        failures = [r for r in caplog.records if r.exc_info]
        assert len(failures) == len({r.call for r in failures}), "a traceback was logged again"  # type: ignore[attr-defined]
        assert "hunter2" not in str(shown) + str(services.show_journal(q.hub, incident))
    q.settle(900, step=5)
    assert q.behind(incident) == []


@pytest.mark.parametrize("error", [ValueError, RetryLater, Unauthorised, OutcomeUnknown, Refused])
def test_a_secret_in_the_words_of_an_adapters_error_is_nowhere(
    q: Quartet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[Exception]
) -> None:
    """The secret has no recognisable form, so only its known value can be redacted."""
    secret = EnvSecrets("statuspage", {"LOCKSTEP_STATUSPAGE_API_KEY": "correct horse battery staple"}).get("api_key")
    incident = q.begins()
    with configured():
        raised = error(f"cannot use '{secret}'")
        breaks(q, monkeypatch, "statuspage", "observe", "update", "changed_since", "find", "history", error=raised)
        q.others_go_on(incident, without="statuspage")
        q.settle(300)
    reason = q.link(incident, "statuspage")["reason"]
    log = capsys.readouterr().err
    if error is ValueError:
        assert reason == "its adapter failed with ValueError; see the log"
        assert "ValueError: cannot use '[redacted]'" in log
    else:
        assert reason == "cannot use '[redacted]'"
    pages = [
        q.api("GET", page).text for page in ("connections", "links", "failed-writes", f"incidents/{incident}/journal")
    ]
    with q.hub.store.reading() as tx:
        rows = [str(tx.execute(select(table)).all()) for table in metadata.sorted_tables]
    assert reason in "".join(pages), "the search would find it"
    assert reason in "".join(rows) or repr(reason) in "".join(rows)
    assert [where for where in (log, *pages, *rows, str(q.doctor("statuspage"))) if secret in where] == []


@pytest.mark.parametrize("call", ["create", "update"])
def test_after_a_bug_in_a_write_it_is_looked_whether_the_write_was_made(
    q: Quartet, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    incident = q.begins()
    adapter, sent = q.jira.adapter, []
    write = getattr(adapter, call)

    def writes_and_fails(*args: Any) -> Any:
        sent.append(write(*args))
        raise Bug

    with monkeypatch.context() as patch:
        patch.setattr(adapter, call, writes_and_fails)
        if call == "create":
            q.api("POST", f"incidents/{incident}/comments", json={"text": "hello"})
        else:
            services.edit_incident(q.hub, incident, {"title": "Other words"}, actor="ada")
        for _ in range(100):
            q.settle(1)
            if sent:
                break
    q.settle(300)
    assert q.behind(incident) == []
    assert len(sent) == 1
    kinds = [line["kind"] for line in services.show_journal(q.hub, incident)["items"]]
    assert "outcome_unknown" in kinds
    shown = q.jira.adapter.observe(Ref(INCIDENT, q.link(incident, "jira")["remote_id"]))
    assert len(shown.children) == (call == "create")


@pytest.mark.parametrize("name", WORLDS)
def test_behind_its_guard_an_adapter_offers_what_it_offered(name: str) -> None:
    adapter = WORLDS[name]().adapter
    behind = guarded(name, adapter)
    for protocol in (PartialReads, Historian, KnowsIds, Walks, LinksBack, Replies, ReadsReactions, Subscribes, Probes):
        assert isinstance(behind, protocol) == isinstance(adapter, protocol), protocol
    for offers in (replies, reads_reactions, links_back):
        assert offers(behind) == offers(adapter)
    assert (behind.capabilities, behind.relations) == (adapter.capabilities, adapter.relations)


@pytest.mark.parametrize("error", [Refused("no"), StoreUnavailable("away"), Collision("faster"), KeyboardInterrupt()])
def test_what_means_something_passes_the_guard_untouched(error: BaseException) -> None:
    adapter = mock.Mock(observe=mock.Mock(side_effect=error))
    with pytest.raises(type(error)) as caught:
        guarded("x", adapter).observe(Ref(INCIDENT, "1"))
    assert caught.value is error


def test_the_guard_knows_every_call_that_an_adapter_may_offer() -> None:
    """An unknown one would be hidden where protocols are checked on the class alone (Python 3.12 and later)."""
    offered = (
        Adapter,
        PartialReads,
        Historian,
        KnowsIds,
        LinksBack,
        Probes,
        ReadsReactions,
        Replies,
        Subscribes,
        Walks,
    )
    calls = {name for protocol in offered for name, value in vars(protocol).items() if inspect.isfunction(value)}
    assert {name for name in calls if not name.startswith("_")} == {*CALLS, *OTHERS}
