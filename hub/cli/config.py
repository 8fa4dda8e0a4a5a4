"""`lockstep config ...`"""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.base import MISUSED, Ended, Group, answer, as_json, print_text, settings

EXAMPLE = Path(__file__).resolve().parent.parent / "example.toml"


@click.group(cls=Group)
def config() -> None:
    """The configuration file."""


@config.command(example="lockstep config example > lockstep.toml")
def example() -> None:
    """Prints a sample file with comments, to start from."""
    click.echo(EXAMPLE.read_text(encoding="utf-8"), nl=False)


@config.command(example="lockstep config check")
@as_json
def check(as_json: bool) -> None:
    """Checks the file, and lists every error in it. Makes no network call."""
    from hub.clock import SystemClock, SystemIds
    from hub.settings.load import SettingsError
    from hub.store.unit import Store
    from workers.bootstrap import build_hub
    from workers.queue import NoWake

    found = settings()
    try:
        hub = build_hub(found, wake=NoWake(), store=Store("sqlite://"), clock=SystemClock(), ids=SystemIds())
    except SettingsError as e:
        raise Ended(MISUSED, str(e)) from None
    facts = {"file": str(found.path), "connections": {n: c.vendor for n, c in hub.config.connections.items()}}
    answer(facts, as_json, lambda f: print_text(f"{f['file']} is valid: {len(f['connections'])} connections"))
