"""Resident memory of a worker that has called all four vendors."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.rows import Plan, Row, at_most
from tests.bench.town import Town


def measure(plan: Plan) -> list[Row]:
    town = Town(delay=0.0)
    with town.alive():
        town.subscribed()
        count = plan.of(20, 10, 2)
        town.open(count)
        town.settled(count, 120)
        time.sleep(plan.of(5, 2, 0))
        assert town.deployment.process is not None
        memory = [resident(pid) for pid in children(town.deployment.process.pid, b"worker")]
    return [at_most("memory of a worker that talks to all four", max(memory), "MiB", 150.0)]


def children(parent: int, word: bytes) -> list[int]:
    """Process ids of the children whose command has this word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            above = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError, ValueError):
            continue
        if above == parent and word in command:
            found.append(int(entry.name))
    return found


def resident(pid: int) -> float:
    """Resident memory, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no resident memory")
