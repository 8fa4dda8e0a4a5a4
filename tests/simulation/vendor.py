"""The model vendor at the adapter port, without HTTP.

Every call passes the same boundary: "send" and "answered" are crash points, in between the rest of the world may go on
(`World.pause`), and the faults decide whether the vendor acts, and whether the caller gets the answer.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from hub.domain.capability import Capabilities, CreateSafety, Gap
from hub.domain.errors import InvalidSignature, OutcomeUnknown, Refused, RetryLater, Unauthorised, Unusable
from hub.domain.values import (
    INCIDENT,
    Actor,
    Change,
    Changed,
    Changes,
    Command,
    Desired,
    Hint,
    Json,
    Mark,
    Observation,
    Ref,
    Request,
    Update,
    Written,
)
from hub.domain.vocabulary import Relation
from hub.ports import Secrets
from tests.simulation.choices import in_the_gap
from tests.simulation.server import HUB, IllegalMove, Server, Thing, shown_as

T = TypeVar("T")

SECRET = "simulated"
PAGE = 6
"""Objects in one page of a poll."""

BEING_WRITTEN = """
SELECT o.changes FROM outbox o JOIN links l ON l.id = o.link_id
WHERE l.connection = ? AND l.remote_id = ? AND l.kind = 'incident' AND o.state = 'claimed'
"""

CALL_TIMEOUT = 13.05
"""Seconds that a call without an answer takes: the transport's connect and read time-outs together."""


