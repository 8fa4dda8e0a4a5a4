"""Vendors that hang, talk nonsense, or cannot be reached. The others go on; the one in trouble comes into step afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from tests.engine.faults.conftest import Parts
from tests.engine.faults.rig import Rig
from tests.engine.patience import until

End = Callable[[Rig], None]

TROUBLE = 12.0
"""Seconds: longer than a call's time-out."""


def test_a_vendor_accepts_and_never_answers(parts: Parts, recovered: End) -> None:
    with parts.rig(gated=["jira"]) as rig:
        rig.calm()
        rig.gates["jira"].set("silent")
        rig.more()
        rig.storm.until(lambda: rig.storm.begun_without("jira"), 90)  # it costs only its own connection
        threading.Event().wait(TROUBLE)
        assert rig.gates["jira"].spoilt > 0
        rig.gates["jira"].set("pass")
        recovered(rig)


@pytest.mark.parametrize("vendor", ["jira", "pagerduty", "teams", "statuspage"])
def test_a_vendor_acts_and_answers_nonsense_with_200(parts: Parts, recovered: End, vendor: str) -> None:
    with parts.rig(gated=[vendor]) as rig:
        rig.calm()
        rig.gates[vendor].set("garbage")
        rig.more()
        until(lambda: rig.gates[vendor].spoilt > 0, 60)
        threading.Event().wait(3)
        rig.gates[vendor].set("pass")
        recovered(rig)


@pytest.mark.parametrize(
    "place", ["https://127.0.0.1:{port}", "https://jira.invalid"], ids=["no TLS there", "no such name"]
)
def test_a_vendor_cannot_be_reached_until_its_address_is_mended(parts: Parts, recovered: End, place: str) -> None:
    with parts.rig(wrong={"jira": place}) as rig:
        rig.start_without("jira")
        rig.mend()
        for word in ("web", "timer", "worker"):
            for pid in rig.house.parts(word):
                os.kill(pid, signal.SIGTERM)
        recovered(rig)
