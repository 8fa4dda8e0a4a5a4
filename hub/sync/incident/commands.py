"""Chat commands, applied to a case by one table: verb → function. The reply was given before, in the webhook's response
and from the database (`hub.ports.Replies`); here the change is made, once."""

from __future__ import annotations

from collections.abc import Callable

from hub.domain.incident import STATUSES
from hub.domain.values import Command, Observation
from hub.ports import reads_reactions
from hub.store import applied
from hub.store.records import Link
from hub.sync.incident.case import Case


def _status(case: Case, source: str, actor: str | None, word: str) -> None:
    case.edit({"status": word}, source, actor, rule="command")


def _severity(case: Case, source: str, actor: str | None, argument: str) -> None:
    level = severity(argument)
    if level is not None:
        case.edit({"severity": level}, source, actor, rule="command")


def _note(case: Case, source: str, actor: str | None, argument: str) -> None:
    if argument.strip():
        case.add_comment(argument.strip(), origin="hub", author=actor)


def _acknowledge(case: Case, source: str, actor: str | None, argument: str) -> None:
    if case.incident.fields.get("status") == "triggered":  # an acknowledgement never moves a later status backwards
        _status(case, source, actor, "acknowledged")


def _named_status(case: Case, source: str, actor: str | None, argument: str) -> None:
    word = argument.strip().lower()
    if word in STATUSES:
        _status(case, source, actor, word)


COMMANDS: dict[str, Callable[[Case, str, str | None, str], None]] = {
    "ack": _acknowledge,
    "resolve": lambda case, source, actor, argument: _status(case, source, actor, "resolved"),
    "status": _named_status,
    "sev": _severity,
    "note": _note,
}
"""Verbs that change something. `who` and `help` only answer; `confirm` and `unconfirm` belong to receipts."""


def severity(argument: str) -> str | None:
    """ "2", "sev2", "SEV 2" → "SEV2"; None for anything else."""
    digits = argument.strip().upper().removeprefix("SEV").strip()
    return f"SEV{digits}" if digits in {"1", "2", "3", "4", "5"} else None


def take_command(case: Case, connection: str, command: Command) -> None:
    """Applies one command. It counts as a change made in that connection, at this moment."""
    actor = command.actor
    name = None
    if actor is not None:
        name = case.hub.person(connection, actor.account) or actor.name or actor.email or actor.account
    case.record("command", connection, verb=command.verb, argument=command.argument, actor=name)
    action = COMMANDS.get(command.verb)
    if action is not None:
        action(case, connection, name, command.argument)


def take_reactions(case: Case, link: Link, seen: Observation) -> None:
    """Applies the reactions to our message that mean a command, each once."""
    adapter = case.hub.adapter(link.connection)
    if not reads_reactions(adapter):
        return
    for key, command in adapter.reactions(seen):
        if applied.first_time(case.tx, link.connection, key, case.now):
            take_command(case, link.connection, command)
