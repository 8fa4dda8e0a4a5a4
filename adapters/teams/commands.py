"""Commands that people type to the outgoing webhook: `@Lockstep ack`.

Teams signs the raw body (HMAC-SHA256, keyed with the base64-decoded security token) and waits 5 s for the response,
which is therefore made from the hub's own rows. The signature covers no time, so an activity whose timestamp differs
from the hub's clock by more than `SKEW` is refused, and its id is the delivery id. People are identified by
`from.aadObjectId`, never by name. (MicrosoftDocs/msteams-docs, outgoing webhooks; format: Bot Framework activity.)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from adapters.teams import wire
from adapters.teams.markup import to_markdown
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import INCIDENT, Actor, Command, Hint, Json, Ref, Reply, Request
from hub.ports import Ask, Secrets

SKEW = timedelta(minutes=5)

VERBS: Mapping[str, str] = {
    "ack": "ack", "acknowledge": "ack", "resolve": "resolve", "resolved": "resolve", "sev": "sev", "severity": "sev",
    "status": "status", "note": "note", "who": "who", "help": "help",
}  # fmt: skip
"""Typed word → the command."""

HELP = (
    "I understand, in the thread of an incident:\n\n"
    "- `ack` – acknowledge the incident\n"
    "- `resolve` – resolve the incident\n"
    "- `sev 2` – set its severity\n"
    "- `status monitoring` – set its status\n"
    "- `note …` – add a note to the incident, in every tool\n"
    "- `who` – show who has which role\n"
    "- `help` – show this text\n\n"
    "Elsewhere, `who INC-12` shows who has which role."
)

_QUIET = frozenset({"who", "help"})
_GLUED = re.compile(r"^sev([1-5])$")


def is_signed(request: Request) -> bool:
    """Whether the request is a command: its form distinguishes it from a change notification."""
    return request.headers.get("authorization", "").upper().startswith("HMAC ")


def activity_of(body: bytes) -> dict[str, Any]:
    """Raises Unusable."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise Unusable("the activity is not JSON") from None
    if not isinstance(data, dict):
        raise Unusable("the activity is not a JSON object")
    return data


