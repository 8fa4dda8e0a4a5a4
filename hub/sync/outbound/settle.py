"""What follows from a vendor's answer: the outbox row, the link's shadow and the next plan, in one commit.

Every function checks the fence first: the answer of a worker whose lease expired changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hub.domain.capability import CreateSafety, KindCapability
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, Unauthorised, VendorError
from hub.domain.incident import FIELDS
from hub.domain.merge import Seen, merge
from hub.domain.plan import request
from hub.domain.values import INCIDENT, Change, Fields, Json, Observation, Written
from hub.store import incidents as incident_rows
from hub.store.records import TOMBSTONES, Link, Outbox
from hub.store.timers import set_timer
from hub.sync.hub import Hub
from hub.sync.incident.case import Case
from hub.sync.incident.commit import open_case
from hub.sync.incident.observe import UNREACHABLE_AGAIN, bind, duplicate, lagged, needs_history, take
from hub.sync.incident.plan import end
from hub.sync.limits import breaker
from hub.sync.outbound.backlinks import refresh


@contextlib.contextmanager
def _mine(hub: Hub, row: Outbox) -> Iterator[tuple[Case, Link, Outbox] | None]:
    """The case with the claimed row, if it is still this worker's; else None, and nothing is changed."""
    with open_case(hub, row.incident_id) as case:
        mine = case.outbox.get(row.link_id) if case is not None else None
        if case is None or mine is None or mine.id != row.id or mine.fence != row.fence or mine.state != "claimed":
            yield None
            return
        link = case.links[row.link_id]
        yield case, link, mine
        if link.refresh_due is not None and mine.state != "unknown" and link.state in ("live", "frozen"):
            # A refresh that was requested during the write was put off until the end of the lease; it may run now.
            link.refresh_due = min(link.refresh_due, max(mine.due_at or case.now, lagged(case, link)))


def _done(case: Case, mine: Outbox) -> None:
    mine.state, mine.due_at, mine.settled_at = "done", None, case.now
    mine.error = mine.error_class = None
    case.settled.append(mine)
    case.outbox.pop(mine.link_id, None)


def _vendor_answered(case: Case, link: Link) -> None:
    breaker.succeeded(case.tx, case.connections[link.connection], case.now)


# --- created --------------------------------------------------------------------------------------------------------


def settle_created(hub: Hub, row: Outbox, written: Written, ended: datetime) -> bool:
    """The vendor created the object (or answered that our idempotency key already created it)."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, mine = owned
        _vendor_answered(case, link)
        link.url = written.url or link.url
        if link.state not in TOMBSTONES:  # one that ended since stays ended; the object's id is kept all the same
            link.state, link.reason = "live", None
        link.version, link.written_at = written.version or link.version, case.now
        link.rev, link.seen_at = link.rev + 1, row.last_sent_at or row.first_sent_at or case.now
        link.shadow = {**link.shadow, **mine.changes}
        if written.ref is not None:
            link.remote_kind, link.remote_id, link.remote_parent = (
                written.ref.kind,
                written.ref.id,
                written.ref.parent or "",
            )
        case.record("created", link.connection, link=link.id, id=link.remote_id, existed=written.existed, url=link.url)
        doubtful = mine.unknowns > 0
        if not doubtful and not written.existed and link.refresh_due is None:
            # The object is new: a webhook or a poll reports each later comment, so a partial read is enough.
            link.refresh_whole = False
        _done(case, mine)
        if link.kind == INCIDENT:
            refresh(case)
        if written.observation is not None:
            _take_answer(case, link, written.observation, ended)
        elif written.existed or doubtful:
            link.refresh_due = lagged(case, link)
        if doubtful:
            case.record("possible_duplicate", link.connection, link=link.id, unknowns=mine.unknowns)
            if _kind(case, link) is CreateSafety.FINDABLE:
                set_duplicates_timer(case, link)
        return False


def set_duplicates_timer(case: Case, link: Link) -> None:
    """After a create of unknown outcome: sets a timer to search for duplicates once `Hub.window` has passed."""
    due = case.now + timedelta(seconds=case.hub.window(link.connection, finding=True))
    set_timer(case.tx, "duplicates", link.id, due, {})


def settle_found(hub: Hub, row: Outbox, found: Sequence[Observation], started: datetime) -> bool:
    """The create of unknown outcome took effect: links the oldest object found; the others are duplicates."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, _ = owned
        _vendor_answered(case, link)
        bind(case, link, found[0], started, looked_for=True)
        if link.kind == INCIDENT:
            refresh(case)
        for other in found[1:]:
            duplicate(case, link, other, started)
        set_duplicates_timer(case, link)
        return False


