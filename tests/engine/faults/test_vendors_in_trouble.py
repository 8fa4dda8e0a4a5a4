"""Vendors that hang, answer garbage, or cannot be reached. The others go on; the failing one is brought into step afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.faults.conftest import Parts
from tests.engine.faults.rig import Rig
from tests.engine.patience import until

End = Callable[[Rig], None]

PROBLEM = 12.0
"""Duration of a fault in seconds: longer than a call's time-out."""


VENDORS = ["jira", "pagerduty", "teams", "statuspage"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_accepts_and_never_answers(parts: Parts, recovered: End, vendor: str) -> None:
    with parts.rig(gated=[vendor]) as rig:
        rig.calm()
        rig.gates[vendor].set("silent")
        rig.more()
        if vendor != "pagerduty":  # these incidents begin in PagerDuty
            rig.storm.until(lambda: rig.storm.begun_without(vendor), 90)  # the fault affects only its own connection
        until(lambda: rig.gates[vendor].spoilt > 0, 60)
        threading.Event().wait(PROBLEM)
        rig.gates[vendor].set("pass")
        recovered(rig)


@pytest.mark.parametrize("vendor", VENDORS)
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
    "place",
    [
        {"wrong": {"jira": "https://127.0.0.1:{port}"}},
        {"untrusted": ["jira"]},
        {"wrong": {"jira": "https://jira.invalid"}},
    ],
    ids=["no TLS there", "a certificate that nobody trusts", "no such name"],
)
def test_a_vendor_cannot_be_reached_until_its_address_is_mended(
    parts: Parts, recovered: End, place: dict[str, Any]
) -> None:
    with parts.rig(**place) as rig:
        rig.start_without("jira")
        assert not rig.vendors.jira.issues, "nothing may be said to a vendor that cannot be trusted"
        rig.mend()
        for word in ("web", "timer", "worker"):
            for pid in rig.deployment.parts(word):
                os.kill(pid, signal.SIGTERM)
        recovered(rig)
