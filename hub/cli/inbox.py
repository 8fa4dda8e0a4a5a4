"""`lockstep inbox ...`: webhooks as received."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import Group, answer, as_json, asked, before, limit, more, table

COLUMNS = {
    "id": "id", "received_at": "received", "connection": "connection", "state": "state", "reason": "reason",
}  # fmt: skip


@click.group(cls=Group)
def inbox() -> None:
    """Webhooks as received."""


@inbox.command("list", example="lockstep inbox list --state failed")
@click.option("--state", type=click.Choice(["new", "done", "ignored", "failed"]))
@limit
@before
@as_json
def list_(state: str | None, limit: int, before: str | None, as_json: bool) -> None:
    """Lists webhooks, newest first."""
    from hub import services

    with asked() as hub:
        found = services.list_inbox(hub, state, limit, before)

    def shown(found: dict[str, Any]) -> None:
        table(found["items"], COLUMNS, "no webhooks")
        more(found)

    answer(found, as_json, shown)


@inbox.command(example="lockstep inbox show 0f2k...")
@click.argument("id")
@as_json
def show(id: str, as_json: bool) -> None:
    """Shows a webhook: the headers that were stored, its body, its state and reason."""
    from hub import services

    with asked() as hub:
        found = services.show_inbox(hub, id)
    answer(found, as_json)


@inbox.command(example="lockstep inbox retry 0f2k...")
@click.argument("id")
@as_json
def retry(id: str, as_json: bool) -> None:
    """Processes a webhook again, for example after a mapping was corrected."""
    from hub import services

    with asked() as hub:
        found = services.retry_inbox(hub, id)
    answer(found, as_json)
