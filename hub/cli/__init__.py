"""The command line. Its commands call the same services as the web (`hub.services`).

Modules here import little at their top, so that `lockstep --help` is fast; a command imports what it needs when it
runs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from hub import __version__
from hub.cli.base import FAILED, Command, Group, print_text

COMMANDS = {
    "up": "hub.cli.running",
    "web": "hub.cli.running",
    "worker": "hub.cli.running",
    "timer": "hub.cli.running",
    "migrate": "hub.cli.running",
    "demo": "hub.cli.running",
    "doctor": "hub.cli.doctor",
    "config": "hub.cli.config",
    "connections": "hub.cli.connections",
    "pause": "hub.cli.connections",
    "resume": "hub.cli.connections",
    "incident": "hub.cli.incident",
    "link": "hub.cli.link",
    "inbox": "hub.cli.inbox",
    "failed-writes": "hub.cli.failed_writes",
    "unmatched": "hub.cli.unmatched",
    "token": "hub.cli.token",
}
"""Name of a command → module with a function of that name (`_` for `-`)."""


class Root(Group):
    """Imports a command's module only when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: Command | Group = getattr(import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        return command


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="lockstep")
def cli() -> None:
    """Keeps the tools of an incident in step.

    The configuration is lockstep.toml in the current folder, or the file that LOCKSTEP_CONFIG names.
    """


def main() -> None:
    """The console script `lockstep`."""
    try:
        sys.exit(cli(prog_name="lockstep"))
    except OSError as e:
        _end_without_output(e)


def _end_without_output(error: OSError) -> NoReturn:
    """Ends after output failed, for example on a full disk. Stdout becomes the null device, because Python flushes the
    buffer at its exit and would fail again."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print_text(": ".join(str(part) for part in (error.filename, error.strerror or error) if part), err=True)
    sys.exit(FAILED)
