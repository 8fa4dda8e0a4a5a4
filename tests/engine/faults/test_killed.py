"""Processes that are killed during their work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from hub.store import leases
from tests.engine.faults.conftest import Parts
from tests.engine.faults.processes import kill, owner, running
from tests.engine.faults.rig import Rig
from tests.engine.patience import until
from workers.demo.deployment import children

End = Callable[[Rig], None]


def test_nothing_is_broken(parts: Parts, recovered: End) -> None:
    """The time without a fault, to compare with all others."""
    with parts.rig() as rig:
        rig.calm()
        rig.more()
        recovered(rig)


def test_a_worker_is_killed_while_a_vendor_has_acted_and_not_answered(parts: Parts, recovered: End) -> None:
    with parts.rig(gated=["jira"]) as rig:
        rig.calm()
        gate = rig.gates["jira"]
        gate.match = lambda method, path: method == "POST" and path.endswith("/issue")  # during a create
        gate.set("hold")
        rig.more()
        workers = rig.deployment.parts("worker")
        until(lambda: any(owner(port, workers) for port in list(gate.held)), 30)
        victim = next(pid for port in list(gate.held) if (pid := owner(port, workers)))
        kill(victim)
        gate.set("pass")
        until(lambda: len(rig.deployment.parts("worker")) == 2 and not running(victim), 20)
        recovered(rig)


def test_the_timer_is_killed(parts: Parts, recovered: End) -> None:
    with parts.rig() as rig:
        rig.calm()
        (victim,) = rig.deployment.parts("timer")
        kill(victim)
        rig.more()
        recovered(rig)
        assert victim not in rig.deployment.parts("timer")


@pytest.mark.quick_fault
def test_the_webs_processes_are_killed_with_a_request_half_read(parts: Parts, recovered: End) -> None:
    with parts.rig() as rig:
        rig.calm()
        (main,) = rig.deployment.parts("web")
        with socket.create_connection(("127.0.0.1", rig.deployment.port)) as half:
            half.sendall(b"POST /in/jira HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            rig.more()
            for pid, _ in children(main):
                kill(pid)
        until(rig.ready, 20)
        kill(main)
        rig.storm.edit()
        until(lambda: main not in rig.deployment.parts("web") and rig.ready(), 30)
        recovered(rig)


def test_two_timers_run_and_the_one_that_sweeps_is_killed(parts: Parts, recovered: End) -> None:
    with parts.rig() as rig:
        second = subprocess.Popen([sys.executable, "-m", "hub.cli", "timer"], env=rig.deployment.environ)
        try:
            rig.calm()
            rig.more()

            def sweeping() -> int:
                hub = rig.storm.hub
                with hub.store.reading() as tx:
                    owner = leases.holder(tx, "timer", hub.clock.now())
                return int(owner.split(":")[1]) if owner else 0

            first = sweeping()
            assert first in {second.pid, *rig.deployment.parts("timer")}
            kill(first)
            until(lambda: sweeping() not in (0, first), 10)
            recovered(rig)
        finally:
            second.terminate()
            second.wait(20)


def test_one_part_after_another_is_restarted_under_load(parts: Parts, recovered: End) -> None:
    with parts.rig() as rig:
        rig.calm()
        rig.more()
        for word in ("web", "timer", "worker"):
            for pid in rig.deployment.parts(word):
                os.kill(pid, signal.SIGTERM)
                until(lambda pid=pid: not running(pid), 40)
                many = 2 if word == "worker" else 1
                until(lambda word=word, many=many: len(rig.deployment.parts(word)) == many, 20)
                rig.storm.edit()
        until(rig.ready, 30)
        recovered(rig)
