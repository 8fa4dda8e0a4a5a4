"""The simulation's record of who did what. The hub never reads it; the invariants check against it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub.domain.values import Desired, Json, Mark, Observation, Ref, Update
from tests.simulation.audit import Row
from tests.simulation.server import HUB, Entry, Server, Thing

if TYPE_CHECKING:
    from tests.simulation.vendor import ModelVendor
    from tests.simulation.world import World


@dataclass(frozen=True)
class Canon:
    """One change of one field path of an incident, comment or update, as committed."""

    at: datetime
    turn: int
    owner: str
    field_path: str
    before: Json
    value: Json
    source: str
    actor: str | None


@dataclass
class Ledger:
    """The record of one run."""

    world: World
    saw: dict[Ref, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Object → the versions that the hub was shown."""
    believed: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """(system, object) → the versions that the hub accepted; it discards observations that are too old."""
    writer_saw: dict[tuple[str, int], int] = field(default_factory=dict)
    """(server, history entry) of a write by the hub → the version that its writer had been shown last."""
    canon: dict[tuple[str, str], list[Canon]] = field(default_factory=lambda: defaultdict(list))
    journal: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    made: dict[str, list[Thing]] = field(default_factory=lambda: defaultdict(list))
    hub_changes: Counter[tuple[Ref, str]] = field(default_factory=Counter)
    idle_writes: Counter[Ref] = field(default_factory=Counter)
    unknowns: Counter[str] = field(default_factory=Counter)
    intended: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    accepted: dict[tuple[str, str], str] = field(default_factory=dict)
    turns: dict[tuple[str, int], int] = field(default_factory=dict)
    """(server, history entry) → when it happened, as a position in the order of all that happened in the run."""
    claimed: dict[tuple[str, str], list[Json]] = field(default_factory=lambda: defaultdict(list))
    """(link, field) → values of the writes that workers have claimed."""
    turn: int = 0
    writer_knows: int = 0
    """The version that the current writer had been shown when it sent its write."""
    adopted: dict[tuple[str, str], int] = field(default_factory=dict)
    """(system, object made by a person) → when it was adopted, as a position in the same order."""
    merged_at: dict[str, int] = field(default_factory=dict)
    """Link → when it moved to another incident, in microseconds."""
    taken: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(incident, field path, system) → when the edit was made that the hub last took from that system."""
    agreed: set[tuple[str, int]] = field(default_factory=set)
    """(system, entry) of an edit that already had the value of the hub's next write, so nothing was overwritten."""
    said: dict[str, str] = field(default_factory=dict)
    """A comment's first text, unique in the run → the system where it was written."""
    approvals: set[str] = field(default_factory=set)
    """Hashes of the contents that people approved."""
    approved: list[dict[str, Json]] = field(default_factory=list)
    """The approved contents, as they were shown."""
    published: set[str] = field(default_factory=set)
    """Texts of the updates that people approved."""
    replayed: set[str] = field(default_factory=set)
    """Links whose failed write a person reviewed and retried."""
    commands: int = 0
    """Number of commands that people sent in chat so far."""
    secrets: set[str] = field(default_factory=set)
    """Texts of restricted comments."""
    relinked: set[str] = field(default_factory=set)
    """Links that people linked again."""
    reviewed: set[tuple[str, str]] = field(default_factory=set)
    """(incident, field) that people decided with `take` or `keep`."""
    unheard: set[Ref] = field(default_factory=set)
    """Deleted objects whose webhook was lost: where the vendor hides deleted objects, only a read shows it."""
    absent: set[Ref] = field(default_factory=set)
    """Objects that the last read did not find."""
    was_unlinked: set[str] = field(default_factory=set)
    """Ids of objects that were unlinked for a time, during which the hub did not read them."""
    last_activity: float = 0.0

    # ------------------------------------------------------------------ at the vendors

    def changed(self, server: Server, thing: Thing, entry: Entry) -> None:
        """Records a change of a field at a vendor, whoever made it."""
        self.turns[server.name, entry.id] = self.next_turn()
        if entry.by.startswith(HUB):
            self.hub_changes[thing.ref, entry.field] += 1
            self.writer_saw[server.name, entry.id] = self.writer_knows
        else:
            self.world.counts["edit"] += 1
            self.world.note(f"{entry.by} at {thing.ref.id}: {entry.field} {entry.before!r} → {entry.after!r}")

    def shown(self, seen: Observation) -> None:
        """Records that the hub was shown an object (and its children)."""
        for child in seen.children:
            self.shown(child)
        if seen.state != "present":
            self.absent.add(seen.ref)
        else:
            self.absent.discard(seen.ref)
        if seen.version is not None:
            self.saw[seen.ref].add(int(seen.version))

    def create_sent(self, vendor: ModelVendor, desired: Desired, mark: Mark) -> None:
        self.world.invariants.before_create(vendor, desired, mark)
        self.last_activity = self.world.clock.monotonic()

    def update_sent(self, vendor: ModelVendor, ref: Ref, update: Update) -> None:
        self.world.invariants.before_update(vendor, ref, update)
        self.last_activity = self.world.clock.monotonic()

    def created(self, vendor: ModelVendor, thing: Thing, mark: Mark) -> None:
        self.made[mark.key].append(thing)

    def updated(self, vendor: ModelVendor, thing: Thing, update: Update, changed: bool) -> None:
        if not changed:
            self.idle_writes[thing.ref] += 1

    # ------------------------------------------------------------------ in the hub

    def approve(self, shown: dict[str, Json]) -> None:
        """Records that a person approves the content that a link shows."""
        self.approvals.add(shown["content_hash"])
        self.approved.append(shown["draft"])

    def next_turn(self) -> int:
        self.turn += 1
        return self.turn

    def held_since(self, owner: str, field_path: str, turn: int) -> list[Json]:
        """The value that the hub held at that turn, and all values since."""
        changes = self.canon[owner, field_path]
        before = [c.value for c in changes if c.turn < turn][-1:]
        first = [] if before else [c.before for c in changes[:1]] or [None]
        return first + before + [c.value for c in changes if c.turn > turn]

    def tried(self, connection: str, ref: Ref, name: str, value: Json) -> bool:
        """Whether a write of this value to this field ended in an unknown outcome (or a crash): a person's edit to the
        same value cannot be distinguished from that write."""
        row = self.world.store.db.execute(
            "SELECT id FROM links WHERE connection = ? AND remote_kind = ? AND remote_id = ?",
            (connection, ref.kind, ref.id),
        ).fetchone()
        return row is not None and self.unknowns[row[0]] > 0 and value in self.claimed[row[0], name]

    def lines_of(self, incident: str) -> list[dict[str, Any]]:
        """The journal lines of an incident and of those merged into it."""
        return self.journal[incident] + [line for loser in self.losers_of(incident) for line in self.journal[loser]]

    def losers_of(self, incident: str) -> list[str]:
        """The incidents merged into this one, directly or through others."""
        direct = self.world.store.db.execute("SELECT id FROM incidents WHERE merged_into = ?", (incident,)).fetchall()
        return [x for (loser,) in direct for x in (loser, *self.losers_of(loser))]

    def committed(self, rows: Sequence[Row]) -> None:
        """Records what one commit changed."""
        for row in rows:
            if row.new is None:
                continue
            if row.table == "links" and row.new["remote_id"] and row.new["version"] and not self._only_written(row):
                self.believed[row.new["connection"], row.new["remote_id"]].add(row.new["version"])
            if row.table == "links" and row.new["remote_id"] and (row.old is None or not row.old["remote_id"]):
                self.adopted[row.new["connection"], row.new["remote_id"]] = self.next_turn()
            if row.table == "links" and row.old is not None and row.new["slot"] != row.old["slot"]:
                self.merged_at[row.key] = self.world.invariants._now()
            if row.table in ("incidents", "comments", "updates"):
                self._canon(row)
            elif row.table == "journal" and row.old is None:
                self.journal[row.new["incident_id"]].append({**row.new, "data": row.new["data"]})
            elif (
                row.table == "links" and row.old is not None and row.new["state"] in ("unlinked", "gone", "unreachable")
            ):
                self.was_unlinked.add(str(row.new["remote_id"]))
            elif row.table == "outbox":
                self._outbox(row)

    def _only_written(self, row: Row) -> bool:
        """Whether this version of a link's object comes from the hub's own write, whose answer did not show the object."""
        assert row.new is not None
        server = self.world.servers.get(row.new["connection"])  # none where the real clients talk to stand-ins
        written = row.old is not None and row.old["written_at"] != row.new["written_at"]
        return written and server is not None and not server.style.answers

    def _outbox(self, row: Row) -> None:
        assert row.new is not None
        link, before = row.new["link_id"], row.old["unknowns"] if row.old is not None else 0
        self.unknowns[link] += max(0, row.new["unknowns"] - before)
        if row.old is None or row.new["state"] != row.old["state"]:
            self.last_activity = self.world.clock.monotonic()
        if row.new["state"] == "claimed":
            for name, value in row.new["changes"].items():
                self.claimed[link, name].append(value)
            self.claimed[link, "status"] += row.new["steps"] or []

    def _canon(self, row: Row) -> None:
        assert row.new is not None
        if not row.differs("fields"):
            return
        before, after = row.old["fields"] if row.old is not None else {}, row.new["fields"]
        self.last_activity = self.world.clock.monotonic()
        provenance = row.new["provenance"] or {}
        for field_path, old, new in field_paths(before, after):
            proof = provenance.get(field_path) or provenance.get(field_path.partition("/")[0]) or {}
            self.canon[row.key, field_path].append(
                Canon(
                    self.world.clock.now(),
                    self.next_turn(),
                    row.key,
                    field_path,
                    old,
                    new,
                    proof.get("source", "?"),
                    proof.get("actor"),
                )
            )
            if row.table == "incidents":
                self.world.note(
                    f"INC-{row.new['number']} {field_path}: {old!r} → {new!r} by {proof.get('source', '?')}"
                )


def field_paths(before: dict[str, Json], after: dict[str, Json]) -> list[tuple[str, Json, Json]]:
    """(field path, value before, value after) of what differs; an element of a set or map is a field path of its own."""
    out: list[tuple[str, Json, Json]] = []
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, (list, dict)) or isinstance(new, (list, dict)):
            olds, news = as_map(old), as_map(new)
            out += [
                (f"{name}/{k}", olds.get(k), news.get(k))
                for k in sorted(set(olds) | set(news))
                if olds.get(k) != news.get(k)
            ]
        else:
            out.append((name, old, new))
    return out


def as_map(value: Json) -> dict[str, Json]:
    """A set as element → True; a map as it is."""
    if isinstance(value, dict):
        return value
    return dict.fromkeys(value or (), True)
