"""The vendor's side of the model: its objects, their versions and change history, and the changes by people and by time.

It knows nothing of the hub. It reports each event to `on_event` (for webhooks) and each change to `on_change` (for the
invariants).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hub.domain.capability import KindCapability
from hub.domain.errors import Refused
from hub.domain.values import COMMENT, INCIDENT, Actor, Change, Fields, Json, Observation, Ref
from hub.ports import Clock
from tests.simulation.styles import REFUSED_TEXT, Style

HUB = "hub:"
"""Prefix of an author that is the hub; the rest names the worker."""

AS_HUB = "as hub: "
"""Prefix of a person who acts through the hub's own account."""

OWN_ACCOUNT = "lockstep-bot"
"""The hub's account, as a vendor names it."""

VENDOR = "vendor"
"""Author of changes that the vendor makes by itself."""


def shown_as(by: str) -> Actor:
    """An author as the vendor names them: the hub's writes, and a person's through its account, look the same."""
    name = OWN_ACCOUNT if by.startswith((HUB, AS_HUB)) else by
    return Actor(name=name, account=name)


@dataclass(frozen=True)
class View:
    """One version of an object."""

    at: datetime
    fields: Mapping[str, Json]
    version: int
    state: str
    mark: str | None
    consequences: frozenset[str]
    merged_into: Ref | None
    terminal: bool


@dataclass
class Thing:
    """One object at the vendor. history: every change of every field, by the hub or others. views: its versions, newest last.
    born_by: its creator. shown: the newest version that a read returned."""

    ref: Ref
    fields: dict[str, Json]
    mark: str | None
    born: datetime
    born_by: str
    type: str = "incident"
    dedup_key: str | None = None
    restricted: bool = False
    state: str = "present"
    version: int = 1
    consequences: set[str] = field(default_factory=set)
    merged_into: Ref | None = None
    terminal: bool = False
    shown: int = 0
    history: list[Entry] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    children: list[Thing] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """One line of an object's change history. version: the first version of the object that shows it."""

    id: int
    version: int
    at: datetime
    field: str
    before: Json
    after: Json
    by: str

    def change(self) -> Change:
        return Change(str(self.id), self.field, self.before, self.after, shown_as(self.by))


class IllegalMove(Exception):
    """The hub asked for a change that the vendor declares impossible."""


def applied(now: Json, change: Json, many: str) -> Json:
    """The field's value after a change in the form that `hub.ports` uses."""
    if many == "set" and isinstance(change, Mapping):
        kept = [v for v in now or [] if v not in change.get("remove", ())]
        return kept + [v for v in change.get("add", ()) if v not in kept]
    if many == "map" and isinstance(change, Mapping):
        return dict(change)
    return change


