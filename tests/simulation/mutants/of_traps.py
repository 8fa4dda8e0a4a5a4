"""The traps of the design, one by one."""

from __future__ import annotations

from tests.simulation.mutants.mutant import (
    APART,
    APPROVAL,
    BOUNDED,
    ECHO,
    FENCING,
    HEARD,
    INTENTION,
    LEGAL,
    LOOKED,
    LOST,
    ONCE,
    ONE,
    SOURCE,
    Edit,
    Mutant,
)

DELIVER, SETTLE, OBSERVING = (
    "hub/sync/outbound/deliver.py",
    "hub/sync/outbound/settle.py",
    "hub/sync/incident/observe.py",
)
PLANNING, ADOPT, MERGE = "hub/sync/incident/plan.py", "hub/sync/inbound/adopt.py", "hub/domain/merge.py"
AUTHORITY, SERVICES = "hub/domain/authority.toml", "hub/services"

OF_TRAPS = (
    # 1: the same field, edited in the gap between our read and our write
    Mutant(
        "the history is not looked at after a write", "trap 1", SETTLE,
        "_gap(case, link, was, sent, trail, started, ended)", "_ = trail",
        (LOST,), needs=("gap",),
    ),
    Mutant(
        "written without reading again", "trap 1", DELIVER,
        "if claim.expired or _differs(hub, link, seen):", "if claim.expired:",
        (LOST, LEGAL, ECHO),
    ),
    Mutant(
        "a conditional write without the condition", "trap 1", DELIVER,
        "{**claim.desired, **changes}, expected,", "{**claim.desired, **changes}, None,",
        ("conditional writes carry the version",),
    ),
    Mutant(
        "a stale version accepted", "trap 1", DELIVER,
        "expected = seen.version or expected", "expected = adapter.observe(ref).version or seen.version or expected",
        (LOST,), needs=("cards", "gap", "interleave"),
    ),
    # 2: another field, edited in that gap
    Mutant(
        "the whole answer is taken as the shadow", "trap 2", SETTLE,
        "link.shadow = {**link.shadow, **sent}",
        "link.shadow = {**link.shadow, **(written.observation.fields if written.observation else {}), **sent}",
        (LOST, APART), needs=("gap",),
    ),
    Mutant(
        "nothing is compared with the shadow", "trap 2", MERGE,
        "if before == theirs and name not in s.frozen:", "if False:",
        (ECHO, SOURCE, LOST),
    ),
    # 3: a create of unknown outcome
    Mutant(
        "nobody looks after a create of unknown outcome", "trap 3", DELIVER,
        "found = adapter.find(mark)", "found = ()",
        (LOOKED, ONE), needs=("lost_after",),
    ),
    Mutant(
        "one early look is enough", "trap 3", DELIVER,
        "if not decisive and row.last_sent_at is not None:", "if False:",
        (LOOKED, ONE), needs=("lands_late",),
    ),
    Mutant(
        "not written down before it is created", "trap 3", DELIVER,
        "row.first_sent_at = now", "pass",
        (INTENTION,),
    ),
    Mutant(
        "no fencing", "trap 3", SETTLE,
        ' or mine.fence != row.fence or mine.state != "claimed"', "",
        (FENCING,), needs=("pause", "unavailable", "throttled"),
    ),
    Mutant(
        "a claim without a new fence", "trap 3", DELIVER,
        "row.fence + 1", "row.fence",
        (FENCING,),
    ),
    Mutant(
        "the lease need not outlast the call", "trap 3", DELIVER,
        "(row.lease_until - hub.clock.now()).total_seconds() < LEASE / 3", "False",
        (FENCING, INTENTION), needs=("pause",),
    ),
    Mutant(
        "sent again on a time-out", "trap 3", SETTLE,
        "OutcomeUnknown: _unknown,", "OutcomeUnknown: _later,",
        (LOOKED, ONE), needs=("lost_after",),
    ),
    Mutant(
        "a late duplicate stays open", "trap 3", OBSERVING,
        "(seen.ref.kind, seen.ref.id) for k in case.links.values()):\n        return", "seen.ref for k in ()) or True:\n        return",
        (ONE,), needs=("lands_late", "overdue"),
    ),
    Mutant(
        "published again although it may have been", "trap 3", DELIVER,
        "if adapter.capabilities.public:", "if False:",
        ("public once or not at all",), needs=("lost_after", "press"),
    ),
    # 4: our own walk through a workflow
    Mutant(
        "a walk begins before its steps are stored", "trap 4", DELIVER,
        "if len(steps) > 1 or len(changes) > 1:", "if False:",
        (ECHO, SOURCE), needs=("crash",),
    ),
    Mutant(
        "the middle of our own walk is news", "trap 4", OBSERVING,
        'name: [value, *(row.steps or ())] if name == "status" else [value] for', "name: [value] for",
        (ECHO, SOURCE), needs=("lost_after",),
        also=(Edit(SETTLE, '{**mine.changes, "status": mine.steps[0]} if mine.steps else dict(mine.changes)', "{}"),),
    ),
    Mutant(
        "a walk in one leap", "trap 4", DELIVER,
        "others or {walking: row.steps[0]}", "others or {walking: row.steps[-1]}",
        (LEGAL,),
    ),
    # 5: a read that began before our write
    Mutant(
        "the revision rule is off", "trap 5", OBSERVING,
        "again = fresh(case, link, revs.get(link.id, -1), started)", "again = None",
        (ECHO, SOURCE, LOST, APART), needs=("pause",),
    ),
    Mutant(
        "a read within the vendor's lag is believed", "trap 5", OBSERVING,
        "if link.written_at is not None and started < link.written_at + lag:", "if False:",
        (ECHO, SOURCE, LOST, APART), needs=("stale_reads",),
        also=(Edit("hub/sync/inbound/refresh.py", "early = max(lease_end or now, earliest(hub, link, now))", "early = lease_end or now"),),
    ),
    Mutant(
        "merged while a write is in flight", "trap 5", OBSERVING,
        'if row is not None and row.state == "claimed":', "if False:",
        (ECHO, SOURCE, LOST, APART), needs=("pause",),
    ),
    # 6: a person who acts through the hub's own account
    Mutant(
        "what our own account did is no news", "trap 6", OBSERVING,
        "    if link.secondary or (item",
        '    if (seen.actor is not None and seen.actor.account == "lockstep-bot") or link.secondary or (item',
        (LOST, APART), needs=("impersonation",),
    ),
    Mutant(
        "our own account's line in the history is ours", "trap 6", SETTLE,
        "entries = [c for c in trail if c.field == name]",
        'entries = [c for c in trail if c.field == name and c.actor.account != "lockstep-bot"]',
        (LOST,), needs=("gap", "impersonation"),
    ),
    # 7: backward moves
    Mutant(
        "every system may make every move", "trap 7", "hub/domain/authority.py",
        'kind in row.take or "any" in row.take', "True",
        (SOURCE,),
    ),
    Mutant(
        "a time-out pulls later states back", "trap 7", AUTHORITY,
        'take = ["forward", "close", "reopen", "unacknowledge"]',
        'take = ["forward", "close", "reopen", "unacknowledge", "backward"]',
        (SOURCE,), needs=("expiry",),
    ),
    Mutant(
        "a reopen is not taken", "trap 7", AUTHORITY,
        'take = ["forward", "close", "reopen", "unacknowledge"]', 'take = ["forward", "close", "unacknowledge"]',
        ("who may is heard",),
    ),
    Mutant(
        "a resolve on the public page alone counts", "trap 7", "hub/domain/authority.py",
        "            return Verdict.REVIEW", "            return Verdict.TAKE",
        (SOURCE,), needs=("press",),
    ),
    # 8: a vendor's consequences
    Mutant(
        "a vendor's consequences are edits", "trap 8", MERGE,
        "if name in s.consequences:", "if False:",
        (ECHO, SOURCE),
    ),
    Mutant(
        "a vendor's consequences are written over", "trap 8", "hub/domain/plan.py",
        "name in shown.held or name in shown.consequences or", "name in shown.held or",
        ("a consequence is left alone",),
    ),
    # 9: recurrence
    Mutant(
        "a second open incident for one key", "trap 9", f"{SERVICES}/incidents.py",
        "if existing is not None:", "if False:",
        ("one open incident for a key",),
        also=(Edit("hub/store/tables.py", "incidents.c.dedup_key, unique=True,", "incidents.c.dedup_key,"),),
    ),
    Mutant(
        "a recurrence forgets the last time", "trap 9", "hub/sync/incident/case.py",
        "previous_id=previous.id if previous else None", "previous_id=None",
        ("one open incident for a key",), needs=("recurring",),
    ),
    # 10: merged incidents
    Mutant(
        "a merged object speaks for the incident", "trap 10", OBSERVING,
        "    if link.secondary or (item", "    if (item",
        (ECHO, SOURCE),
    ),
    Mutant(
        "a merged object follows everything", "trap 10", PLANNING,
        "    if link.secondary:\n", "    if False:\n",
        ("merged incidents are one", LEGAL),
    ),
    Mutant(
        "the loser keeps its links", "trap 10", "hub/sync/incident/merge_incidents.py",
        "            incident_rows.move_link(tx, link, rows_of[link.id], winner_id)", "            pass",
        ("merged incidents are one", APART),
    ),
    # 11: comments
    Mutant(
        "comments are matched by text", "trap 11", OBSERVING,
        "    public = child.ref.kind == UPDATE\n",
        "    if any(i.fields.get('text') == text for i in case.items.values()):\n        return\n"
        "    public = child.ref.kind == UPDATE\n",
        (HEARD,), needs=("same_words",),
    ),
    Mutant(
        "the mark on a comment is not looked at", "trap 11", OBSERVING,
        "    if child.mark is not None:\n", "    if False:\n",
        (ONCE, ONE, BOUNDED), needs=("lost_after",),
    ),
    Mutant(
        "restricted comments are copied", "trap 11", PLANNING,
        "return not item.restricted", "return True",
        ("restricted stays where it is",),
    ),
    Mutant(
        "a deleted comment stays in the copies", "trap 11", PLANNING,
        'if link.kind != INCIDENT and (link.duplicate or fields.get("deleted")):', "if link.kind != INCIDENT and link.duplicate:",
        (APART,),
    ),
    Mutant(
        "in a service desk customers read our comments", "trap 11", "adapters/jira/wire.py",
        "    if internal:\n        properties.append", "    if False:\n        properties.append",
        (), test="tests/adapters/jira/test_following.py::test_in_a_service_desk_our_comments_are_internal",
    ),
    # 12: 404 is not "deleted"
    Mutant(
        "not found is deleted", "trap 12", OBSERVING,
        'if seen.state == "deleted":\n        gone', 'if seen.state != "present":\n        gone',
        ("not found is not deleted",), needs=("hidden",),
    ),
    # 13: adoption
    Mutant(
        "adopted without looking for the mark", "trap 13", ADOPT,
        "if seen.mark is not None:", "if False:",
        ("adoption reads the mark", ONE, ECHO), needs=("lost_after",),
        also=(Edit(ADOPT, "if link_rows.unsettled_creates(tx, name, INCIDENT):", "if False:"),),
    ),
    Mutant(
        "adopted while a create of ours is unsettled", "trap 13", ADOPT,
        "if link_rows.unsettled_creates(tx, name, INCIDENT):", "if False:",
        ("adoption waits for our own create", ONE),
    ),
    Mutant(
        "maintenance is adopted", "trap 13", ADOPT,
        'if seen.type != "incident":', "if False:",
        ("what is never adopted",),
    ),
    Mutant(
        "what is older than the connection is adopted", "trap 13", ADOPT,
        "seen.created_at < activated_at", "False",
        ("what is never adopted",), needs=("attic",),
    ),
    Mutant(
        "of several that fit, the first is taken", "trap 13", ADOPT,
        "if len(candidates) > 1:", "if False:",
        ("adopted where one fits",), needs=("sprawl",),
    ),
    # 14: another integration on the same pair
    Mutant(
        "what another integration made is a new incident", "trap 14", ADOPT,
        "    if candidates:\n", "    if False:\n",
        ("adopted where one fits",),
    ),
    Mutant(
        "another integration on our services is not told of", "trap 14", "adapters/pagerduty/probing.py",
        'if "jira" in kind.lower() and (on & ours or not ours):', "if False:",
        (), test="tests/engine/sync/test_traps.py::test_trap_14_another_integration_on_the_same_pair_is_seen_by_the_doctor",
    ),
    # 15: held while the world moves on
    Mutant(
        "an approval is of any content", "trap 15", f"{SERVICES}/links.py",
        "if now != digest:", "if False:",
        (APPROVAL,), also=(Edit(PLANNING, "and link.approved_hash != digest:", "and link.approved_hash is None:"),),
    ),
    Mutant(
        "approved words may change afterwards", "trap 15", PLANNING,
        "and link.approved_hash != digest:", "and link.approved_hash is None:",
        (APPROVAL,),
    ),
    Mutant(
        "a draft outlives its incident", "trap 15", PLANNING,
        'return row is None and case.incident.fields.get("status") in CLOSED', "return False",
        ("a draft ends with its incident",),
    ),
    Mutant(
        "a draft that falls back to its approval ends at the next chance", "trap 15", PLANNING,
        'case.record("held", POLICY, link=link.id, hash=digest)\n        _withdraw(case, link)\n',
        'case.record("held", POLICY, link=link.id, hash=digest)\n',
        (), test="tests/engine/sync/test_traps.py::"
        "test_trap_15_an_approved_draft_whose_text_changes_as_the_incident_ends_is_withdrawn_by_the_same_plan",
    ),
)  # fmt: skip
