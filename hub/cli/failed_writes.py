"""What came in (`inbox`), and what could not go out (`dead`, `replay`)."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import Command, Group, acting, answer, as_json, asked, before, limit, more, table

INBOX = {"id": "id", "received_at": "received", "connection": "connection", "state": "state", "reason": "why"}
FAILED_ROWS = {
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


@inbox.command("list", example="lockstep inbox list --state failed")
@click.option("--state", type=click.Choice(["new", "done", "ignored", "failed"]))
@limit
@before
@as_json
def list_(state: str | None, limit: int, before: str | None, as_json: bool) -> None:
    """Incoming requests, newest first."""
    from hub import services

    with asked() as hub:
        found = services.list_inbox(hub, state, limit, before)
    answer(found, as_json, lambda found: _rows(found, INBOX, "no requests"))


@inbox.command(example="lockstep inbox show 0f2k...")
@click.argument("id")
@as_json
def show(id: str, as_json: bool) -> None:
    """One request: headers that matter, body, and what became of it."""
    from hub import services

    with asked() as hub:
        found = services.show_inbox(hub, id)
    answer(found, as_json)


@inbox.command("replay", example="lockstep inbox replay 0f2k...")
@click.argument("id")
@as_json
def again(id: str, as_json: bool) -> None:
    """Takes a request in again, for example after a mapping was corrected."""
    from hub import services

    with asked() as hub:
        found = services.retry_inbox(hub, id)
    answer(found, as_json)


@click.group(cls=Group)
def dead() -> None:
    """Writes that a system refused; they wait for a person, in order for each link."""


@dead.command("list", example="lockstep failed-writes list")
@limit
@before
@as_json
def failed_writes_list(limit: int, before: str | None, as_json: bool) -> None:
    """Failed writes, newest first."""
    from hub import services

    with asked() as hub:
        found = services.list_failed_writes(hub, limit, before)
    answer(found, as_json, lambda found: _rows(found, FAILED_ROWS, "no failed writes"))


@dead.command(example="lockstep dead discard 0f2k...")
@click.argument("id")
@acting
@as_json
def discard(id: str, actor: str, as_json: bool) -> None:
    """Gives up this write; the link goes on without it."""
    from hub import services

    with asked() as hub:
        done = services.discard(hub, id, actor=actor)
    answer(done, as_json)


@click.command(cls=Command, example="lockstep replay 0f2k...")
@click.argument("id")
@acting
@as_json
def replay(id: str, actor: str, as_json: bool) -> None:
    """Tries a failed write again (an id of `lockstep failed-writes list`)."""
    from hub import services

    with asked() as hub:
        done = services.replay(hub, id, actor=actor)
    answer(done, as_json)


def _rows(found: dict[str, Any], columns: dict[str, str], empty: str) -> None:
    table(found["items"], columns, empty)
    more(found)