@dataclass
class Server:
    """One vendor account. name: the connection's. skew: its clock minus ours."""

    name: str
    style: Style
    clock: Clock
    skew: timedelta = timedelta(0)
    things: dict[Ref, Thing] = field(default_factory=dict)
    log: list[tuple[datetime, Ref, bool]] = field(default_factory=list)
    on_event: Callable[[str, Thing, str], None] = lambda event, thing, by: None
    on_change: Callable[[Thing, Entry], None] = lambda thing, entry: None
    _ids: int = 0

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def now(self) -> datetime:
        """The time by the vendor's clock."""
        return self.clock.now() + self.skew

    def capability(self, kind: str) -> KindCapability:
        return self.style.capabilities.kinds[kind]

    # ------------------------------------------------------------------ changes of an object

    def make(
        self,
        kind: str,
        fields: Fields,
        by: str,
        parent: Ref | None = None,
        mark: str | None = None,
        type: str = "incident",
        restricted: bool = False,
    ) -> Thing:
        """Makes an object, for a person or the hub. A map or set is given whole."""
        ref = Ref(kind, f"{self.name}-{self.next_id()}", parent.id if parent else None)
        defaults = {
            n: [] if c.many == "set" else {} if c.many == "map" else None
            for n, c in self.capability(kind).fields.items()
        }
        if "deleted" in defaults:
            defaults["deleted"] = False
        thing = Thing(ref, {**defaults, **fields}, mark, self.now(), by, type, f"{self.name}:{ref.id}", restricted)
        self.things[ref] = thing
        if parent is not None:
            self.things[parent].children.append(thing)
        self._consequences(thing, None, by)
        for name, value in thing.fields.items():
            if value not in (None, [], {}):
                self._remember(thing, name, None, value, by)
        self._settle(thing, "created", by, loud=True)
        return thing

    def change(self, thing: Thing, name: str, change: Json, by: str) -> bool:
        """Changes one field. False if it already had the value."""
        return self.changes(thing, {name: change}, by)

    def changes(self, thing: Thing, changes: Fields, by: str) -> bool:
        """Changes several fields in one write."""
        fields = self.capability(thing.ref.kind).fields
        loud, before_status, any_change = False, thing.fields.get("status"), False
        for name, change in changes.items():
            before = thing.fields.get(name)
            after = applied(before, change, fields[name].many)
            if after == before:
                continue
            thing.fields[name] = after
            thing.consequences.discard(name)
            self._remember(thing, name, before, after, by)
            any_change = True
            loud |= name not in self.style.silent
        if any_change:
            self._consequences(thing, before_status, by)
            self._settle(thing, "deleted" if changes.get("deleted") else "changed", by, loud)
        return any_change

    def delete(self, thing: Thing, by: str) -> None:
        """Deletes the object and its children for good."""
        if thing.state != "present":
            return
        thing.state = "deleted"
        self._remember(thing, "deleted", False, True, by)
        self._settle(thing, "deleted", by, loud=True)

    def merge(self, loser: Thing, winner: Thing, by: str) -> None:
        """Merges: the loser is closed, names the winner and accepts no further change."""
        self.changes(loser, {"status": sorted(self.style.closed)[0]}, by)
        loser.merged_into, loser.terminal = winner.ref, True
        self._settle(loser, "merged", by, loud=False)

    def expire(self, thing: Thing) -> None:
        """Lets an acknowledgement time out."""
        if self.style.expires and thing.fields["status"] == self.style.expires[0]:
            self.change(thing, "status", self.style.expires[1], VENDOR)

    def escalate(self, thing: Thing, assignees: list[str]) -> None:
        """The vendor itself assigns other people: a consequence, not an edit."""
        if thing.fields.get("status") in self.style.closed:
            return
        before = thing.fields["assignees"]
        thing.fields["assignees"] = assignees
        thing.consequences.add("assignees")
        self._remember(thing, "assignees", before, assignees, VENDOR)
        self._settle(thing, "changed", VENDOR, loud=True)

    def _consequences(self, thing: Thing, before: Json, by: str) -> None:
        closed, was = thing.fields.get("status") in self.style.closed, before in self.style.closed
        for name, value in self.style.clears.items() if thing.ref.kind == INCIDENT else ():
            if closed and not was:
                if thing.fields[name] != value:
                    self._remember(thing, name, thing.fields[name], value, VENDOR)
                    thing.fields[name] = value
                thing.consequences.add(name)
            elif was and not closed:
                thing.consequences.discard(name)

    def _remember(self, thing: Thing, name: str, before: Json, after: Json, by: str) -> None:
        entry = Entry(self.next_id(), thing.version + 1, self.clock.now(), name, before, after, by)
        thing.history.append(entry)
        self.on_change(thing, entry)

    def _settle(self, thing: Thing, event: str, by: str, loud: bool) -> None:
        thing.version += 1
        self._view(thing)
        top = self.parent(thing) or thing
        self.log.append((self.clock.now(), top.ref, top is not thing))
        if loud:
            self.on_event(event, thing, by)

    def _view(self, thing: Thing) -> None:
        thing.views.append(
            View(
                self.clock.now(), dict(thing.fields), thing.version, thing.state, thing.mark,
                frozenset(thing.consequences), thing.merged_into, thing.terminal,
            )
        )  # fmt: skip

    def parent(self, thing: Thing) -> Thing | None:
        return self.things.get(Ref(INCIDENT, thing.ref.parent)) if thing.ref.parent else None

    # ------------------------------------------------------------------ what a caller is shown

    def view(self, thing: Thing, lag: float, steady: bool) -> View | None:
        """The object's version `lag` seconds ago; None if it did not exist then. steady: never older than a version that
        such a read has returned before."""
        horizon = self.clock.now() - timedelta(seconds=lag)
        view = next(
            (v for v in reversed(thing.views) if v.at <= horizon or (steady and v.version <= thing.shown)), None
        )
        if view is not None and steady:
            thing.shown = max(thing.shown, view.version)
        return view

    def author(self, thing: Thing, view: View) -> str:
        """The author of a comment; of an incident, who changed it last."""
        if thing.ref.kind != INCIDENT:
            return thing.born_by
        return next((e.by for e in reversed(thing.history) if e.version <= view.version), thing.born_by)

    def show(self, thing: Thing, lag: float = 0.0, children: bool = True, steady: bool = False) -> Observation | None:
        """What the vendor shows of an object, as an adapter returns it."""
        view = self.view(thing, lag, steady)
        if view is None:
            return None
        capability = self.capability(thing.ref.kind)
        if view.state == "deleted":
            return Observation(thing.ref, "deleted", version=str(view.version), mark=view.mark)
        below: tuple[Observation, ...] = ()
        if children:
            live = [
                c for c in thing.children if c.fields.get("deleted") is not True and self.capability(c.ref.kind).reads
            ]
            shown = [self.show(c, lag, steady=steady) for c in live]
            below = tuple(o for o in shown if o is not None and o.state == "present")
        return Observation(
            ref=thing.ref,
            fields={n: v for n, v in view.fields.items() if capability.fields[n].read},
            version=str(view.version),
            url=f"https://{self.name}.example/{thing.ref.id}",
            mark=view.mark,
            type=thing.type,
            created_at=thing.born,
            actor=shown_as(self.author(thing, view)),
            dedup_key=thing.dedup_key,
            consequences=view.consequences,
            children=below,
            children_complete=children and thing.ref.kind == INCIDENT,
            merged_into=view.merged_into,
            terminal=view.terminal,
            restricted=thing.restricted,
        )

    # ------------------------------------------------------------------ what a caller may ask for

    def check(self, thing: Thing, changes: Fields) -> None:
        """Raises IllegalMove for what the capabilities rule out, Refused for what the vendor does not accept."""
        capability = self.capability(thing.ref.kind)
        for name, change in changes.items():
            declared = capability.fields.get(name)
            if declared is None or (declared.write != "always" and name != "deleted"):
                raise IllegalMove(f"{thing.ref.kind}.{name} cannot be written")
            if name == "deleted" and not capability.deletes:
                raise IllegalMove(f"a {thing.ref.kind} cannot be deleted")
            if not capability.edits and name != "deleted":
                raise IllegalMove(f"a {thing.ref.kind} cannot be edited")
            now = thing.fields.get(name)
            moves = self.style.workflow if name == "status" else None
            if moves is not None and now != change and (now, change) not in moves:
                raise IllegalMove(f"{name}: no move from {now!r} to {change!r}")
            self.check_text(name, change, declared.max_length)
        if thing.terminal:
            raise IllegalMove(f"{thing.ref.id} accepts no further change")

    def check_birth(self, kind: str, fields: Fields) -> None:
        for name, value in fields.items():
            declared = self.capability(kind).fields.get(name)
            if declared is None or declared.write == "never":
                raise IllegalMove(f"{kind}.{name} cannot be written at birth")
            self.check_text(name, value, declared.max_length)

    def check_text(self, name: str, value: Json, limit: int | None) -> None:
        if isinstance(value, str):
            if limit is not None and len(value) > limit:
                raise IllegalMove(f"{name}: {len(value)} characters, {limit} are allowed")
            if name in self.style.refuses and REFUSED_TEXT in value:
                raise Refused(f"{name}: this text is not accepted", field=name if self.style.names_field else None)

    def of_kind(self, kind: str) -> list[Thing]:
        return [t for t in self.things.values() if t.ref.kind == kind]

    def comments(self, thing: Thing) -> list[Thing]:
        return [c for c in thing.children if c.ref.kind == COMMENT and c.state == "present" and not c.fields["deleted"]]
