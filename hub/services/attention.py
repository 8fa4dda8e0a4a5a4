"""What waits for a person: each matter with its place, what is the case, and what to do about it.

| where | what |
|---|---|
| a connection | its calls fail; webhooks with an invalid signature came; it is not configured any more |
| the inbox | authentic webhooks of which no sense could be made |
| the outbox | writes that a vendor refused |
| a link of an incident that is open or was closed lately | a word that is not mapped, a change that waits, an object that is not shown or could not be made; good to know: one that was deleted, a field that cannot be shown as it is |
| everything | the pause, drafts to approve, objects made elsewhere of which several incidents could be meant |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from hub.store import connections as connection_rows
from hub.store import figures
from hub.store import links as link_rows
from hub.store.records import Link
from hub.sync.hub import Hub

RECENT = timedelta(days=7)
"""After its last change a closed incident is not looked at any more."""
MOST = 50
"""Links that are named one by one."""


@dataclass(frozen=True)
class Attention:
    """level: "ok" (good to know; with a remedy: somebody's turn), "warn"."""

    part: str
    level: str
    what: str
    remedy: str = ""


def matters(hub: Hub) -> Iterator[Attention]:
    """Everything that waits, from the widest to the narrowest. Raises StoreUnavailable."""
    seen = figures.read(hub.store, hub.clock.now())
    with hub.store.reading() as tx:
        connections = connection_rows.every(tx)
        left = link_rows.left_behind(tx, hub.config.connections)
        drafts, proposed = figures.undecided(tx)
        with_problems = link_rows.with_problems(tx, hub.clock.now() - RECENT, MOST + 1)
        noted = link_rows.noted(tx, hub.clock.now() - RECENT, MOST)
    if seen["paused"][()]:
        yield Attention("pause", "warn", "nothing is written anywhere", "end it with `lockstep resume`")
    if drafts:
        words, remedy = f"{drafts} drafts wait for an approval", "see them with `lockstep link list --state held`"
        yield Attention("drafts", "ok", words, remedy)
    if proposed:
        words = f"{proposed} objects made there wait for somebody to say whose they are"
        yield Attention("unmatched", "ok", words, "see them with `lockstep unmatched list --state proposed`")
    for name in hub.config.connections:
        if name in hub.left_out:
            yield Attention(
                f"connection {name}", "warn", f"it is left out: {hub.left_out[name].what}", hub.left_out[name].remedy
            )
        row = connections.get(name)
        if row is not None and row.failures:
            words = f"{row.failures} calls in a row have failed: {row.reason or 'no reason was given'}"
            yield Attention(
                f"connection {name}", "warn", words, "see what `lockstep doctor --part connections` says of it"
            )
        elif row is not None and row.reason:
            yield Attention(
                f"connection {name}", "warn", row.reason, "see what `lockstep doctor --part connections` says of it"
            )
        if row is not None and row.invalid_signatures:
            yield Attention(
                f"connection {name}",
                "ok",
                f"{row.invalid_signatures} webhooks with an invalid signature were refused so far",
            )
        if dead := int(seen["inbox_failed"].get((name,), 0)):
            words = f"{dead} authentic webhooks could not be read"
            remedy = (
                "see why with `lockstep inbox list --state failed`; take one in again with `lockstep inbox replay ID`"
            )
            yield Attention(f"inbox of {name}", "warn", words, remedy)
        if dead := int(seen["outbox_failed"].get((name,), 0)):
            words, remedy = (
                f"{dead} writes were refused",
                "see why with `lockstep failed-writes list`; then `lockstep replay ID`",
            )
            yield Attention(f"outbox of {name}", "warn", words, remedy)
    for name, count in left.items():
        words = f"it shows {count} objects of open incidents, and is not in the configuration any more: nothing is kept in step there"
        remedy = "give it back its name and place in lockstep.toml; or let go of them: `lockstep link list`, `lockstep link unlink ID`"
        yield Attention(f"connection {name}", "warn", words, remedy)
    for number, link in with_problems[:MOST]:
        yield from _link(f"INC-{number} in {link.connection}", link)
    for number, link in noted:
        yield from _noted(f"INC-{number} in {link.connection}", link)
    if len(with_problems) > MOST:
        yield Attention("links", "warn", "there are more like these", "see them all with `lockstep link list`")


def _link(part: str, link: Link) -> Iterator[Attention]:
    again = f"`lockstep link look {link.id}`"
    for name, word in sorted(link.frozen.items()):
        remedy = f"add a pair for it to [vocabulary.{link.connection}].{name} in lockstep.toml, restart, then {again}"
        yield Attention(part, "warn", f"{name} shows {word!r}, which is not mapped; this field is left alone", remedy)
    for name in sorted(link.held):
        remedy = f"decide with `lockstep link review {link.id} {name} take` or `keep`"
        yield Attention(part, "warn", f"{name} was changed there and waits for a decision", remedy)
    for name in sorted(set(link.refused) - {"*"}):
        why = link.reason or "the vendor gave no reason"
        yield Attention(
            part, "warn", f"{name} was refused: {why}", "correct the cause, then `lockstep replay` its letter"
        )
    if link.state == "frozen" and link.remote_id is None:
        why = link.reason or "the vendor gave no reason"
        yield Attention(
            part, "warn", f"it could not be made: {why}", "correct the cause, then `lockstep replay` its letter"
        )
    elif link.state == "unreachable":
        remedy = (
            f"if it is deleted: `lockstep link unlink {link.id}`; if not, let the hub's account see it, then {again}"
        )
        yield Attention(part, "warn", link.reason or "the vendor does not show it", remedy)


def _noted(part: str, link: Link) -> Iterator[Attention]:
    if link.state == "gone":  # no remedy: nobody need do anything
        words = f"it was {link.reason or 'deleted'}; nothing is written there any more; `lockstep link relink` ties another object"
        yield Attention(part, "ok", words)
        return
    for name, words in sorted(link.remarks.items()):
        yield Attention(part, "ok", f"{name}: {words}")
