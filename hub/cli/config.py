"""`lockstep config ...`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    """Checks the file and lists every error in it. Makes no network call.

    Lists each connection whose client library is not installed, with the remedy: it would be left out, and the others
    would run.
    """
    from hub.settings.load import SettingsError
    from workers.connecting import checked

    found = settings()
    try:
        connected = checked(found)
    except SettingsError as e:
        raise Ended(MISUSED, str(e)) from None
    facts = {
        "file": str(found.path),
        "connections": {name: c.vendor for name, c in found.config.connections.items()},
        "left_out": {name: str(why) for name, why in connected.left_out.items()},
    }
    answer(facts, as_json, _print_result)


def _print_result(facts: dict[str, Any]) -> None:
    print_text(f"{facts['file']} is valid: {len(facts['connections'])} connections")
    for name, why in facts["left_out"].items():
        print_text(f"connection {name} would be left out: {why}")
