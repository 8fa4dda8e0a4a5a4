"""Processor time of a running hub by part, read from `/proc/<pid>/stat`."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PARTS = {"web": "web", "worker": "workers", "timer": "timer", "redis": "Redis", "valkey": "Redis"}
"""Word of a command line → the part of the hub that it starts; a part's child processes belong to it."""
SUPERVISOR = "supervisor"
LOAD = "stand-ins and load"
OTHERS = "database server and others"


@dataclass(frozen=True)
class Process:
    """seconds: processor time (user and system) of the process and of its ended children that were waited for."""

    pid: int
    parent: int
    command: tuple[str, ...]
    seconds: float


def processes() -> Iterator[Process]:
    """All processes of this machine. One that ends while it is read is left out."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (OSError, IndexError):
            continue
        yield Process(int(entry.name), int(stat[1]), tuple(command), sum(map(int, stat[11:15])) / TICKS)


def by_part(root: int) -> dict[str, float]:
    """Processor seconds so far of the process `root` (`lockstep up`) and all below it, by part.

    The difference between two calls counts a process that ended in between as well: its parent has inherited its time.
    """
    below: dict[int, list[Process]] = defaultdict(list)
    found: Counter[str] = Counter()
    for process in processes():
        below[process.parent].append(process)
        if process.pid == root:
            found[SUPERVISOR] += process.seconds

    def add(pid: int, part: str) -> None:
        for child in below[pid]:
            its = part if part != SUPERVISOR else part_of(child.command)
            found[its] += child.seconds
            add(child.pid, its)

    add(root, SUPERVISOR)
    return dict(found)


def part_of(command: tuple[str, ...]) -> str:
    """The part that a child of `lockstep up` is."""
    for word in command:
        name = Path(word).name
        for beginning, part in PARTS.items():
            if name.startswith(beginning):
                return part
    return SUPERVISOR


class Meter:
    """Measures processor time from its creation until `shares` is called."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._before = self._now()
        self._began = time.monotonic()

    def _now(self) -> Counter[str]:
        """Processor seconds so far. OTHERS: everything on the machine that belongs to no part."""
        found = Counter(by_part(self._root))
        found[LOAD] = time.process_time()  # type: ignore[assignment]
        busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _idle, _iowait, irq, softirq = map(int, busy[:7])
        found[OTHERS] = (user + nice + system + irq + softirq) / TICKS - sum(found.values())  # type: ignore[assignment]
        return found

    def shares(self) -> str:
        """Each part's share of all cores, the largest first."""
        now, whole = self._now(), (time.monotonic() - self._began) * (os.cpu_count() or 1)
        shares = {part: (now[part] - self._before[part]) / whole for part in now}
        ordered = sorted(shares.items(), key=lambda one: -one[1])
        return ", ".join([*(f"{part} {share:.0%}" for part, share in ordered), f"idle {1 - sum(shares.values()):.0%}"])
