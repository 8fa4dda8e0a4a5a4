"""What waits for a person: where it is, what the problem is, and what to do about it.

| where | what |
|---|---|
| a connection | its calls fail; webhooks with an invalid signature were refused; it was taken out of the configuration |
| the inbox | authentic webhooks that could not be read |
| the outbox | failed writes |
| a link of an incident that is open or was changed lately | a word that is not mapped, a change that waits, an object that is not shown or could not be created; for information: one that was deleted, a field that cannot be shown as it is |
| everything | the pause, drafts to approve, unmatched objects that fit several incidents |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from hub.store import connections as connection_rows
from hub.store import figures
from hub.store import links as link_rows
from hub.store.records import Link, incident_name
from hub.sync.hub import Hub

RECENT = timedelta(days=7)
"""Incidents that closed and have not changed for this long are left out."""
MOST = 50
"""Links that are listed one by one; if there are more, one line says so."""

NO_REASON = "the vendor gave no reason"
RETRY = "correct the cause, then run `lockstep failed-writes retry ID` (`lockstep failed-writes list` shows the ids)"
DOCTOR = "run `lockstep doctor --part connections` to see what the vendor answers"


@dataclass(frozen=True)
class Attention:
    """level: "warn" (a problem) or "ok" (for information; with a remedy, a decision that waits for a person)."""

    part: str
    level: str
    what: str
    remedy: str = ""


def matters(hub: Hub) -> Iterator[Attention]:
    """Everything that waits: first what concerns the whole hub, then connections, then links. Raises
    StoreUnavailable."""
    seen = figures.read(hub.store, hub.clock.now())
    with hub.store.reading() as tx:
        connections = connection_rows.every(tx)
        left = link_rows.left_behind(tx, hub.config.connections)
        drafts, proposed = figures.undecided(tx)
        with_problems = link_rows.with_problems(tx, hub.clock.now() - RECENT, MOST + 1)
        noted = link_rows.noted(tx, hub.clock.now() - RECENT, MOST)
    if seen["paused"][()]:
        yield Attention("pause", "warn", "the hub is paused: nothing is written to any vendor", "run `lockstep resume`")
    if drafts:
        words = f"{drafts} draft(s) wait for an approval"
        remedy = "see them with `lockstep link list --state held`, then run `lockstep link approve ID`"
        yield Attention("drafts", "ok", words, remedy)
    if proposed:
        words = f"{proposed} unmatched object(s) fit several incidents"
        remedy = (
            "see them with `lockstep unmatched list --state proposed`, then run `lockstep unmatched link ID INCIDENT`, "
            "`lockstep unmatched open ID` or `lockstep unmatched ignore ID`"
        )
        yield Attention("unmatched", "ok", words, remedy)
    for name in hub.config.connections:
        part, row = f"connection {name}", connections.get(name)
        if name in hub.left_out:
            yield Attention(part, "warn", f"it is left out: {hub.left_out[name].what}", hub.left_out[name].remedy)
        if row is not None and row.failures:
            words = f"the last {row.failures} call(s) failed: {row.reason or 'no reason was given'}"
            yield Attention(part, "warn", words, DOCTOR)
        elif row is not None and row.reason:
            yield Attention(part, "warn", row.reason, DOCTOR)
        if row is not None and row.invalid_signatures:
            words = f"{row.invalid_signatures} webhook(s) with an invalid signature were refused so far"
            yield Attention(part, "ok", words)
        if failed := int(seen["inbox_failed"].get((name,), 0)):
            words = f"{failed} authentic webhook(s) could not be read"
            remedy = "see why with `lockstep inbox list --state failed`; correct the cause, then run `lockstep inbox retry ID`"
            yield Attention(f"inbox of {name}", "warn", words, remedy)
        if failed := int(seen["outbox_failed"].get((name,), 0)):
            words = f"the vendor refused {failed} write(s)"
            remedy = (
                "see why with `lockstep failed-writes list`; correct the cause, then run `lockstep failed-writes retry ID` "
                "or `lockstep failed-writes discard ID`"
            )
            yield Attention(f"outbox of {name}", "warn", words, remedy)
    for name, count in left.items():
        words = (
            f"{count} object(s) of open incidents are not kept in step: the connection is not in lockstep.toml any more"
        )
        remedy = "add the connection to lockstep.toml again, or run `lockstep link list` and `lockstep link unlink ID` for each"
        yield Attention(f"connection {name}", "warn", words, remedy)
    for number, link in with_problems[:MOST]:
        yield from _link(f"{incident_name(number)} in {link.connection}", link)
    for number, link in noted:
        yield from _noted(f"{incident_name(number)} in {link.connection}", link)
    if len(with_problems) > MOST:
        words = f"more than {MOST} links wait for a person; these are the newest"
        yield Attention("links", "warn", words, "see all of them with `lockstep link list`")


def _link(part: str, link: Link) -> Iterator[Attention]:
    refresh = f"run `lockstep link refresh {link.id}`"
    for name, word in sorted(link.frozen.items()):
        words = f"{name} shows {word!r}, which is not mapped; the hub leaves this field alone"
        remedy = f"add a pair for it to [vocabulary.{link.connection}].{name} in lockstep.toml, restart, then {refresh}"
        yield Attention(part, "warn", words, remedy)
    for name in sorted(link.held):
        remedy = f"run `lockstep link review {link.id} {name} take` to take the vendor's value, or `keep` to keep ours"
        yield Attention(part, "warn", f"{name} was changed at the vendor and waits for a decision", remedy)
    for name in sorted(set(link.refused) - {"*"}):
        yield Attention(part, "warn", f"the vendor refused to write {name}: {link.reason or NO_REASON}", RETRY)
    if link.state == "frozen" and link.remote_id is None:
        words = f"the vendor refused to create the object: {link.reason or NO_REASON}"
        yield Attention(part, "warn", words, RETRY)
    elif link.state == "unreachable":
        remedy = (
            f"if the object was deleted, run `lockstep link unlink {link.id}`; if not, grant the hub's account permission "
            f"to read it, then {refresh}"
        )
        yield Attention(part, "warn", link.reason or "the vendor does not show the object", remedy)


def _noted(part: str, link: Link) -> Iterator[Attention]:
    if link.state == "gone":  # no remedy: nothing needs to be done
        words = f"the object was {link.reason or 'deleted'}; the hub writes nothing there; `lockstep link relink` links another object"
        yield Attention(part, "ok", words)
        return
    for name, words in sorted(link.reasons.items()):
        yield Attention(part, "ok", f"{name}: {words}")
