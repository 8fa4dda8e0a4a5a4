"""`lockstep config ...`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli.base import MISUSED, Ended, Group, answer, as_json, say, settings

EXAMPLE = Path(__file__).resolve().parent.parent / "example.toml"


@click.group(cls=Group)
def config() -> None:
    """The configuration file."""


@config.command(example="lockstep config example > lockstep.toml")
def example() -> None:
    """Prints a sample with remarks, to start from."""
    click.echo(EXAMPLE.read_text(encoding="utf-8"), nl=False)


@config.command(example="lockstep config check")
@as_json
def check(as_json: bool) -> None:
    """Says whether the file can be used, and everything that is wrong with it. Talks to nobody.

    A connection whose client library is not installed is named with the remedy: it would be left out, and the others run.
    """
    from adapters.http import Wire
    from hub.clock import SystemClock, SystemIds
    from hub.settings.environment import vault_key_problem
    from hub.settings.load import SettingsError
    from workers.connecting import NoNotebook, connect

    found = settings()
    try:
        if problem := vault_key_problem(found.vault_key):
            raise SettingsError([problem])
        connected = connect(found, SystemClock(), SystemIds(), Wire(), found.secrets, lambda name: NoNotebook())
    except SettingsError as e:
        raise Ended(MISUSED, str(e)) from None
    facts = {
        "file": str(found.path),
        "connections": {name: c.vendor for name, c in found.config.connections.items()},
        "left_out": {name: str(why) for name, why in connected.left_out.items()},
    }
    answer(facts, as_json, _can_be_used)


def _can_be_used(facts: dict[str, Any]) -> None:
    say(f"{facts['file']} can be used: {len(facts['connections'])} connections")
    for name, why in facts["left_out"].items():
        say(f"connection {name} would be left out: {why}")
