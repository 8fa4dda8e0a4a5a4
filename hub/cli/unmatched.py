"""`lockstep unmatched ...`: objects that people made at the vendors, and that are linked to no incident yet."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import Group, acting, answer, as_json, asked, before, limit, more, table

COLUMNS = {
    "id": "id", "connection": "connection", "remote_id": "remote id", "state": "state", "reason": "reason",
    "candidates": "candidates", "first_seen": "first seen",
}  # fmt: skip


@click.group(cls=Group)
def unmatched() -> None:
    """Objects made at a vendor that are linked to no incident yet."""


@unmatched.command("list", example="lockstep unmatched list --state proposed")
@click.option("--state", type=click.Choice(["waiting", "linked", "opened", "proposed", "ignored"]))
@limit
@before
@as_json
def list_(state: str | None, limit: int, before: str | None, as_json: bool) -> None:
    """Lists unmatched objects, newest first, and the reason of each one's state. Those `proposed` wait for a person."""
    from hub import services

    with asked() as hub:
        found = services.list_unmatched(hub, state, limit, before)

    def shown(found: dict[str, Any]) -> None:
        table(found["items"], COLUMNS, "no unmatched objects")
        more(found)

    answer(found, as_json, shown)


@unmatched.command(example="lockstep unmatched link 0f2k... INC-12")
@click.argument("id")
@click.argument("incident")
@acting
@as_json
def link(id: str, incident: str, actor: str, as_json: bool) -> None:
    """Links the object to an incident; both are kept in step from now on."""
    from hub import services

    with asked() as hub:
        linked = services.link_unmatched(hub, id, incident, actor=actor)
    answer(linked, as_json)


@unmatched.command("open", example="lockstep unmatched open 0f2k...")
@click.argument("id")
@acting
@as_json
def open_(id: str, actor: str, as_json: bool) -> None:
    """Opens a new incident from the object. Exit code 4 (conflict) if that was done already."""
    from hub import services

    with asked() as hub:
        opened = services.open_unmatched(hub, id, actor=actor)
    answer(opened, as_json)


@unmatched.command(example="lockstep unmatched ignore 0f2k...")
@click.argument("id")
@acting
@as_json
def ignore(id: str, actor: str, as_json: bool) -> None:
    """Ignores the object. Exit code 4 (conflict) if that was done already."""
    from hub import services

    with asked() as hub:
        ignored = services.ignore_unmatched(hub, id, actor=actor)
    answer(ignored, as_json)
