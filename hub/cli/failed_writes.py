"""`lockstep failed-writes ...`: writes that a vendor refused."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import Group, acting, answer, as_json, asked, before, limit, more, table

COLUMNS = {
    "id": "id", "incident_id": "incident", "connection": "connection", "op": "operation", "error_class": "class",
    "error": "error",
}  # fmt: skip


@click.group(cls=Group)
def failed_writes() -> None:
    """Writes that a vendor refused; each waits for a person to retry or discard it."""


@failed_writes.command("list", example="lockstep failed-writes list")
@limit
@before
@as_json
def list_(limit: int, before: str | None, as_json: bool) -> None:
    """Lists failed writes, newest first."""
    from hub import services

    with asked() as hub:
        found = services.list_failed_writes(hub, limit, before)

    def shown(found: dict[str, Any]) -> None:
        table(found["items"], COLUMNS, "no failed writes")
        more(found)

    answer(found, as_json, shown)


@failed_writes.command(example="lockstep failed-writes show 0f2k...")
@click.argument("id")
@as_json
def show(id: str, as_json: bool) -> None:
    """Shows a failed write: the changes, the object, and the vendor's answer."""
    from hub import services

    with asked() as hub:
        found = services.show_failed_write(hub, id)
    answer(found, as_json)


@failed_writes.command(example="lockstep failed-writes retry 0f2k...")
@click.argument("id")
@acting
@as_json
def retry(id: str, actor: str, as_json: bool) -> None:
    """Retries a failed write, with the incident's current values. Correct the cause first."""
    from hub import services

    with asked() as hub:
        done = services.retry_failed_write(hub, id, actor=actor)
    answer(done, as_json)


@failed_writes.command(example="lockstep failed-writes discard 0f2k...")
@click.argument("id")
@acting
@as_json
def discard(id: str, actor: str, as_json: bool) -> None:
    """Discards a failed write. The field stays as the vendor has it until it changes in the hub again."""
    from hub import services

    with asked() as hub:
        done = services.discard_failed_write(hub, id, actor=actor)
    answer(done, as_json)
