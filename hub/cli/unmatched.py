"""`lockstep unmatched objects ...`: objects that people made in the other systems, and that belong to no incident yet."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import Group, acting, answer, as_json, asked, before, limit, more, table

COLUMNS = {
    "id": "id", "connection": "connection", "remote_id": "there", "state": "state", "reason": "why",
    "candidates": "could be", "first_seen": "since",
}  # fmt: skip


@click.group(cls=Group)
def unmatched_objects() -> None:
    """Objects made elsewhere that nobody here knows yet."""


@unmatched_objects.command("list", example="lockstep unmatched list --state proposed")
@click.option("--state", type=click.Choice(["waiting", "linked", "opened", "proposed", "ignored"]))
@limit
@before
@as_json
def list_(state: str | None, limit: int, before: str | None, as_json: bool) -> None:
    """Unmatched objects, and why each waits."""
    from hub import services

    with asked() as hub:
        found = services.list_unmatched(hub, state, limit, before)

    def shown(found: dict[str, Any]) -> None:
        table(found["items"], COLUMNS, "no unmatched objects")
        more(found)

    answer(found, as_json, shown)


@unmatched_objects.command(example="lockstep unmatched objects settle 0f2k... INC-12")
@click.argument("id")
@click.argument("incident", metavar="INCIDENT|new|ignore")
@acting
@as_json
def settle(id: str, incident: str, actor: str, as_json: bool) -> None:
    """Says what it is: the object of an incident, a `new` incident, or none (`ignore`)."""
    from hub import services

    with asked() as hub:
        settled = services.settle_unmatched(hub, id, incident, actor=actor)
    answer(settled, as_json)