def sign(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


class ModelVendor:
    """One worker's client of one model vendor. See `hub.ports.Adapter`."""

    def __init__(self, server: Server, world: Any, actor: str) -> None:
        self.server = server
        self.world = world
        self.actor = actor
        self.capabilities: Capabilities = server.style.capabilities
        self.relations: Mapping[str, Mapping[str, Relation]] = server.style.relations
        self.last_seen: dict[Ref, Observation] = {}
        if server.style.partial:
            self.read_fields = partial(self._read, children=False)

    # ------------------------------------------------------------------ the boundary

    def _call(self, what: str, act: Callable[[], T], write: bool = False) -> T:
        """One exchange with the vendor, subject to faults. Raises only the four vendor errors (and Crash)."""
        world, name = self.world, self.server.name
        world.boundary("send", name, what, write)
        world.pause(name, what, "before")
        fault = world.weather(name, what, write)
        if fault == "unavailable":
            raise RetryLater(f"{name} is not available")
        if fault == "hang":
            world.wait(CALL_TIMEOUT)
            raise OutcomeUnknown(f"{name} does not answer") if write else RetryLater(f"{name} does not answer")
        if fault == "throttled":
            raise RetryLater(f"{name}: too many requests", delay=world.delay(), throttled=True)
        if fault == "revoked":
            raise Unauthorised(f"{name}: the credential is not accepted")
        if fault == "lost_before":
            world.wait(CALL_TIMEOUT)
            raise OutcomeUnknown("time-out") if write else RetryLater("time-out")
        if fault == "lands_late":
            overdue = what.startswith("create") and world.chance(world.faults.overdue)
            world.later(self.capabilities.request_limit * (3 if overdue else 1), act)
            world.wait(CALL_TIMEOUT)
            raise OutcomeUnknown("time-out")
        answer = act()
        if fault == "stall":
            world.stall()
        world.pause(name, what, "after")
        if fault == "lost_after":
            world.wait(CALL_TIMEOUT)
            raise OutcomeUnknown("time-out") if write else RetryLater("time-out")
        world.boundary("answered", name, what, write)
        return answer

    def _lag(self, finding: bool = True) -> float:
        """Seconds by which the answer is old. Searches lag behind reads by id."""
        limit = max(self.capabilities.find_lag, self.capabilities.read_lag) if finding else self.capabilities.read_lag
        return self.world.lag(limit)

    # ------------------------------------------------------------------ reading

    def observe(self, ref: Ref) -> Observation:
        return self._read(ref)

    def _read(self, ref: Ref, children: bool = True) -> Observation:
        if not self.capabilities.kinds[ref.kind].reads:
            self.world.violated("nothing undeclared is called", f"observe of {ref}")

        hidden = False

        def act() -> Observation:
            nonlocal hidden
            thing, hidden = self.server.things.get(ref), self._hidden(ref)
            if hidden:
                return Observation(ref, "absent")
            shown = self.server.show(thing, self._lag(finding=False), children, steady=True) if thing else None
            if shown is None or (shown.state == "deleted" and self.server.style.hides_deleted):
                return Observation(ref, "absent")
            return shown

        seen = self._call(f"{'observe' if children else 'read_fields'} {ref.id}", act)
        if not hidden:
            self._saw(seen)  # "not found" for lack of a permission is no evidence about the object
            self._edited_after(ref)
        return seen

    def _edited_after(self, ref: Ref) -> None:
        """A person edits the object that the hub has just read or made."""
        thing, people = self.server.things.get(ref), self.world.people
        if thing is None or thing.state != "present" or ref.kind != INCIDENT or people is None:
            return
        if self.world.chance(self.world.faults.gap / 2):
            row = self.world.store.db.execute(BEING_WRITTEN, (self.server.name, ref.id)).fetchone()
            if row is not None or self.world.sky.random() < 0.5:
                in_the_gap(people, self.server, thing, json.loads(row[0]) if row else thing.fields)

    def _hidden(self, ref: Ref) -> bool:
        """Whether the hub gets "not found" now although the object exists."""
        world, now = self.world, self.world.clock.now()
        if ref.kind == INCIDENT and world.chance(world.faults.hidden):
            world.coverage.fault("hidden")
            world.hidden[ref] = now + timedelta(seconds=world.sky.uniform(1, 600))
        return bool(world.hidden.get(ref, now) > now)

    def find(self, mark: Mark) -> Sequence[Observation]:
        def act() -> list[Observation]:
            lag = self._lag()
            shown = [self.server.show(t, lag) for t in self.server.of_kind(mark.kind) if t.mark == mark.key]
            return [o for o in shown if o is not None and o.state == "present"]

        began = self.world.clock.now()
        found = self._call(f"find {mark.key}", act)
        self.world.invariants.found(mark, began)
        return found

    def changed_since(self, cursor: Json | None) -> Changes:
        def act() -> Changes:
            lag = self._lag()
            horizon = self.server.clock.now() - timedelta(seconds=lag)
            if not self.capabilities.kinds[INCIDENT].reads:
                return Changes((), {"at": self.server.clock.now().isoformat(), "skip": 0})
            if cursor is None:
                refs = [
                    t.ref
                    for t in self.server.of_kind(INCIDENT)
                    if t.fields.get("status") not in self.server.style.closed
                ]
                start, touched = 0, set[Ref]()
            else:
                since = datetime.fromisoformat(cursor["at"]) - timedelta(seconds=self.server.style.overlap)
                recent = [(r, below) for at, r, below in self.server.log if since <= at <= horizon]
                touched = {r for r, below in recent if below}
                refs = list(dict.fromkeys(r for r, _ in recent))
                start = cursor["skip"]
            page = refs[start : start + PAGE]
            more = cursor is not None and start + PAGE < len(refs)
            items = []
            for ref in refs if cursor is None else page:
                shown = self.server.show(self.server.things[ref], lag, children=False)
                if shown is None or (shown.state == "deleted" and self.server.style.hides_deleted):
                    continue
                whole = (
                    self.server.style.listing and ref not in touched and shown.state == "present" and cursor is not None
                )
                items.append(Changed(ref, shown if whole else None))
            at = cursor["at"] if more else self.server.clock.now().isoformat()
            return Changes(tuple(items), {"at": at, "skip": start + PAGE if more else 0}, more)

        return self._call("changed_since", act)

    def _saw(self, seen: Observation) -> None:
        self.last_seen[seen.ref] = seen
        self.world.ledger.shown(seen)

    # ------------------------------------------------------------------ writing

    def create(self, desired: Desired, mark: Mark) -> Written:
        self.world.ledger.create_sent(self, desired, mark)

        def act() -> Written:
            style = self.server.style
            safety = self.capabilities.kinds[desired.kind].create
            if safety is CreateSafety.IDEMPOTENT:
                old = next((t for t in self.server.of_kind(desired.kind) if t.mark == mark.key), None)
                if old is not None:
                    return self._written(old, existed=True)
            try:
                self.server.check_birth(desired.kind, desired.fields)
            except IllegalMove as e:
                self.world.violated("legal moves only", str(e))
            if desired.parent is not None and self.server.things[desired.parent].state != "present":
                raise Refused(f"{desired.parent.id} is gone")
            born = style.born if desired.kind == INCIDENT else {}
            half = style.half_born if desired.kind == INCIDENT and self.world.half() else {}
            kept = None if safety is CreateSafety.NEITHER else mark.key
            by = f"{HUB}{self.actor}"
            thing = self.server.make(desired.kind, {**desired.fields, **born, **half}, by, desired.parent, kept)
            self.world.ledger.created(self, thing, mark)
            if half:
                raise OutcomeUnknown("made, but not as it should be")
            return self._written(thing)

        try:
            written = self._call(f"create {desired.kind} {mark.key}", act, write=True)
        except (RetryLater, Refused, Unauthorised):
            self.world.invariants.not_created(mark)
            raise
        if written.ref is not None:
            self._edited_after(written.ref)
        return written

    def update(self, ref: Ref, update: Update) -> Written:
        self.world.ledger.update_sent(self, ref, update)
        known = self.world.last_seen(self.actor, ref)

        def act() -> Written:
            thing = self.server.things.get(ref)
            if thing is None or thing.state != "present":
                raise Refused(f"{ref.id} is not found")
            if ref.kind == INCIDENT and self.world.people is not None and self.world.chance(self.world.faults.gap):
                in_the_gap(self.world.people, self.server, thing, update.changes)
            kind = self.capabilities.kinds[ref.kind]
            conditional = [n for n in update.changes if n in kind.fields and kind.fields[n].gap is Gap.CONDITIONAL]
            if conditional and update.expected is None:
                self.world.violated("conditional writes carry the version", f"{ref.id}: {conditional}")
            if conditional and update.expected != str(thing.version):
                raise Refused("it has changed meanwhile", field="version")
            try:
                self.server.check(thing, update.changes)
            except IllegalMove as e:
                seen = self.last_seen.get(ref)
                if seen is not None and seen.version == str(thing.version):
                    self.world.violated("legal moves only", f"{ref.id}: {e}")
                raise RetryLater("somebody else was faster") from e
            by, self.world.ledger.writer_knows = f"{HUB}{self.actor}", known
            if update.changes.get("deleted") is True:
                thing.fields["deleted"] = True
                self.server.delete(thing, by)
            else:
                changes = {n: self._whole(thing, n, change, update) for n, change in update.changes.items()}
                for name in changes:
                    last = next((e for e in reversed(thing.history) if e.field == name), None)
                    if last is not None and last.after == changes[name] == thing.fields.get(name):
                        self.world.ledger.agreed.add((self.server.name, last.id))
                changed = self.server.changes(thing, changes, by)
                self.world.ledger.updated(self, thing, update, changed)
            return self._written(thing)

        said = json.dumps(update.changes, sort_keys=True)
        try:
            return self._call(f"update {ref.id} {said}", act, write=True)
        except Refused as e:
            if e.field != "version":
                self.world.invariants.refused(ref, said)
            raise

    def _whole(self, thing: Thing, name: str, change: Json, update: Update) -> Json:
        """A map is written whole, as real clients do: keys that are neither desired nor changed are removed."""
        if self.capabilities.kinds[thing.ref.kind].fields[name].many != "map":
            return change
        return {**(update.desired.get(name) or {}), **change}

    def _written(self, thing: Thing, existed: bool = False) -> Written:
        if not self.capabilities.kinds[thing.ref.kind].reads:
            return Written(None)
        shown = self.server.show(thing) if self.server.style.answers else None
        url = f"https://{self.server.name}.example/{thing.ref.id}"
        if shown is not None:
            self._saw(shown)
        return Written(thing.ref, url, str(thing.version), shown, existed)

    # ------------------------------------------------------------------ webhooks and polls

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        if not hmac.compare_digest(request.headers.get("x-signature", ""), sign(request.body)):
            raise InvalidSignature("the signature does not match")
        return request.headers.get("x-delivery") or hashlib.sha256(request.body).hexdigest()

    def hints(self, request: Request) -> Sequence[Hint]:
        try:
            said = json.loads(request.body)
            actor = Actor(name=said.get("by"), account=said.get("by"))
            if said["event"] == "noise":
                return (Hint("noise", ignored="concerns nobody"),)
            ref = Ref(said["kind"], said["id"], said.get("parent"))
            command = Command(said["verb"], said.get("argument", ""), actor) if said["event"] == "command" else None
            alone = said["event"] == "changed" and ref.kind == INCIDENT
            born = said["event"] == "created" and self.server.style.answers
            return (Hint(said["event"], ref, said["event"] == "deleted", actor, command, alone=alone, born=born),)
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise Unusable(f"body: {type(e).__name__}") from e


class Remembering(ModelVendor):
    """A vendor with a change history. See `hub.ports.Historian`."""

    def history(self, ref: Ref, since: Json | None) -> tuple[Sequence[Change], Json]:
        def act() -> tuple[Sequence[Change], Json]:
            thing = self.server.things[ref]
            self.server.view(thing, 0.0, steady=True)  # the log does not lag, and no later read is older than it
            kept = [e for e in thing.history if self._has_history(ref, e.field)]
            last = kept[-1].id if kept else 0
            return ([e.change() for e in kept if since is not None and e.id > since], last)

        return self._call(f"history {ref.id}", act)

    def _has_history(self, ref: Ref, name: str) -> bool:
        field = self.capabilities.kinds[ref.kind].fields.get(name)
        return field is not None and field.gap is Gap.HISTORY


class Walking(Remembering):
    """A vendor with a workflow. See `hub.ports.Walks`."""

    def walk(self, ref: Ref, field: str, now: Json, target: Json) -> Sequence[Json]:
        """The shortest path through the workflow."""
        moves = self.server.style.workflow or frozenset()
        ways: deque[list[Json]] = deque([[now]])
        seen = {now}
        while ways:
            way = ways.popleft()
            if way[-1] == target:
                return way[1:]
            for a, b in sorted(moves):
                if a == way[-1] and b not in seen:
                    seen.add(b)
                    ways.append([*way, b])
        return []


def client(server: Server, world: Any, actor: str) -> ModelVendor:
    """A client with this vendor's optional interfaces."""
    fields = server.capability(INCIDENT).fields.values()
    if any(f.walks for f in fields):
        return Walking(server, world, actor)
    if any(f.gap is Gap.HISTORY for f in fields):
        return Remembering(server, world, actor)
    return ModelVendor(server, world, actor)


def webhook(server: Server, event: str, ref: Ref, by: str, at: datetime, **more: str) -> Request:
    """A webhook as the vendor sends it, with a new delivery id."""
    said = {"event": event, "kind": ref.kind, "id": ref.id, "parent": ref.parent, "by": shown_as(by).name, **more}
    body = json.dumps(said, sort_keys=True).encode()
    headers = {"x-signature": sign(body), "x-delivery": f"{server.name}-d{server.next_id()}"}
    return Request("POST", f"/hooks/{server.name}", {}, headers, body, at)
