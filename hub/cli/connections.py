"""`lockstep connections ...`, `pause` and `resume`: where the hub may write."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import FAILED, Command, Ended, Group, acting, answer, as_json, asked, print_text, table

COLUMNS = {
    "name": "connection", "vendor": "vendor", "state": "state", "health": "health", "reason": "error",
    "open_until": "retry at", "polled_at": "last poll", "invalid_signatures": "invalid signatures", "counts": "links",
    "degraded": "limits",
}  # fmt: skip


@click.group(cls=Group)
def connections() -> None:
    """Connections: state and health."""


@connections.command("list", example="lockstep connections list --json")
@as_json
def list_(as_json: bool) -> None:
    """Lists every connection: its state, its health, its limits."""
    from hub import services

    with asked() as hub:
        found = services.list_connections(hub)

    def shown(rows: list[dict[str, Any]]) -> None:
        lines = [{**row, "health": "ok" if row["healthy"] else "failing"} for row in rows]
        table(lines, COLUMNS, "no connections: run `lockstep migrate` first")

    answer(found, as_json, shown)


def _set(name: str, state: str, actor: str, as_json: bool) -> None:
    from hub import services

    with asked() as hub:
        found = services.set_connection(hub, name, state, actor=actor)
    answer(found, as_json)


@connections.command(example="lockstep connections enable jira-payments")
@click.argument("name")
@acting
@as_json
def enable(name: str, actor: str, as_json: bool) -> None:
    """Enables a connection: the hub reads and writes there."""
    _set(name, "enabled", actor, as_json)


@connections.command(example="lockstep connections observe jira-payments")
@click.argument("name")
@acting
@as_json
def observe(name: str, actor: str, as_json: bool) -> None:
    """Sets a connection to observe mode: the hub reads and plans; the links show what it would write, and it writes
    nothing."""
    _set(name, "observe", actor, as_json)


@connections.command(example="lockstep connections disable jira-payments")
@click.argument("name")
@acting
@as_json
def disable(name: str, actor: str, as_json: bool) -> None:
    """Disables a connection: the hub neither reads nor writes there."""
    _set(name, "disabled", actor, as_json)


@connections.command(example="lockstep connections subscribe pagerduty")
@click.argument("name")
def subscribe(name: str) -> None:
    """Subscribes to the vendor's webhooks, or repairs the subscription. Needs [hub].base_url."""
    from hub.domain.errors import VendorError
    from hub.ports import Subscribes
    from hub.sync import tasks

    with asked() as hub:
        if not isinstance(hub.adapter(name), Subscribes):
            raise Ended(FAILED, f"{name}: this vendor's webhooks are set up by hand; see the README of its adapter")
        if not hub.config.base_url:
            raise Ended(
                FAILED,
                "vendors need an address for webhooks: set [hub].base_url in lockstep.toml to the address of this hub",
            )
        try:
            tasks.run(hub, "subscribe", name)
        except VendorError as e:
            raise Ended(FAILED, f"{name}: {e.words}") from None
    print_text(
        f"{name}: the webhook subscription is managed by the hub; `lockstep doctor` shows its state at the vendor"
    )


@click.command(cls=Command, example="lockstep pause")
@acting
@as_json
def pause(actor: str, as_json: bool) -> None:
    """Stops all writes to vendors until `lockstep resume`. Webhooks are still stored and objects are still read."""
    _pause(True, actor, as_json)


@click.command(cls=Command, example="lockstep resume")
@acting
@as_json
def resume(actor: str, as_json: bool) -> None:
    """Ends a pause; the writes that waited are sent."""
    _pause(False, actor, as_json)


def _pause(paused: bool, actor: str, as_json: bool) -> None:
    from hub import services

    with asked() as hub:
        now = services.set_pause(hub, paused, actor=actor)
    answer(now, as_json, lambda d: print_text("paused: nothing is written" if d["paused"] else "running"))
