"""What came in (`inbox`), and what could not go out (`dead`, `replay`)."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import Command, Group, acting, answer, as_json, asked, before, limit, more, table

INBOX = {"id": "id", "received_at": "received", "connection": "connection", "state": "state", "reason": "why"}
DEAD = {
    "id": "id",
    "incident_id": "incident",
    "connection": "connection",
    "op": "what",
    "error_class": "class",
    "error": "why",
}


@click.group(cls=Group)
def inbox() -> None:
    """Webhooks as they came in."""


@inbox.command("list", example="lockstep inbox list --state dead")
@click.option("--state", type=click.Choice(["new", "done", "ignored", "dead"]))
@limit
@before
@as_json
def list_(state: str | None, limit: int, before: str | None, as_json: bool) -> None:
    """Incoming requests, newest first."""
    from hub.sync import desk

    with asked() as hub:
        found = desk.list_inbox(hub, state, limit, before)
    answer(found, as_json, lambda found: _rows(found, INBOX, "no requests"))


@inbox.command(example="lockstep inbox show 0f2k...")
@click.argument("id")
@as_json
def show(id: str, as_json: bool) -> None:
    """One request: headers that matter, body, and what became of it."""
    from hub.sync import desk

    with asked() as hub:
        found = desk.show_inbox(hub, id)
    answer(found, as_json)


@inbox.command("replay", example="lockstep inbox replay 0f2k...")
@click.argument("id")
@as_json
def again(id: str, as_json: bool) -> None:
    """Takes a request in again, for example after a mapping was corrected."""
    from hub.sync import desk

    with asked() as hub:
        found = desk.replay_inbox(hub, id)
    answer(found, as_json)


@click.group(cls=Group)
def dead() -> None:
    """Writes that a system refused; they wait for a person, in order for each link."""


@dead.command("list", example="lockstep dead list")
@limit
@before
@as_json
def dead_list(limit: int, before: str | None, as_json: bool) -> None:
    """Dead letters, newest first."""
    from hub.sync import desk

    with asked() as hub:
        found = desk.list_dead(hub, limit, before)
    answer(found, as_json, lambda found: _rows(found, DEAD, "no dead letters"))


@dead.command(example="lockstep dead discard 0f2k...")
@click.argument("id")
@acting
@as_json
def discard(id: str, actor: str, as_json: bool) -> None:
    """Gives up this write; the link goes on without it."""
    from hub.sync import desk

    with asked() as hub:
        done = desk.discard(hub, id, actor=actor)
    answer(done, as_json)


@click.command(cls=Command, example="lockstep replay 0f2k...")
@click.argument("id")
@acting
@as_json
def replay(id: str, actor: str, as_json: bool) -> None:
    """Tries a dead letter again (an id of `lockstep dead list`)."""
    from hub.sync import desk

    with asked() as hub:
        done = desk.replay(hub, id, actor=actor)
    answer(done, as_json)


def _rows(found: dict[str, Any], columns: dict[str, str], empty: str) -> None:
    table(found["items"], columns, empty)
    more(found)
