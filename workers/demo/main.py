"""Plays the demo: `main(once, as_json)`; the exit status is 0 when all four systems show the same incident in the end."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from hub.domain.values import Json
from workers.demo import check
from workers.demo.deployment import Deployment, NotUp
from workers.demo.script import Play
from workers.demo.vendors import Postman, Vendors, free_port


def main(*, once: bool = False, as_json: bool = False) -> int:
    """once: play, check, end. Else the hub and the stand-ins stay up until Ctrl-C. as_json: one JSON object on stdout."""
    say: Callable[[str], None] = (lambda line: print(line, file=sys.stderr, flush=True)) if as_json else _print
    folder = Path(tempfile.mkdtemp(prefix="lockstep-demo-"))
    vendors = Vendors()
    deployment = Deployment(vendors, folder, free_port())
    deployment.prepare()
    say("starting the hub (web, two workers, timer, embedded Redis, SQLite) and four stand-in vendors on loopback ...")
    ended = 1
    try:
        postman = Postman(vendors)
        with vendors.served(), deployment.up(), postman.at_work():
            play = Play(deployment, vendors, postman, say)
            verdict = play.run()
            if as_json:
                print(json.dumps(_shape(verdict, play)))
            else:
                _table(verdict)
            ended = 1 if verdict.problems else 0
            if not once and not as_json:
                _look_around(deployment, vendors)
    except NotUp as e:
        say(str(e))
    except KeyboardInterrupt:
        ended = 130
    finally:
        if ended in (0, 130):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"the hub's log and database are kept in {folder}")
    return ended


def _print(line: str) -> None:
    print(line, flush=True)


def _shape(verdict: check.Verdict, play: Play) -> dict[str, Json]:
    return {
        "ok": not verdict.problems,
        "systems": [row.shape() for row in verdict.rows],
        "problems": verdict.problems,
        "acts": play.acts,
        "webhooks": dict(play.postman.counts),
        "journal_lines": play.journal_lines,
    }


def _table(verdict: check.Verdict) -> None:
    head = ("system", "object", "status", "severity", "comments", "lag")
    lines = [
        (r.system, r.object, str(r.status), _word(r.severity), str(len(r.comments)), f"{r.lag:.1f} s")
        for r in verdict.rows
    ]
    widths = [max(len(row[i]) for row in (head, *lines)) for i in range(len(head))]
    print()
    for row in (head, tuple("-" * w for w in widths), *lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()
    if verdict.problems:
        print(f"NOT IN STEP: {len(verdict.problems)} problems")
        for problem in verdict.problems:
            print(f"  - {problem}")
    else:
        print("In step: the four show the same incident; nothing was made twice; no edit was lost.")


def _word(value: Json) -> str:
    return " ".join(str(v) for v in value if v is not None) if isinstance(value, list) else str(value)


def _look_around(deployment: Deployment, vendors: Vendors) -> None:
    print(f"\nThe hub is still up: {deployment.base}/health/ready   API: {deployment.base}/api/openapi.json")
    print(f"Its configuration and data: {deployment.folder}")
    for name in vendors.ports:
        print(f"  stand-in {name}: {vendors.url(name)}")
    print("Ctrl-C ends it.")
    threading.Event().wait()
