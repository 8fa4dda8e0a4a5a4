"""`lockstep incident ...`: read and change incidents."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import (
    MISUSED,
    Ended,
    Group,
    acting,
    answer,
    as_json,
    asked,
    before,
    limit,
    more,
    print_text,
    record,
    table,
)

COLUMNS = {"number": "incident", "status": "status", "severity": "severity", "title": "title", "updated_at": "changed"}


@click.group(cls=Group)
def incident() -> None:
    """Incidents: read, open, change, comment, merge."""


@incident.command("list", example="lockstep incident list --open")
@click.option("--open/--closed", "is_open", default=None, help="Only open ones, or only closed ones.")
@limit
@before
@as_json
def list_(is_open: bool | None, limit: int, before: str | None, as_json: bool) -> None:
    """Lists incidents, newest first."""
    from hub import services

    with asked() as hub:
        found = services.list_incidents(hub, open=is_open, limit=limit, before=before)
    answer(found, as_json, _shown)


def _shown(found: dict[str, Any]) -> None:
    table([{**one, **one.get("fields", {})} for one in found["items"]], COLUMNS, "no incidents")
    more(found)


@incident.command(example="lockstep incident show INC-12")
@click.argument("ref")
@as_json
def show(ref: str, as_json: bool) -> None:
    """Shows an incident: its fields and the source of each value, its links, comments and updates."""
    from hub import services

    with asked() as hub:
        found = services.show_incident(hub, ref)
    answer(found, as_json)


@incident.command(
    "open", example='lockstep incident open --title "Checkout is slow" --severity SEV2 --service checkout'
)
@click.option("--title", required=True)
@click.option("--severity", default="SEV3", show_default=True)
@click.option("--description", default="")
@click.option("--service", "affected", multiple=True, help="An id from [services]; may be repeated.")
@click.option("--dedup-key", help="While an incident with this key is open, no second one is opened.")
@acting
@as_json
def open_(
    title: str,
    severity: str,
    description: str,
    affected: tuple[str, ...],
    dedup_key: str | None,
    actor: str,
    as_json: bool,
) -> None:
    """Opens an incident in the hub; the policy decides to which connections it is copied."""
    from hub import services

    fields = {"title": title, "severity": severity, "description": description, "services": list(affected)}
    with asked() as hub:
        made = services.open_incident(hub, fields, actor=actor, dedup_key=dedup_key)
    answer(made, as_json)


@incident.command("set", example="lockstep incident set INC-12 status=monitoring severity=SEV3")
@click.argument("ref")
@click.argument("changes", nargs=-1, required=True, metavar="FIELD=VALUE...")
@acting
@as_json
def set_(ref: str, changes: tuple[str, ...], actor: str, as_json: bool) -> None:
    """Changes fields. A set replaces the previous one, its elements separated by commas: tags=db,eu. A map too:
    impacts=shop:degraded."""
    from hub import services

    with asked() as hub:
        changed = services.edit_incident(hub, ref, fields_from(changes), actor=actor)
    answer(changed, as_json)


def fields_from(changes: tuple[str, ...]) -> dict[str, Any]:
    """Fields from `field=value` arguments. Ends with exit code 2 for an argument without `=`, or an unknown field."""
    from hub.domain.incident import FIELDS
    from hub.domain.values import INCIDENT

    fields: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        spec = FIELDS[INCIDENT].get(name)
        if not equals or spec is None:
            raise Ended(MISUSED, f"{change!r}: write FIELD=VALUE; the fields are {', '.join(FIELDS[INCIDENT])}")
        elements = [e.strip() for e in value.split(",") if e.strip()]
        if spec.many == "map":
            if any(":" not in e for e in elements):
                raise Ended(MISUSED, f"{change!r}: {name} is a map; write {name}=key:value,key:value")
            fields[name] = {k.strip(): v.strip() for k, v in (e.split(":", 1) for e in elements)}
        elif spec.many == "set":
            fields[name] = elements
        else:
            fields[name] = value if value or spec.default == "" else None
    return fields


@incident.command(example='lockstep incident comment INC-12 "Rolled back to 4.2.1"')
@click.argument("ref")
@click.argument("text")
@acting
@as_json
def comment(ref: str, text: str, actor: str, as_json: bool) -> None:
    """Adds an internal comment, which is copied to the internal tools."""
    from hub import services

    with asked() as hub:
        added = services.add_comment(hub, ref, text, actor=actor)
    answer(added, as_json)


@incident.command(example='lockstep incident update INC-12 "A fix is being rolled out."')
@click.argument("ref")
@click.argument("text")
@click.option("--audience", default="public", show_default=True, help="public, or internal (never shown to customers).")
@acting
@as_json
def update(ref: str, text: str, audience: str, actor: str, as_json: bool) -> None:
    """Drafts an update for an audience. It waits for `lockstep incident publish`."""
    from hub import services

    with asked() as hub:
        drafted = services.draft_update(hub, ref, text, audience=audience, actor=actor)
    answer(drafted, as_json)


@incident.command(example="lockstep incident publish 0f2k... --hash 9b1c...")
@click.argument("update_id")
@click.option("--hash", "content_hash", required=True, help="The `content_hash` of the update that was read.")
@acting
@as_json
def publish(update_id: str, content_hash: str, actor: str, as_json: bool) -> None:
    """Approves a drafted update if its text still has this hash."""
    from hub import services

    with asked() as hub:
        approved = services.approve_update(hub, update_id, content_hash, actor=actor)
    answer(approved, as_json)


@incident.command(example="lockstep incident merge INC-13 INC-12")
@click.argument("loser")
@click.argument("winner")
@acting
@as_json
def merge(loser: str, winner: str, actor: str, as_json: bool) -> None:
    """Merges LOSER into WINNER, whose links stay the primary ones in every connection."""
    from hub import services

    with asked() as hub:
        merged = services.merge_incidents(hub, loser, winner, actor=actor)
    answer(merged, as_json)


@incident.command(example="lockstep incident journal INC-12 --json")
@click.argument("ref")
@as_json
def journal(ref: str, as_json: bool) -> None:
    """Shows every change, oldest first, and verifies the hash chain (exit code 1 if it does not verify)."""
    from hub import services

    with asked() as hub:
        found = services.show_journal(hub, ref)
    answer(found, as_json, _journal)
    if not found["verified"]:
        raise Ended(1, f"the journal does not verify: {found['broken']}")


def _journal(found: dict[str, Any]) -> None:
    for line in found["items"]:
        print_text(
            f"{line.get('seq', '')!s:>4}  {line.get('at', '')}  {line.get('kind', '')}  {line.get('source') or ''}"
        )
        if line.get("data"):
            record(line["data"], indent=6)
    print_text("the journal verifies" if found["verified"] else f"THE JOURNAL DOES NOT VERIFY: {found['broken']}")
