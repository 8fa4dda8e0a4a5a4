"""Invariants that must hold at every moment; those that hold only when all has settled are in `rest`.

Each is reported by its name: a promise of the design, or what makes one true. A mutant must be caught by one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from hub.domain.capability import CreateSafety
from hub.domain.incident import SEVERITIES, STATUSES
from hub.domain.values import INCIDENT, Desired, Mark, Ref, Update
from tests.simulation import adopting, publishing, rules
from tests.simulation.audit import Row
from tests.simulation.styles import UNKNOWN_WORD

if TYPE_CHECKING:
    from tests.simulation.vendor import ModelVendor
    from tests.simulation.world import World

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CALL = 13.0
"""Longest duration of one call, in seconds; a lease must have more than this left when a write is sent."""

ATTEMPTS = 60
"""Most attempts of one outbox row in one run."""

REFUSALS = 8
"""Most refusals of the same write in one run: people retry a few."""


@dataclass
class Invariants:
    """The checks that are made during a run."""

    world: World
    fences: dict[tuple[str, str], int] = field(default_factory=dict)
    creates: dict[tuple[str, Ref | None], list[datetime]] = field(default_factory=dict)
    finds: dict[str, list[datetime]] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[tuple[Ref, str]] = field(default_factory=Counter)

    def fail(self, name: str, words: str) -> NoReturn:
        self.world.violated(name, words)
        raise AssertionError

    def held(self, name: str) -> None:
        self.world.coverage.checks[name] += 1

    def _row(self, query: str, *values: Any) -> Any:
        return self.world.store.db.execute(query, values).fetchone()

    def _now(self) -> int:
        return (self.world.clock.now() - EPOCH) // timedelta(microseconds=1)

    # ------------------------------------------------------------------ when a write is sent

    def before_update(self, vendor: ModelVendor, ref: Ref, update: Update) -> None:
        """Every change belongs to a committed intention that this worker has claimed."""
        row = self._row(
            "SELECT o.owner, o.lease_until, o.changes, o.created_at, l.state, l.id FROM outbox o JOIN links l ON l.id = o.link_id "
            "WHERE l.connection = ? AND l.remote_kind = ? AND l.remote_id = ? AND l.remote_parent = ? AND o.state = 'claimed'",
            vendor.server.name, ref.kind, ref.id, ref.parent or "",
        )  # fmt: skip
        if row is None:
            self.fail("no write without an earlier committed intention", f"update of {ref.id}: {dict(update.changes)}")
        owner, lease, changes, intended, state, link = row
        if any(f'"{name}"' not in changes for name in update.changes):
            self.fail(
                "no write without an earlier committed intention",
                f"{ref.id}: {dict(update.changes)} is not in {changes}",
            )
        self._lease(vendor, owner, lease, ref.id)
        if state in ("gone", "unlinked"):
            self.fail("a tombstone stays", f"update of {ref.id}, whose link is {state}")
        merged = self.world.ledger.merged_at.get(link, intended)
        if ref.kind == INCIDENT and intended > merged and set(update.changes) != {"status"}:
            self.fail("merged incidents are one", f"{ref.id}, secondary: {dict(update.changes)}")
        seen = vendor.last_seen.get(ref)
        if seen is not None and "status" in update.changes and seen.fields.get("status") == UNKNOWN_WORD:
            self.fail("an unknown word is left alone", f"{ref.id}: {update.changes['status']!r} over {UNKNOWN_WORD!r}")
        if seen is not None and seen.consequences & set(update.changes):
            self.fail(
                "a consequence is left alone", f"{ref.id}: {sorted(seen.consequences)} is the vendor's own making"
            )
        publishing.before_update(vendor, ref.kind, update)
        self.writes[link] += 1
        self.held("no write without an earlier committed intention")

    def before_create(self, vendor: ModelVendor, desired: Desired, mark: Mark) -> None:
        """The create was committed as pending; if an earlier one had an unknown outcome, it was searched for long enough."""
        row = self._row(
            "SELECT o.owner, o.lease_until, o.first_sent_at, l.state, l.id FROM outbox o "
            "JOIN links l ON l.id = o.link_id WHERE l.mark = ? AND o.state = 'claimed' AND o.op = 'create'",
            mark.key,
        )
        if row is None or row[2] is None:
            self.fail("no write without an earlier committed intention", f"create of a {desired.kind}, mark {mark.key}")
        owner, lease, _, state, link = row
        self._lease(vendor, owner, lease, f"mark {mark.key}")
        if state in ("gone", "unlinked"):
            self.fail("a tombstone stays", f"create for mark {mark.key}, whose link is {state}")
        capability = vendor.capabilities.kinds[desired.kind]
        earlier = self.creates.setdefault((mark.key, mark.parent), [])
        publishing.before_create(vendor, desired, mark, link, bool(earlier))
        if desired.fields.get("text") in self.world.ledger.secrets:
            self.fail("restricted stays where it is", f"{desired.fields['text']!r} is copied to {vendor.server.name}")
        if earlier and capability.create is CreateSafety.FINDABLE:
            sure = earlier[-1] + timedelta(seconds=vendor.capabilities.request_limit + vendor.capabilities.read_lag)
            looked = [at for at in self.finds.get(mark.key, ()) if at >= sure]
            if not looked:
                self.fail("a second create only after looking", f"mark {mark.key}: nobody looked after {sure:%H:%M:%S}")
        earlier.append(self.world.clock.now())
        self.writes[link] += 1
        self.held("no write without an earlier committed intention")

    def not_created(self, mark: Mark) -> None:
        """Records that the last create of this mark is known to have had no effect."""
        self.creates[mark.key, mark.parent].pop()

    def refused(self, ref: Ref, changes: str) -> None:
        """Counts a refusal that the vendor would repeat; fails above `REFUSALS`."""
        self.refusals[ref, changes] += 1
        if self.refusals[ref, changes] > REFUSALS:
            self.fail("everything bounded", f"{ref.id} refused {changes} {REFUSALS} times, and it is sent again")

    def found(self, mark: Mark, began: datetime) -> None:
        """Records a search for a mark, and when it began."""
        self.finds.setdefault(mark.key, []).append(began)

    def _lease(self, vendor: ModelVendor, owner: str, lease: int | None, what: str) -> None:
        if owner != vendor.actor:
            self.fail("fencing", f"{vendor.actor} writes {what}, which {owner} has claimed")
        if lease is None or lease - self._now() < CALL * 1_000_000:
            left = "no lease" if lease is None else f"{(lease - self._now()) / 1e6:.1f} s of its lease left"
            self.fail("fencing", f"{vendor.actor} sends a write of {what} with {left}")

    # ------------------------------------------------------------------ around a commit

    def before_commit(self, rows: Sequence[Row]) -> None:
        """Checks every transition before it is committed."""
        actor = self.world.stack[-1] if self.world.stack else None
        me, link = (actor.hub.owner, actor.target if actor.task == "deliver" else "") if actor else ("", "")
        for row in rows:
            if row.table == "outbox":
                self._outbox(row, me, link)
            elif row.table == "links":
                self._link(row)
            elif row.table == "journal":
                self._journal(row)
            elif row.table == "leases" and row.old is not None and row.new is not None:
                if row.new["fence"] < row.old["fence"]:
                    self.fail("fencing", f"lease {row.key}: the fence went back")
                if row.new["owner"] != row.old["owner"] and row.old["until"] > self._now():
                    self.fail("fencing", f"lease {row.key} was taken from {row.old['owner']} before its end")
            elif row.table == "inbox" and row.new is None:
                self.fail("accepted is kept", f"inbox row {row.key} was deleted")
            elif row.table == "incidents" and row.new is not None:
                self._incident(row)
        adopting.before_commit(self.world, rows)

    def _outbox(self, row: Row, me: str, link: str) -> None:
        if row.new is None:
            self.fail("everything has a record", f"outbox row {row.key} was deleted")
        old, new = row.old, row.new
        if old is not None and new["fence"] < old["fence"]:
            self.fail("fencing", f"outbox {row.key}: the fence went back")
        claimed = new["state"] == "claimed" and (
            old is None or (old["state"], old["fence"]) != ("claimed", new["fence"])
        )
        if claimed:
            if old is not None and old["state"] == "claimed" and (old["lease_until"] or 0) > self._now():
                self.fail("fencing", f"outbox {row.key} was taken from {old['owner']} before its lease ended")
            if old is not None and new["fence"] <= old["fence"]:
                self.fail("fencing", f"outbox {row.key} was claimed without a new fence")
            self.fences[me, row.key] = new["fence"]
        elif old is not None and old["state"] == "claimed" and new["link_id"] == link:
            mine = self.fences.get((me, row.key))
            running = (old["lease_until"] or 0) > self._now() or new["state"] in ("done", "failed")
            if old["owner"] != me and mine is not None and mine < old["fence"] and running:
                self.fail("fencing", f"{me} settles outbox {row.key}, which {old['owner']} has claimed since")
        elif old is not None and new["link_id"] == link and new["state"] not in (old["state"], "withdrawn"):
            mine = self.fences.get((me, row.key), old["fence"])
            if mine < old["fence"]:
                self.fail("fencing", f"{me} moves outbox {row.key} to {new['state']}; others have claimed it since")
        if new["attempts"] > ATTEMPTS:
            self.fail("everything bounded", f"outbox {row.key} was tried {new['attempts']} times")
        self.held("fencing")

    def _link(self, row: Row) -> None:
        old, new = row.old, row.new
        if new is None:
            self.fail("everything has a record", f"link {row.key} was deleted")
        if old is None:
            return
        if new["rev"] < old["rev"]:
            self.fail("shadow revisions never go back", f"link {row.key}: {old['rev']} → {new['rev']}")
        if new["rev"] == old["rev"] and row.differs("shadow"):
            self.fail("shadow revisions never go back", f"link {row.key}: the shadow changed and its revision did not")
        brought_back = {row.key, new["parent_id"]} & self.world.ledger.relinked
        if old["state"] in ("gone", "unlinked") and new["state"] != old["state"] and not brought_back:
            self.fail("a tombstone stays", f"link {row.key}: {old['state']} → {new['state']}")
        if new["mark"] != old["mark"] and row.key not in self.world.ledger.relinked:
            self.fail("one object per link", f"link {row.key}: its mark changed")
        self.held("shadow revisions never go back")

    def _journal(self, row: Row) -> None:
        if row.new is None:
            self.fail("journal chains unbroken", f"line {row.key} was deleted")
        if row.old is not None and (row.old["hash"], row.old["kind"]) != (row.new["hash"], row.new["kind"]):
            self.fail("journal chains unbroken", f"line {row.key} was changed")

    def _incident(self, row: Row) -> None:
        assert row.new is not None
        fields = row.new["fields"] if row.differs("fields") else None
        if fields is not None and (fields["status"] not in STATUSES or fields["severity"] not in SEVERITIES):
            self.fail("legal moves only", f"INC-{row.new['number']}: {fields['status']!r}, {fields['severity']!r}")
        if row.old is not None:
            if row.new["open"] and not row.old["open"]:
                self._one_for_a_key()
            if row.new["rev"] < row.old["rev"] or row.new["head_seq"] < row.old["head_seq"]:
                self.fail("no lost update", f"INC-{row.new['number']}: a revision went back")
            if fields is not None and row.new["rev"] == row.old["rev"]:
                self.fail("no lost update", f"INC-{row.new['number']}: changed without a new revision")
        else:
            self._one_for_a_key()

    def _one_for_a_key(self) -> None:
        twice = self._row(
            "SELECT dedup_key FROM incidents WHERE open AND dedup_key IS NOT NULL GROUP BY dedup_key HAVING count(*) > 1"
        )
        if twice is not None:
            self.fail("one open incident for a key", f"{twice[0]} has several")

    def after_commit(self, rows: Sequence[Row]) -> None:
        """Counts the committed transitions, and traces every value to a source that was allowed to set it."""
        from tests.simulation.sources import trace

        for row in rows:
            if row.table == "journal" and row.old is None and row.new is not None:
                self.world.coverage.line(row.new["kind"], row.new["data"])
                self._heard(row.new)
            elif row.table == "incidents" and row.new is not None:
                trace(self.world, row)

    def _heard(self, line: Mapping[str, Any]) -> None:
        """A status change that a system is allowed to make is not overruled for lack of authority."""
        data = line["data"] or {}
        if (line["kind"], data.get("rule"), data.get("field")) != ("overruled", "authority", "status"):
            return
        vendor = self.world.config.connections[line["source"]].vendor
        if rules.verdict("status", vendor, data["ours"], data["value"]) == rules.TAKE:
            self.fail("who may is heard", f"{line['source']}: {data['ours']} → {data['value']} was overruled")

    def after_accept(self, connection: str, delivery: str) -> None:
        """A webhook that was answered with 2xx is in the inbox."""
        if self._row("SELECT 1 FROM inbox WHERE connection = ? AND delivery_id = ?", connection, delivery) is None:
            self.fail("accepted is kept", f"{delivery} was accepted and is not in the inbox")
        self.held("accepted is kept")

    # ------------------------------------------------------------------ after every step

    def step(self) -> None:
        """Cheap checks that do not depend on a commit."""
        world = self.world
        if world.store.in_transaction:
            self.fail("one transaction at a time", "a transaction stayed open")
        if len(world.queue.waiting) > 400:
            self.fail("everything bounded", f"{len(world.queue.waiting)} wake-ups wait")
        if world.counts["call"] > 600 + 60 * world.events:
            self.fail("everything bounded", f"{world.counts['call']} vendor calls for {world.events} events")
