"""Intake: a webhook is verified, stored and answered, and later read for hints.

`accept` runs in the web process: one committed row, no vendor call, and nothing parsed beyond what the signature needs.
`drain` runs in a worker: a webhook is only a hint that an object changed, and the object is then read from the vendor.
Commands and deletions cannot be read from the vendor later. They are applied from the webhook itself, in a transaction
that also stores that they were (`store.applied`), so they take effect once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import COMMENT, INCIDENT, Actor, Command, Hint, Ref, Reply, Request
from hub.ports import Secrets, replies
from hub.store import connections as connection_rows
from hub.store import inbox as inbox_rows
from hub.store import incidents as incident_rows
from hub.store import links as link_rows
from hub.store.records import Inbox, Link, save
from hub.store.unit import StoreUnavailable, Tx
from hub.sync.hub import LEFT_OUT_AGAIN, Hub
from hub.sync.inbound.refresh import earliest
from hub.sync.inbound.unmatched import note_unmatched
from hub.sync.incident.commands import take_command
from hub.sync.incident.commit import open_case
from hub.sync.incident.observe import gone

log = logging.getLogger(__name__)

BATCH = 50
SECRET_LENGTH = 8
"""Characters. Shorter secrets are not removed from a stored request: they prove nothing, and their characters occur in
other words too."""
NOT_KEPT = "(not kept)"
TRIES = 5
"""Attempts at a row whose reading raises an unexpected exception, before its state becomes "failed"."""


# --- in the web process ---------------------------------------------------------------------------------------------


class SecretMissing(Exception):
    """A webhook cannot be verified, because none of the secrets that prove its sender is set. The message names them."""


def accept(hub: Hub, connection: str, request: Request) -> Reply:
    """Stores one webhook and returns the answer. Raises InvalidSignature, SecretMissing, NoSuchConnection
    (ConnectionLeftOut), StoreUnavailable."""
    adapter = hub.adapter(connection)
    if replies(adapter):
        shake = adapter.handshake(request)
        if shake is not None:
            return shake
    secrets = RecordedSecrets(hub.secrets(connection))
    try:
        delivery_id = adapter.authenticate(request, secrets)
    except InvalidSignature:
        secrets.refresh()  # another process may have stored a newer secret
        try:
            delivery_id = adapter.authenticate(request, secrets)
        except InvalidSignature as e:
            if secrets.missing:
                raise SecretMissing(", ".join(secrets.missing)) from None
            _count_invalid_signature(hub, connection, str(e))
            raise
    new = _keep(hub, connection, delivery_id, secrets.without_them(request))
    if new:
        hub.wake.wake("inbox", connection)
    if replies(adapter):
        reply = adapter.reply(request, OwnRows(hub, connection))
        if reply is not None:
            return reply
    return Reply(status=202, body=b"")


def _keep(hub: Hub, connection: str, delivery_id: str, request: Request) -> bool:
    """Stores the webhook in one commit; False if it was stored before. On a database server a failure is tried once
    again: the server may just have cut the connection, and the delivery id makes a repetition harmless. Raises
    StoreUnavailable."""
    try:
        return inbox_rows.keep(hub.store, hub.ids.new(), connection, delivery_id, request)
    except StoreUnavailable:
        if hub.store.is_sqlite:
            raise
        return inbox_rows.keep(hub.store, hub.ids.new(), connection, delivery_id, request)


class RecordedSecrets:
    """`Secrets` that record which values an adapter read to authenticate the sender. Where the proof is the secret
    itself (a client state, a path), the request contains it, and it must not be stored with the request."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._given: set[str] = set()
        self._asked: dict[str, None] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """The names that were asked for, if none of them has a value."""
        return () if any(self._given) else tuple(self._asked)

    def get(self, name: str) -> str:
        self._asked[name] = None
        value = self._secrets.get(name)
        self._given.add(value)
        return value

    def all(self, name: str) -> Sequence[str]:
        self._asked[name] = None
        values = self._secrets.all(name)
        self._given.update(values)
        return values

    def put(self, name: str, value: str) -> None:
        self._secrets.put(name, value)

    def refresh(self) -> None:
        self._secrets.refresh()

    def without_them(self, request: Request) -> Request:
        """The request with each of those values replaced in body and query."""
        body, query = request.body, request.query
        for value in self._given:
            if len(value) >= SECRET_LENGTH:
                body = body.replace(value.encode("utf-8", "surrogateescape"), NOT_KEPT.encode())
                query = {k: v.replace(value, NOT_KEPT) for k, v in query.items()} if query else query
        return replace(request, body=body, query=query)