def _kind(case: Case, link: Link) -> CreateSafety | None:
    return case.hub.capabilities(link.connection).kinds[link.kind].create


def _revs(case: Case, link: Link) -> dict[str, int]:
    return {link.id: link.rev, **{k.id: k.rev for k in case.children(link)}}


def _take_answer(case: Case, link: Link, answer: Observation, ended: datetime) -> None:
    """Merges a write's answer, without its comments and updates: others may have changed those since. A refresh that is
    due stays due, whole or partial as it was."""
    due, whole = link.refresh_due, link.refresh_whole
    alone = replace(answer, children=(), children_complete=False)
    newer = lagged(case, link)  # the answer is newer than the write: the lag after a write does not apply to it
    take(case, link, alone, _revs(case, link), newer, ended, whole=False)
    link.refresh_due, link.refresh_whole = link.refresh_due or due, whole


# --- updated --------------------------------------------------------------------------------------------------------


def settle_read(
    hub: Hub,
    row: Outbox,
    link: Link,
    seen: Observation,
    started: datetime,
    ended: datetime,
    trail: Sequence[Change] = (),
    position: Json = None,
) -> bool:
    """The read before the write showed a changed object, or an earlier write has an unknown outcome: nothing was sent.
    Merges the observation and plans again. trail, position: the object's history from before that earlier write, and
    the position after it."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, now_link, mine = owned
        _vendor_answered(case, now_link)
        doubtful = mine.last_sent_at is not None and mine.unknowns > 0
        mine.state, mine.due_at, mine.owner = ("unknown" if doubtful else "due"), case.now, None
        mine.attempts -= 1
        was, since = dict(now_link.shadow), now_link.seen_at or now_link.created_at
        revs = _read_revs(case, link)
        sent: dict[str, Json] = {**mine.changes, "status": mine.steps[0]} if mine.steps else dict(mine.changes)
        kind = case.hub.capabilities(link.connection).kinds[link.kind]
        seen_since = mine.last_sent_at is not None and since > mine.last_sent_at
        news = {n: _after(trail, n, was.get(n)) if seen_since else trail for n in sent}
        landed = {n: v for n, v in sent.items() if doubtful and any(_ours(c, n, was.get(n), v, kind) for c in news[n])}
        if landed and now_link.rev == link.rev:  # the earlier write took effect: compare what is shown with it
            now_link.shadow, now_link.rev = {**now_link.shadow, **landed}, now_link.rev + 1
            revs[link.id] = now_link.rev
        by_history = needs_history(case, link, mine.changes) if position is not None else frozenset()
        if take(case, now_link, seen, revs, started, ended, whole=seen.children_complete, proven=by_history):
            if landed:
                _gap(case, now_link, was, landed, trail, since, ended)
            if trail:  # not read twice: the next write of unknown outcome cannot be among these entries
                now_link.history = position
            if doubtful and now_link.state == "unreachable":  # not readable: the write's outcome stays unknown
                mine.due_at = now_link.refresh_due or case.now + timedelta(seconds=UNREACHABLE_AGAIN)
                return False
            mine.state, mine.last_sent_at, mine.unknowns = "due", None, 0
            mine.steps = None  # plan a walk again from the object's present status
            if now_link.rev == link.rev and not doubtful:  # nothing changed: do not read again at once
                mine.attempts += 1
                mine.due_at = case.now + timedelta(seconds=breaker.backoff(case.hub.ids, mine.attempts))
                return False
            return True
        mine.due_at = now_link.refresh_due or case.now + timedelta(seconds=1)
        return False


def _read_revs(case: Case, link: Link) -> dict[str, int]:
    """Revisions when the read began, for the link and its children. A child linked since has none: what is shown
    of it is too old to merge."""
    return {link.id: link.rev, **{k.id: k.rev for k in case.children(link)}}


def start_walk(hub: Hub, row: Outbox, steps: Sequence[Json]) -> bool:
    """Commits the steps of a walk before the first one is written."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, mine = owned
        mine.steps, mine.state, mine.due_at, mine.owner = list(steps), "due", case.now, None
        mine.base_rev = link.rev  # where the walk begins
        mine.attempts -= 1
        case.record("walk", link.connection, link=link.id, steps=list(steps))
        return True


