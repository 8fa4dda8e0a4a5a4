"""What follows from a vendor's answer: the intention's row, the link's shadow, and the next plan, in one commit.

Every function checks the fence first: a worker whose lease ran out has nothing to say any more.
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
from hub.sync.incident.observe import UNREACHABLE_AGAIN, bind, duplicate, history_tells, lagged, take
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
            # A look that came while we wrote waits for the end of our lease: it need not any longer.
            link.refresh_due = min(link.refresh_due, max(mine.due_at or case.now, lagged(case, link)))


def _done(case: Case, mine: Outbox) -> None:
    mine.state, mine.due_at, mine.settled_at = "done", None, case.now
    mine.error = mine.error_class = None
    case.settled.append(mine)
    case.outbox.pop(mine.link_id, None)


def _well(case: Case, link: Link) -> None:
    breaker.succeeded(case.tx, case.connections[link.connection], case.now)


# --- created --------------------------------------------------------------------------------------------------------


def settle_created(hub: Hub, row: Outbox, written: Written, ended: datetime) -> bool:
    """The vendor made the object (or says that our key already made it)."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, mine = owned
        _well(case, link)
        link.url = written.url or link.url
        if link.state not in TOMBSTONES:  # one that was let go of meanwhile stays so, and knows what it let go of
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
            # It was just made: what is said under it from now on is announced, or found by a poll.
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
    """After a create was sent more than once: when the vendor's time is over, look whether there are two."""
    due = case.now + timedelta(seconds=case.hub.window(link.connection, finding=True))
    set_timer(case.tx, "duplicates", link.id, due, {})


def settle_found(hub: Hub, row: Outbox, found: Sequence[Observation], started: datetime) -> bool:
    """The create of unknown outcome did take effect: the oldest is ours, the others are duplicates."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, _ = owned
        _well(case, link)
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
    """Merges a write's answer, without its comments and updates: others may have written those since it was made. A look that is
    due stays due, as it was."""
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
    """The read before the write showed that the world has moved: nothing was sent; merge, and plan anew. trail, position: the
    history since before an earlier write of ours whose outcome we did not learn, and where it ended."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, now_link, mine = owned
        _well(case, now_link)
        doubtful = mine.last_sent_at is not None and mine.unknowns > 0
        mine.state, mine.due_at, mine.owner = ("unknown" if doubtful else "due"), case.now, None
        mine.attempts -= 1
        was, since = dict(now_link.shadow), now_link.seen_at or now_link.created_at
        revs = _read_revs(case, link)
        sent: dict[str, Json] = {**mine.changes, "status": mine.steps[0]} if mine.steps else dict(mine.changes)
        kind = case.hub.capabilities(link.connection).kinds[link.kind]
        looked = mine.last_sent_at is not None and since > mine.last_sent_at
        news = {n: _after(trail, n, was.get(n)) if looked else trail for n in sent}
        landed = {n: v for n, v in sent.items() if doubtful and any(_ours(c, n, was.get(n), v, kind) for c in news[n])}
        if landed and now_link.rev == link.rev:  # our write did take effect: what is shown now is judged against it
            now_link.shadow, now_link.rev = {**now_link.shadow, **landed}, now_link.rev + 1
            revs[link.id] = now_link.rev
        told = history_tells(case, link, mine.changes) if position is not None else frozenset()
        if take(case, now_link, seen, revs, started, ended, whole=seen.children_complete, told=told):
            if landed:
                _gap(case, now_link, was, landed, trail, since, ended)
            if trail:  # judged once: the next write of unknown outcome must not be found in what came before it
                now_link.history = position
            if doubtful and now_link.state == "unreachable":  # what is not shown tells nothing of our write
                mine.due_at = now_link.refresh_due or case.now + timedelta(seconds=UNREACHABLE_AGAIN)
                return False
            mine.state, mine.last_sent_at, mine.unknowns = "due", None, 0
            mine.steps = None  # a walk goes on from where the object stands now
            if now_link.rev == link.rev and not doubtful:  # nothing new was learnt: no reason to read again at once
                mine.attempts += 1
                mine.due_at = case.now + timedelta(seconds=breaker.backoff(case.hub, mine.attempts))
                return False
            return True
        mine.due_at = now_link.refresh_due or case.now + timedelta(seconds=1)
        return False


def _read_revs(case: Case, link: Link) -> dict[str, int]:
    """Revisions as they were when the read began; a child that is new since is not in it and so not believed."""
    return {link.id: link.rev, **{k.id: k.rev for k in case.children(link)}}


