"""`lockstep link ...`: links between incidents and objects at the vendors."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import CONFLICT, Ended, Group, acting, answer, as_json, asked, before, limit, more, record, table

COLUMNS = {
    "id": "link", "incident_id": "incident", "connection": "connection", "slot": "slot", "kind": "kind",
    "state": "state", "remote_id": "remote id", "lag": "lag (s)", "reason": "reason",
}  # fmt: skip


@click.group(cls=Group)
def link() -> None:
    """Links: an incident's objects at the vendors."""


@link.command("list", example="lockstep link list --state held")
@click.argument("ref", required=False)
@click.option("--state", type=click.Choice(["pending", "live", "held", "frozen", "unreachable", "gone", "unlinked"]))
@limit
@before
@as_json
def list_(ref: str | None, state: str | None, limit: int, before: str | None, as_json: bool) -> None:
    """Lists links, of one incident (REF) or of all."""
    from hub import services

    with asked() as hub:
        found = services.list_links(hub, ref, state, limit, before)

    def shown(found: dict[str, Any]) -> None:
        table(found["items"], COLUMNS, "no links")
        more(found)

    answer(found, as_json, shown)


@link.command(example="lockstep link show 0f2k...")
@click.argument("link_id", metavar="LINK")
@as_json
def show(link_id: str, as_json: bool) -> None:
    """Shows a link; if it waits for approval, also its draft and the draft's hash."""
    from hub import services

    with asked() as hub:
        found = services.show_link(hub, link_id)
    answer(found, as_json)


@link.command(example="lockstep link approve 0f2k... --hash 9b1c...")
@click.argument("link_id", metavar="LINK")
@click.option(
    "--hash",
    "content_hash",
    help="The `content_hash` of the draft that was read. Without it, the draft is shown and approved after you confirm.",
)
@acting
@as_json
def approve(link_id: str, content_hash: str | None, actor: str, as_json: bool) -> None:
    """Publishes the draft of a held link. Exit code 4 (conflict) if it changed since it was read."""
    from hub import services

    with asked() as hub:
        if content_hash is None:
            found = services.show_link(hub, link_id)
            if not found["content_hash"]:
                raise Ended(CONFLICT, f"the link {link_id} has no draft that waits for an approval")
            record(found["draft"])
            click.confirm("Publish this?", abort=True)
            content_hash = str(found["content_hash"])
        approved = services.approve_link(hub, link_id, content_hash, actor=actor)
    answer(approved, as_json)


@link.command(example="lockstep link unlink 0f2k...")
@click.argument("link_id", metavar="LINK")
@acting
@as_json
def unlink(link_id: str, actor: str, as_json: bool) -> None:
    """Ends the link: the object stays at the vendor and is not kept in step any more. Only `relink` links it again."""
    from hub import services

    with asked() as hub:
        ended = services.unlink(hub, link_id, actor=actor)
    answer(ended, as_json)


@link.command(example="lockstep link relink INC-12 jira-payments primary 10077")
@click.argument("ref")
@click.argument("connection")
@click.argument("slot")
@click.argument("remote_id")
@acting
@as_json
def relink(ref: str, connection: str, slot: str, remote_id: str, actor: str, as_json: bool) -> None:
    """Links an object that exists at the vendor to an incident. REMOTE_ID: its id in the vendor's API (in Jira the number, not the key)."""
    from hub import services

    with asked() as hub:
        tied = services.relink(hub, ref, connection, slot, remote_id, actor=actor)
    answer(tied, as_json)


@link.command(example="lockstep link review 0f2k... status take")
@click.argument("link_id", metavar="LINK")
@click.argument("field")
@click.argument("decision", type=click.Choice(["take", "keep"]))
@acting
@as_json
def review(link_id: str, field: str, decision: str, actor: str, as_json: bool) -> None:
    """Decides a held field: `take` the vendor's value, or `keep` the hub's and write it back."""
    from hub import services

    with asked() as hub:
        decided = services.review_field(hub, link_id, field, decision, actor=actor)
    answer(decided, as_json)


@link.command(example="lockstep link refresh 0f2k...")
@click.argument("link_id", metavar="LINK")
@as_json
def refresh(link_id: str, as_json: bool) -> None:
    """Reads the object at the vendor again, now."""
    from hub import services

    with asked() as hub:
        refreshed = services.refresh_link(hub, link_id)
    answer(refreshed, as_json)