def _count_invalid_signature(hub: Hub, connection: str, reason: str) -> None:
    """Counted in the connection's row at most once a second, so that a flood of invalid requests is not a flood of
    writes."""
    log.warning("webhook with an invalid signature refused", extra={"connection": connection, "reason": reason})
    now = hub.clock.monotonic()
    if now - hub.invalid_signatures.get(connection, -1.0) >= 1.0:
        hub.invalid_signatures[connection] = now
        with hub.store.unit() as tx:
            connection_rows.count_invalid_signature(tx, connection)


class OwnRows:
    """`hub.ports.Ask`: what an adapter may query while it answers a webhook in the response. Reads only the
    database."""

    def __init__(self, hub: Hub, connection: str) -> None:
        self.hub = hub
        self.connection = connection

    def incident(self, ref: Ref | None, hint: str) -> Mapping[str, Any] | None:
        with self.hub.store.reading() as tx:
            link = link_rows.by_ref(tx, self.connection, ref) if ref else None
            incident = incident_rows.get(tx, link.incident_id) if link else None
            number = incident_rows.number_in(hint)
            if incident is None and number is not None:
                incident = incident_rows.by_number(tx, number)
            if incident is None:
                return None
            links = incident_rows.links_of(tx, incident.id).values()
            fields = incident.fields
            base = self.hub.config.base_url.rstrip("/")
            return {
                "number": incident.name, "title": fields.get("title"), "status": fields.get("status"),
                "severity": fields.get("severity"), "roles": fields.get("roles") or {},
                "assignees": fields.get("assignees") or [], "url": f"{base}/incidents/{incident.name}" if base else "",
                "links": [
                    {"system": k.connection, "url": k.url, "state": k.state}
                    for k in links if k.kind == INCIDENT and k.connection != self.connection
                ],
            }  # fmt: skip

    def may(self, actor: Actor | None, command: Command) -> str | None:
        """Why the actor may not give this command; None if allowed. Everyone who may post in the incident's channel may
        act on it, except an actor without account and e-mail address, who may change nothing."""
        if command.verb in ("who", "help"):
            return None
        if actor is None or not (actor.account or actor.email):
            return "Your account could not be identified, so nothing was changed."
        return None


# --- in a worker ----------------------------------------------------------------------------------------------------


def drain(hub: Hub, connection: str) -> int:
    """Turns up to `BATCH` due inbox rows of one connection into hints. Returns how many rows were read."""
    with hub.store.reading() as tx:
        rows = inbox_rows.due(tx, connection, hub.clock.now(), BATCH)
    if connection in hub.left_out:
        _postpone(hub, rows)
        return len(rows)
    plain: list[tuple[Inbox, Sequence[Hint]]] = []
    for row in rows:
        try:
            hints = hub.adapter(connection).hints(_request(row))
        except Unusable as e:
            log.warning(
                "an authentic webhook could not be read; see `lockstep inbox list --state failed`",
                extra={"connection": connection, "inbox": row.id, "words": str(e)},
            )
            _close(hub, row, "failed", str(e))
        except Exception as e:  # a defect in the hub: the row must neither be lost nor block the others
            log.exception("webhook could not be read", extra={"connection": connection, "inbox": row.id})
            _retry_later(hub, row, e)
        else:
            if any(h.command or h.deleted for h in hints):
                _apply(hub, row, hints)
            else:
                plain.append((row, hints))
    if plain:
        with hub.store.unit() as tx:
            wakes = _mark(hub, tx, [(connection, h) for _, hints in plain for h in hints])
            wakes += [w for row, hints in plain for w in _note(hub, tx, row, hints)]
        for task, key in dict.fromkeys(wakes):
            hub.wake.wake(task, key)
    return len(rows)


def _request(row: Inbox) -> Request:
    return Request(row.method, row.path, row.query, row.headers, bytes(row.body), row.received_at)


def _note(hub: Hub, tx: Tx, row: Inbox, hints: Sequence[Hint]) -> list[tuple[str, str]]:
    """Carries out requests for a poll or a subscription, and marks the row as done. Returns the wake-ups, as (task,
    key)."""
    now, wakes = hub.clock.now(), []
    for hint in hints:
        if hint.resync:
            connection_rows.poll_at(tx, row.connection, now)
            wakes.append(("poll", row.connection))
        if hint.subscription:
            wakes += _subscription(tx, row.connection, hint.subscription, hub)
    ignored = [h.ignored for h in hints if h.ignored]
    everything = bool(hints) and len(ignored) == len(hints)
    row.state, row.reason = ("ignored", _why(ignored)) if everything or not hints else ("done", None)
    row.due_at, row.done_at = None, now
    save(tx, row)
    return wakes


def _why(ignored: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(ignored)) or "nothing in it concerns an incident"


def _subscription(tx: Tx, name: str, need: str, hub: Hub) -> list[tuple[str, str]]:
    connection = connection_rows.get(tx, name)
    if connection is None:
        return []
    connection.subscription_due = hub.clock.now()
    if need == "recreate":
        connection.subscription = None
    save(tx, connection)
    return [("subscribe", name)]