def settle_written(
    hub: Hub, row: Outbox, before: Link, sent: Fields, written: Written, trail: Sequence[Change], position: Json,
    started: datetime, ended: datetime,
) -> bool:  # fmt: skip
    """The vendor accepted the write. Only the written fields move the shadow by themselves; the answer is merged as an
    observation. Returns whether another write to this link is due at once."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, mine = owned
        _vendor_answered(case, link)
        was = dict(link.shadow)
        link.shadow = {**link.shadow, **sent}
        link.rev, link.written_at, link.seen_at, link.reason = link.rev + 1, case.now, started, None
        link.version, link.history = written.version or link.version, position
        link.refused = {k: v for k, v in link.refused.items() if k not in sent}
        case.record("written", link.connection, link=link.id, fields=sorted(sent), outbox=mine.id)
        if sent.get("deleted") is True and link.state not in TOMBSTONES:
            link.state, link.reason, link.refresh_due, link.behind_since = "gone", "deleted by us", None, None
        rest = _rest(mine, sent)
        _done(case, mine)
        _gap(case, link, was, sent, trail, started, ended)
        if written.observation is not None and link.state != "gone":
            _take_answer(case, link, written.observation, ended)
        if rest:
            _go_on(case, link, mine, rest)
    following = case.outbox.get(row.link_id)  # the plan made at the end of the case
    return following is not None and following.due_at is not None and following.due_at <= case.now


def _rest(mine: Outbox, sent: Fields) -> list[Json]:
    """The steps of a walk that remain after this write."""
    if not mine.steps:
        return []
    return list(mine.steps[1:]) if "status" in sent else list(mine.steps)


def _go_on(case: Case, link: Link, mine: Outbox, rest: list[Json]) -> None:
    """Adds an outbox row, due at once, for the next step of a walk."""
    case.outbox[link.id] = Outbox(
        id=case.hub.ids.new(), link_id=link.id, incident_id=case.incident.id, connection=link.connection, op="update",
        changes={"status": rest[-1]}, steps=rest, base_rev=link.rev, created_at=case.now, due_at=case.now,
    )  # fmt: skip


def _ours(entry: Change, name: str, was: Json, sent: Json, kind: KindCapability) -> bool:
    """Whether our write of this field made this entry of the vendor's history. was: the value that we had read. Of a
    set we send the elements to add and to remove, so the entry may also contain elements that others added since."""
    if entry.field != name:
        return False
    if entry.after == sent:
        return True
    asked = request({name: sent}, {name: was}, kind)[name]
    if kind.fields[name].many != "set" or not isinstance(asked, dict) or not isinstance(entry.after, list):
        return False
    return set(entry.after) == (set(entry.before or ()) | set(asked["add"])) - set(asked["remove"])


def _after(trail: Sequence[Change], name: str, known: Json) -> Sequence[Change]:
    """The entries after the last one that set `known`, the value read since our write: earlier ones are merged."""
    made = [i for i, entry in enumerate(trail) if entry.field == name and entry.after == known]
    return trail[made[-1] + 1 :] if made else trail


def _gap(
    case: Case, link: Link, was: Fields, sent: Fields, trail: Sequence[Change], started: datetime, ended: datetime
) -> None:
    """Merges another author's edit between our read and our write (trap 1). The vendor's history shows it: the entry
    of our write then starts from a value that we had not read."""
    foreign: dict[str, Json] = {}
    kind = case.hub.capabilities(link.connection).kinds[link.kind]
    for name, value in sent.items():
        known = kind.fields.get(name)
        if known is not None and known.many == "set":
            continue  # we add and remove single members: what others did to the rest stands, and the next read shows it
        if was.get(name) == value and known is not None and known.walks:
            continue  # this step had been read already: the entries before it are our own earlier steps
        entries = [c for c in trail if c.field == name]
        at = next((i for i in range(len(entries) - 1, -1, -1) if entries[i].after == value), 0)
        # The entry may be that of our earlier write of unknown outcome: then no edit came before it.
        if at and entries[at].before == entries[at - 1].after and entries[at].before not in (was.get(name), value):
            foreign[name] = entries[at].before
    if not foreign or link.secondary or link.item_id is not None:
        return
    hub, incident = case.hub, case.incident
    _, order = hub.config.rank(link.connection, "status")
    vendor = hub.config.connections[link.connection].vendor
    seen = Seen(
        link=link.id, source=link.connection, vendor=vendor, order=(order,), shadow={n: was.get(n) for n in foreign},
        remote=foreign, relations=hub.relations(link.connection, link.kind), after=started, until=ended,
    )  # fmt: skip
    proofs = incident_rows.provenance_in(incident.provenance)
    merged = merge(incident.fields, proofs, [seen], hub.config.authority, FIELDS[INCIDENT], hub.config.orders)
    case.record("gap", link.connection, link=link.id, fields=sorted(foreign), values=foreign)
    case.absorb(None, merged)


# --- went wrong -----------------------------------------------------------------------------------------------------

VERSION = "version"
"""`Refused.field` when a conditional write failed because the object changed after it was read."""


def settle_error(hub: Hub, row: Outbox, error: VendorError) -> bool:
    """Settles the row after an error, by the table `ERRORS` below. True if another write is due at once."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, mine = owned
        if not isinstance(error, Refused):
            breaker.failed(case.connections[link.connection], error, case.now)
        else:
            _vendor_answered(case, link)
        mine.error, mine.error_class, mine.owner = error.words, type(error).__name__, None
        for cls, handle in ERRORS.items():
            if isinstance(error, cls):
                return handle(case, link, mine, error)
        return False


