"""Seconds from the start to the end of a command, against a Python that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.rows import Plan, Row, in_turns, ratio_at_most

LIMITS = {
    ("--help",): 12.0,
    ("--version",): 12.0,
    ("config", "check"): 25.0,
    ("incident", "list"): 40.0,
}
"""command → most multiples of the time of `python -c pass`. If that takes 15 ms, 25 is 0.4 s and 40 is 0.6 s."""


def measure(plan: Plan) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("LOCKSTEP_")}
        environ |= {"LOCKSTEP_CONFIG": str(Path(folder) / "lockstep.toml"), "LOCKSTEP_DATA": folder}

        def took(*words: str) -> float:
            began = time.perf_counter()
            done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True, env=environ)
            found = time.perf_counter() - began
            example.append(done.stdout)
            return found

        example: list[str] = []
        took("-m", "hub.cli", "config", "example")
        (Path(folder) / "lockstep.toml").write_text(example[-1], encoding="utf-8")
        took("-m", "hub.cli", "migrate")
        rows = []
        for words, limit in LIMITS.items():
            pair = in_turns(
                plan.of(15, 7, 1),
                lambda w=words: took("-m", "hub.cli", *w),
                lambda: took("-c", "pass"),  # type: ignore[misc]
            )
            ours, bare = (median(seconds) for seconds in pair)
            rows.append(ratio_at_most(f"start: lockstep {' '.join(words)}", ours, "s", bare, limit))
        return rows