def start_walk(hub: Hub, row: Outbox, steps: Sequence[Json]) -> bool:
    """Stores the steps of a walk before the first one is taken."""
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
    """The vendor took the write. Only the written fields advance the shadow by themselves; the answer is an observation.
    Returns whether there is something else to write to this link at once."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, mine = owned
        _well(case, link)
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
    following = case.outbox.get(row.link_id)  # as planned
    return following is not None and following.due_at is not None and following.due_at <= case.now


def _rest(mine: Outbox, sent: Fields) -> list[Json]:
    """The steps of a walk that are still to be taken after this write."""
    if not mine.steps:
        return []
    return list(mine.steps[1:]) if "status" in sent else list(mine.steps)


def _go_on(case: Case, link: Link, mine: Outbox, rest: list[Json]) -> None:
    """The next step of a walk is an intention of its own, due at once."""
    case.outbox[link.id] = Outbox(
        id=case.hub.ids.new(), link_id=link.id, incident_id=case.incident.id, connection=link.connection, op="update",
        changes={"status": rest[-1]}, steps=rest, base_rev=link.rev, created_at=case.now, due_at=case.now,
    )  # fmt: skip


def _ours(entry: Change, name: str, was: Json, sent: Json, kind: KindCapability) -> bool:
    """Whether this entry of the vendor's history is what our write of this field makes of what stood there. was: what we had
    seen there: of a set we send what to add to it and remove from it, and others may have added theirs meanwhile."""
    if entry.field != name:
        return False
    if entry.after == sent:
        return True
    asked = request({name: sent}, {name: was}, kind)[name]
    if kind.fields[name].many != "set" or not isinstance(asked, dict) or not isinstance(entry.after, list):
        return False
    return set(entry.after) == (set(entry.before or ()) | set(asked["add"])) - set(asked["remove"])


def _after(trail: Sequence[Change], name: str, known: Json) -> Sequence[Change]:
    """What came after the entry that made what a look has shown since our write: all before it has been judged."""
    made = [i for i, entry in enumerate(trail) if entry.field == name and entry.after == known]
    return trail[made[-1] + 1 :] if made else trail


def _gap(
    case: Case, link: Link, was: Fields, sent: Fields, trail: Sequence[Change], started: datetime, ended: datetime
) -> None:
    """Somebody else's edit between our read and our write, as the vendor's history shows it: our own entry then starts from
    a value that we had not seen. It goes through the merge like any other edit."""
    foreign: dict[str, Json] = {}
    kind = case.hub.capabilities(link.connection).kinds[link.kind]
    for name, value in sent.items():
        if was.get(name) == value and name in kind.fields and kind.fields[name].walks:
            continue  # this step was seen to be taken before: what leads up to it are our own earlier steps
        entries = [c for c in trail if c.field == name]
        at = next((i for i in range(len(entries) - 1, -1, -1) if entries[i].after == value), 0)
        # Ours may also be the entry of an earlier write whose outcome we did not learn: then nothing came before it.
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
"""What a vendor names whose conditional write found that the object is no longer as it was read."""


def settle_error(hub: Hub, row: Outbox, error: VendorError) -> bool:
    """One of the four errors; see the table at the end of this file."""
    with _mine(hub, row) as owned:
        if owned is None:
            return False
        case, link, mine = owned
        if not isinstance(error, Refused):
            breaker.failed(case.connections[link.connection], error, case.now)
        else:
            _well(case, link)
        mine.error, mine.error_class, mine.owner = error.words, type(error).__name__, None
        for cls, handle in ERRORS.items():
            if isinstance(error, cls):
                return handle(case, link, mine, error)
        return False


def _later(case: Case, link: Link, mine: Outbox, error: VendorError) -> bool:
    """Nothing happened: again, after what the vendor asked for or a growing pause."""
    throttled = isinstance(error, RetryLater) and error.throttled
    mine.attempts -= throttled
    pause = breaker.backoff(case.hub, mine.attempts, error)
    mine.state = "unknown" if mine.unknowns and mine.last_sent_at else "due"
    if not mine.unknowns:
        mine.first_sent_at = None  # as if never sent: what changes meanwhile needs its approval like any draft
    mine.due_at = case.now + timedelta(seconds=pause)
    link.reason = error.words
    return False


def _unknown(case: Case, link: Link, mine: Outbox, error: VendorError) -> bool:
    """It may have happened: find out, when the vendor's own time is over."""
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
    """The vendor will say no again. One bad field must not hold up the others: they are then written one by one."""
    field_at_fault = error.field if isinstance(error, Refused) else None
    if link.state in TOMBSTONES:  # let go of meanwhile: it stays so, and nobody waits for this any more
        end(case, mine, "withdrawn")
        return False
    if mine.op == "update" and field_at_fault == VERSION:  # somebody was faster: read again, merge, and plan anew
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
"""error → what becomes of the intention. Unauthorised waits like a vendor that is down: the breaker says so to people."""