def _later(case: Case, link: Link, mine: Outbox, error: VendorError) -> bool:
    """Nothing was written: tries again after the delay that the vendor asked for, or after a growing backoff."""
    throttled = isinstance(error, RetryLater) and error.throttled
    mine.attempts -= throttled
    pause = breaker.backoff(case.hub.ids, mine.attempts, error)
    mine.state = "unknown" if mine.unknowns and mine.last_sent_at else "due"
    if not mine.unknowns:
        mine.first_sent_at = None  # as if never sent: later changes need approval like any draft
    mine.due_at = case.now + timedelta(seconds=pause)
    link.reason = error.words
    return False


def _unknown(case: Case, link: Link, mine: Outbox, error: VendorError) -> bool:
    """The write may have taken effect. An update is read again after `Hub.window`; a create is searched for after
    the read lag (at least 1 s)."""
    mine.unknowns += 1
    mine.last_sent_at, mine.state = case.now, "unknown"
    wait = case.hub.window(link.connection)
    if mine.op == "create":
        wait = max(1.0, case.hub.capabilities(link.connection).read_lag)
    mine.due_at = case.now + timedelta(seconds=wait)
    link.reason = error.words
    case.record("outcome_unknown", link.connection, link=link.id, outbox=mine.id, words=error.words)
    return False


def _refused(case: Case, link: Link, mine: Outbox, error: VendorError) -> bool:
    """The vendor will refuse this write again. If it names none of several fields, they are written one by one, so that
    one refused field does not block the others."""
    field_at_fault = error.field if isinstance(error, Refused) else None
    if link.state in TOMBSTONES:  # unlinked or gone since the claim: the write is no longer needed
        end(case, mine, "withdrawn")
        return False
    if mine.op == "update" and field_at_fault == VERSION:  # changed after it was read: read, merge, plan again
        return _later(case, link, mine, error)
    if mine.op == "update" and len(mine.changes) > 1 and field_at_fault not in mine.changes and not mine.solo:
        mine.solo, mine.state, mine.due_at, mine.steps = True, "due", case.now, None
        return True
    if mine.op == "update":
        at_fault = field_at_fault if field_at_fault in mine.changes else sorted(mine.changes)[0]
        link.refused = {**link.refused, str(at_fault): mine.changes[str(at_fault)]}
        rest = {k: v for k, v in mine.changes.items() if k != at_fault}
        mine.changes = {str(at_fault): mine.changes[str(at_fault)]}
    else:
        link.state, rest = "frozen", {}
    link.reason = error.words
    mine.state, mine.due_at, mine.settled_at = "failed", None, case.now
    case.settled.append(mine)
    case.outbox.pop(link.id, None)
    case.record(
        "refused", link.connection, link=link.id, outbox=mine.id, fields=sorted(mine.changes), words=error.words
    )
    return bool(rest)


ERRORS: dict[type[VendorError], Callable[[Case, Link, Outbox, VendorError], bool]] = {
    RetryLater: _later,
    OutcomeUnknown: _unknown,
    Refused: _refused,
    Unauthorised: _later,
}
"""error → how the row is settled. Unauthorised is retried like an outage: the connection's breaker reports it."""