def _inner(data: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def authenticate(request: Request, secrets: Secrets) -> str:
    """The delivery id. Any of the valid security tokens may have signed it. Raises InvalidSignature."""
    try:
        given = base64.b64decode(request.headers["authorization"][5:].strip(), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSignature("the HMAC is not base64") from None
    keys = []
    for secret in secrets.all("outgoing_webhook_secret"):
        try:
            keys.append(base64.b64decode(secret, validate=True))
        except (binascii.Error, ValueError):
            continue
    if not keys:
        raise InvalidSignature("the secret outgoing_webhook_secret is not set")
    if not any(hmac.compare_digest(hmac.new(key, request.body, hashlib.sha256).digest(), given) for key in keys):
        raise InvalidSignature("wrong HMAC")
    try:
        activity = activity_of(request.body)
    except Unusable as exc:
        # Authentic, but without a time it cannot be distinguished from a replay. The signature is valid, so it is kept.
        return "teams-" + hashlib.sha256(request.body + str(exc).encode()).hexdigest()[:40]
    sent_at = wire.when(activity.get("timestamp"))
    if sent_at is None or abs(request.received_at - sent_at) > SKEW:
        raise InvalidSignature("the activity's timestamp is missing, or too far from the hub's clock")
    conversation = str(_inner(activity, "conversation").get("id") or "")
    named = json.dumps([conversation, str(activity.get("id") or "")])
    if not activity.get("id"):
        named = request.body.decode("latin-1")
    return "teams-" + hashlib.sha256(named.encode()).hexdigest()[:40]


def _actor(activity: Mapping[str, Json]) -> Actor:
    sender = _inner(activity, "from")
    name, account = sender.get("name"), sender.get("aadObjectId")
    return Actor(name=name if isinstance(name, str) else None, account=account if isinstance(account, str) else None)


def thread_of(activity: Mapping[str, Json]) -> Ref | None:
    """The root message of the thread in which the command was written (`19:…@thread.tacv2;messageid=161…`)."""
    found = re.search(r";messageid=(\d{1,20})(?:;|$)", str(_inner(activity, "conversation").get("id") or ""))
    return Ref(INCIDENT, found[1]) if found else None


def command_of(activity: Mapping[str, Json]) -> Command | None:
    """The command's verb and argument; None for an unknown verb."""
    text = activity.get("text")
    words = wire.command_text(text if isinstance(text, str) else "")
    first, _, rest = words.partition(" ") if " " in words.split("\n")[0] else words.partition("\n")
    glued = _GLUED.match(first.lower())
    if glued:
        first, rest = "sev", f"{glued[1]} {rest}"
    verb = VERBS.get(first.lower().rstrip(":,.!"))
    return Command(verb, rest.strip(), _actor(activity)) if verb else None


def hints(request: Request) -> Sequence[Hint]:
    """One hint; questions and unknown verbs are marked as ignored. Raises Unusable."""
    activity = activity_of(request.body)
    if activity.get("type") != "message":
        return (Hint(event=str(activity.get("type"))[:60], ignored="not a message"),)
    command = command_of(activity)
    actor = _actor(activity)
    if command is None:
        return (Hint(event="command", actor=actor, ignored="unknown command; answered with the help text"),)
    if command.verb in _QUIET:
        return (Hint(event="command", actor=actor, ignored=f"{command.verb}: answered in place"),)
    if actor.account is None:
        return (Hint(event="command", ignored="the activity names no account"),)
    ref = thread_of(activity)
    if ref is None:
        return (Hint(event="command", actor=actor, ignored="a command outside any thread"),)
    return (Hint(event="command", ref=ref, actor=actor, command=command),)


def _say(text: str) -> Reply:
    return Reply(200, json.dumps({"type": "message", "text": text}, ensure_ascii=False).encode("utf-8", "replace"))


def _who(incident: Mapping[str, Any]) -> str:
    lines = [f"- {to_markdown(str(role))}: {to_markdown(str(who))}" for role, who in _pairs(incident.get("roles"))]
    assigned = [to_markdown(str(p)) for p in incident.get("assignees") or ()]
    lines += [f"- assigned: {', '.join(assigned)}"] if assigned else []
    number = to_markdown(str(incident.get("number") or "This incident"))
    return f"{number}:\n\n" + "\n".join(lines) if lines else f"{number}: nobody is assigned yet."


def _pairs(roles: Json) -> list[tuple[str, str]]:
    return sorted((str(k), str(v)) for k, v in roles.items()) if isinstance(roles, Mapping) else []


DONE: Mapping[str, str] = {
    "ack": "your acknowledgement is recorded",
    "resolve": "recorded as resolved",
    "sev": "the severity is recorded",
    "status": "the status is recorded",
    "note": "your note is sent to every tool",
}


def reply(request: Request, ask: Ask) -> Reply | None:
    """The response that Teams shows under the person's message, made from the hub's own rows only."""
    try:
        activity = activity_of(request.body)
    except Unusable:
        return None
    if activity.get("type") != "message":
        return None
    command = command_of(activity)
    if command is None or command.verb == "help":
        return _say(HELP if command else f"Unknown command.\n\n{HELP}")
    thread = thread_of(activity)
    if command.verb == "who":
        incident = ask.incident(thread, command.argument)
        return _say(_who(incident) if incident else "No incident belongs to this thread. Name one: `who INC-12`.")
    incident = ask.incident(thread, "") if thread else None
    if incident is None:
        return _say("No incident belongs to this thread. Write the command in the thread of the incident's card.")
    if command.actor is None or command.actor.account is None:
        return _say("Teams sent no account for you, so the command was not run.")
    no = ask.may(command.actor, command)
    number = to_markdown(str(incident.get("number") or "This incident"))
    if no is not None:
        return _say(f"{number}: {to_markdown(no)}")
    return _say(f"{number}: {DONE[command.verb]}. It shows on the card in a moment.")