def home_of(tx: Tx, connection: str, ref: Ref) -> Link | None:
    """The link to refresh for a hint about `ref`: a comment is read together with the object that it belongs to."""
    if ref.kind != INCIDENT and ref.parent:
        home = link_rows.by_ref(tx, connection, Ref(INCIDENT, ref.parent))
        if home is not None:
            return home
    link = link_rows.by_ref(tx, connection, ref)
    if link is not None and link.parent_id is not None:
        return link_rows.get(tx, link.parent_id)
    return link


def _mark(hub: Hub, tx: Tx, hints: Sequence[tuple[str, Hint]]) -> list[tuple[str, str]]:
    """Makes a refresh due for each link that these hints name, and stores unmatched objects. hints: (connection, hint).
    Returns the wake-ups, as (task, key). Must come first in its transaction: see `links.hint_all`."""
    now, homes, whole = hub.clock.now(), {}, set()
    others: dict[tuple[str, Ref], bool] = {}
    for connection, hint in hints:
        ref = hint.ref
        if ref is None:
            continue
        if hint.born and _known(tx, connection, ref):
            continue
        link = home_of(tx, connection, ref)
        if link is not None:
            homes[link.id] = earliest(hub, link, now)
            if not hint.alone:
                whole.add(link.id)
        elif ref.kind == INCIDENT:
            others[connection, ref] = others.get((connection, ref), True) and hint.born
        elif ref.parent is not None:
            others[connection, Ref(INCIDENT, ref.parent)] = False
    link_rows.hint_all(tx, homes, homes.keys() - whole)
    wakes = [("refresh", home) for home, due in homes.items() if due <= now]
    return wakes + [w for (name, ref), born in others.items() for w in note_unmatched(hub, tx, name, ref, born=born)]


def _known(tx: Tx, connection: str, ref: Ref) -> bool:
    """Whether the hub has settled its create of this object, or has read the object since."""
    link = link_rows.by_ref(tx, connection, ref)
    return link is not None and link.state == "live"


def _apply(hub: Hub, row: Inbox, hints: Sequence[Hint]) -> None:
    """Applies commands and deletions, each in the case of the incident that it concerns, and once; then marks the row
    as done."""
    for position, hint in enumerate(hints):
        if not (hint.command or hint.deleted) or hint.ref is None:
            continue
        with hub.store.reading() as tx:
            link = _target(tx, row.connection, hint)
        if link is None:
            continue
        with open_case(hub, link.incident_id) as case:
            if case is None or not _first_time(case.tx, row, position, hub):
                continue
            target = case.links.get(link.id)
            if hint.command is not None:
                take_command(case, row.connection, hint.command)
            elif target is not None:
                gone(case, target, row.connection, hint.actor.name if hint.actor else None)
    with hub.store.unit() as tx:
        fresh = inbox_rows.get(tx, row.id, lock=True)
        if fresh is None or fresh.state != "new":
            return
        rest = [h for h in hints if not h.deleted]
        wakes = _mark(hub, tx, [(row.connection, h) for h in rest])
        wakes += _note(hub, tx, fresh, rest)
    for task, key in dict.fromkeys(wakes):
        hub.wake.wake(task, key)


def _target(tx: Tx, connection: str, hint: Hint) -> Link | None:
    if hint.ref is None:
        return None
    if hint.command is not None or hint.ref.kind == INCIDENT:
        return home_of(tx, connection, hint.ref)
    return link_rows.by_ref(tx, connection, hint.ref) or link_rows.by_remote_id(tx, connection, COMMENT, hint.ref.id)


def _first_time(tx: Tx, row: Inbox, position: int, hub: Hub) -> bool:
    from hub.store import applied

    return applied.first_time(tx, row.connection, f"inbox:{row.id}:{position}", hub.clock.now())


def _close(hub: Hub, row: Inbox, state: str, reason: str) -> None:
    with hub.store.unit() as tx:
        row.state, row.reason, row.due_at, row.done_at = state, reason.replace("\x00", "")[:2000], None, hub.clock.now()
        save(tx, row)


def _postpone(hub: Hub, rows: Sequence[Inbox]) -> None:
    """Makes rows of a connection that is left out in this process due later, and changes nothing else in them."""
    with hub.store.unit() as tx:
        for row in rows:
            row.due_at = hub.clock.now() + timedelta(seconds=LEFT_OUT_AGAIN)
            save(tx, row)


def _retry_later(hub: Hub, row: Inbox, error: Exception) -> None:
    with hub.store.unit() as tx:
        row.attempts += 1
        row.reason = f"error in the hub, see its log: {type(error).__name__}"
        row.due_at = hub.clock.now() + timedelta(seconds=2.0**row.attempts)
        if row.attempts >= TRIES:
            row.state, row.due_at = "failed", None
        save(tx, row)


__all__ = ["accept", "drain", "home_of"]
