"""Finds processes and kills them."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def kill(pid: int) -> None:
    """kill -9."""
    os.kill(pid, signal.SIGKILL)


def running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def owner(port: int, among: list[int]) -> int | None:
    """The process that holds the client's end of the TCP connection from `port`."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].split(":")[1], 16) == port and words[9] != "0":
            for pid in among:
                if f"socket:[{words[9]}]" in _files(pid):
                    return pid
    return None


def _files(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            found.add(os.readlink(entry))
        except OSError:
            continue
    return found
