"""The promises of the design, and the flow that keeps them."""

from __future__ import annotations

from tests.simulation.mutants.mutant import (
    APART,
    APPROVAL,
    BOUNDED,
    ECHO,
    HEARD,
    KEPT,
    LOOKED,
    LOST,
    ONCE,
    ONE,
    SOURCE,
    TOMBSTONE,
    Edit,
    Mutant,
)

INTAKE, PLANNING, DELIVER = "hub/sync/inbound/intake.py", "hub/sync/incident/plan.py", "hub/sync/outbound/deliver.py"
SETTLE, OBSERVING, MERGE = "hub/sync/outbound/settle.py", "hub/sync/incident/observe.py", "hub/domain/merge.py"
RAISED = "no exception leaves a task"

OF_PROMISES = (
    # 1: accepted is kept, and takes effect once
    Mutant(
        "answered before it is kept", "promise 1", INTAKE,
        "new = _keep(hub, connection, delivery_id, secrets.without_them(request))", "new = True",
        (KEPT,),
    ),
    Mutant(
        "answered although it could not be kept", "promise 1", INTAKE,
        "        if hub.store.is_sqlite:\n            raise\n", "        if hub.store.is_sqlite:\n            return True\n",
        (KEPT,), needs=("full",),
    ),
    Mutant(
        "dedupe off", "promise 1", "hub/store/inbox.py",
        "sqlite.insert(inbox).on_conflict_do_nothing(_REPEATED)",
        "(lambda s: s.on_conflict_do_update(index_elements=_REPEATED, "
        "set_={n: s.excluded[n] for n in ('id', 'state', 'due_at')}))(sqlite.insert(inbox))",
        (ONCE,), needs=("webhook_duplicate", "webhook_late"),
    ),
    Mutant(
        "what a webhook says is applied whenever it is read", "promise 1", INTAKE,
        "or not _first_time(case.tx, row, position, hub):", "or False:",
        (ONCE,), needs=("crash",),
    ),
    Mutant(
        "a webhook with an invalid signature is taken in", "promise 1", "adapters/pagerduty/webhooks.py",
        "valid |= hmac.compare_digest(expected, signature)", "valid |= True",
        (), test="tests/contract/test_webhooks.py::test_a_request_with_an_invalid_signature_is_refused_whatever_is_wrong_with_it[pagerduty]",
    ),
    # 2: all systems end up showing the same
    Mutant(
        "polls find nothing", "promise 2", "hub/sync/inbound/poll.py",
        "elif link.state in TOMBSTONES or _as_known(hub, link, item):", "elif True:",
        (APART, LOST, HEARD), needs=("webhook_loss",),
    ),
    Mutant(
        "a refresh that is to come stays at the fields alone, whatever a poll tells", "promise 2", "hub/sync/inbound/poll.py",
        "elif not link.refresh_whole:", "elif False:",
        (), test="tests/simulation/test_found.py::test_a_comment_found_by_a_poll_is_read_although_a_fields_only_refresh_was_due",
    ),
    Mutant(
        "a refused field holds up the others", "promise 2", SETTLE,
        "mine.solo, mine.state, mine.due_at, mine.steps = True", "mine.solo, mine.state, mine.due_at, mine.steps = False",
        (BOUNDED, APART), needs=("refusals",),
    ),
    Mutant(
        "an unknown word is passed over", "promise 2", MERGE,
        "after.frozen[name] = e.word", "pass",
        ("an unknown word is left alone", BOUNDED), needs=("refusals",),
    ),
    # 3: no edit lost silently
    Mutant(
        "overruled without a word", "promise 3", MERGE,
        '_note(result, "overruled", c, rule, ours)', "pass",
        (LOST,),
    ),
    Mutant(
        "not allowed, and not said", "promise 3", MERGE,
        '_note(result, "overruled", c, "authority", ours)', "pass",
        (LOST,),
    ),
    Mutant(
        "what held a field first is not said", "promise 3", OBSERVING,
        'case.record(\n                "first_shown", link.connection, link=link.id, field=name, value=given.remote[name], rule="birth"\n            )', "pass",
        (), test="tests/simulation/test_found.py::test_what_a_person_did_to_a_new_ticket_before_we_first_read_it_is_kept_in_the_journal",
    ),
    Mutant(
        "an object that turns out to be ours is not read", "promise 3", OBSERVING,
        "    if link.kind == INCIDENT and case.hub.capabilities(link.connection).kinds[INCIDENT].reads:\n        link.refresh_due",
        "    if False:\n        link.refresh_due",
        (), test="tests/simulation/test_found.py::test_comments_made_before_a_card_was_found_are_merged",
    ),
    Mutant(
        "a refresh during a pause settles a write in doubt", "promise 3", "hub/sync/inbound/refresh.py",
        "settles=not doubtful", "settles=True",
        (),
        test="tests/simulation/test_found_in_doubt.py::test_what_came_between_our_read_and_our_write_is_found_after_a_pause_too",
    ),
    Mutant(
        "whom another has put there is taken for ours, whatever the history tells", "promise 3", OBSERVING,
        "if name not in proven", "if True",
        (),
        test="tests/simulation/test_found_in_doubt.py::test_whom_a_person_assigned_is_not_taken_for_our_own_write_in_doubt_that_never_came",
    ),
    Mutant(
        "our own part of a set is not known among others'", "promise 4", SETTLE,
        'return set(entry.after) == (set(entry.before or ()) | set(asked["add"])) - set(asked["remove"])', "return False",
        (),
        test="tests/simulation/test_found_in_doubt.py::test_who_was_assigned_by_a_write_in_doubt_is_no_edit_although_another_person_was_assigned_too",
    ),
    Mutant(
        "what we hold ourselves never changes", "promise 3", MERGE,
        "in_step = before != MISSING and relation.fits(ours, before)", "return []",
        (LOST, APART),
    ),
    # 4: no echo
    Mutant(
        "what fits is written all the same", "promise 4", "hub/domain/plan.py",
        "if relation.fits(fields[name], now):", "if fields[name] == now:",
        (ECHO, BOUNDED, APART),
    ),
    Mutant(
        "what we wrote is not remembered", "promise 4", SETTLE,
        "link.shadow = {**link.shadow, **sent}", "pass",
        (ECHO, SOURCE, BOUNDED),
    ),
    # 6: Redis emptied, processes killed
    Mutant(
        "a lost wake-up for a write is lost for good", "promise 6", "hub/store/due.py",
        '    ("deliver", outbox.c.link_id, outbox.c.due_at),\n', "",
        (APART, BOUNDED), needs=("wake_loss",),
    ),
    Mutant(
        "a lost wake-up for a look is lost for good", "promise 6", "hub/store/due.py",
        '    ("refresh", links.c.id, links.c.refresh_due),\n', "",
        (APART, BOUNDED), needs=("wake_loss",),
    ),
    Mutant(
        "a dead worker's claim is sent again at once", "promise 6", DELIVER,
        "if expired:  # a worker died", "if False:  # a worker died",
        (LOOKED, ONE, ECHO, LOST, SOURCE), needs=("crash",),
    ),
    Mutant(
        "called inside a transaction", "promise 6", "hub/sync/inbound/refresh.py",
        "            seen = adapter.observe(ref) if partial is None",
        "            with hub.store.reading():\n                seen = adapter.observe(ref) if partial is None",
        ("no call inside a transaction",),
    ),
    Mutant(
        "woken before it is committed", "promise 6", "hub/sync/incident/case.py",
        "            self.wakes.append((task, key))", "            self.hub.wake.wake(task, key)",
        ("no wake-up inside a transaction",),
    ),
    # 7: nothing public without what policy asks for
    Mutant(
        "published without asking", "promise 7", PLANNING,
        'state="held" if rule.hold else "pending"', 'state="pending"',
        (APPROVAL,), also=(Edit(PLANNING, "        if not rule.hold:\n", "        if True:\n"),),
    ),
    Mutant(
        "corrections need no approval", "promise 7", PLANNING,
        "free = hub.config.policy.public.free", "pass",
        (APPROVAL,),
    ),
    Mutant(
        "drafts of updates are published", "promise 7", PLANNING,
        'return isinstance(item, UpdateItem) and item.state == "approved"', "return isinstance(item, UpdateItem)",
        (APPROVAL,),
    ),
    Mutant(
        "public words from internal ones", "promise 7", PLANNING,
        'words = {"services": ", ".join(services) or "our services"}', 'words = {"services": case.incident.fields["title"]}',
        ("nothing public from internal words",),
    ),
    # 8: duplicates are bounded and journaled
    Mutant(
        "a closed duplicate is not journaled", "promise 8", OBSERVING,
        'case.record("duplicate", link.connection, link=link.id, duplicate=extra.id, id=seen.ref.id)', "pass",
        (ONE,), needs=("lands_late", "overdue"),
    ),
    Mutant(
        "a possible duplicate is not journaled", "promise 8", SETTLE,
        'case.record("possible_duplicate", link.connection, link=link.id, unknowns=mine.unknowns)', "pass",
        (ONE,), needs=("lost_after",),
    ),
    # a tombstone is a person's word
    Mutant(
        "tombstones are planned for", "promise 2", PLANNING,
        'if link.state in TOMBSTONES or link.state == "unreachable" or state == "disabled":', 'if state == "disabled":',
        (TOMBSTONE, ECHO, APART, BOUNDED),
    ),
    Mutant(
        "let go of, and written all the same", "promise 2", DELIVER,
        "if link.state in TOMBSTONES:  # unlinked or gone", "if False:  # unlinked or gone",
        (), test="tests/simulation/test_found.py::test_what_is_let_go_of_between_our_read_and_our_write_is_not_written",
        also=(Edit(DELIVER, "if state is None or state in TOMBSTONES:  # unlinked by", "if state is None:  # unlinked by"),),
    ),
    Mutant(
        "of an incident's items only the comments are loaded", "promise 2", "hub/store/incidents.py",
        "for columns in rows(tx, ITEMS, id=incident_id)}", 'for columns in rows(tx, ITEMS, id=incident_id) if columns["kind"] == "comment"}',
        (RAISED,),
    ),
    Mutant(
        "a merged incident leaves its comments behind", "promise 2", "hub/sync/incident/merge_incidents.py",
        "incident_rows.move_items(tx, loser_id, winner_id)", "pass",
        (RAISED,),
    ),
    Mutant(
        "of many lines of the journal only the first is written", "promise 2", "hub/store/journal.py",
        "rows if len(rows) > 1 else rows[0]", "rows[0]",
        ("journal chains unbroken", LOST),
    ),
    Mutant(
        "the circuit breaker never closes", "promise 2", "hub/sync/limits/breaker.py",
        "connection.failures, connection.open_until, connection.reason = 0, None, None", "pass",
        (APART, LOST, BOUNDED, HEARD),
    ),
    Mutant(
        "a write that is settled stays open", "promise 6", "hub/sync/incident/case.py",
        "for row in self.settled:\n            save(self.tx, row)", "pass",
        (LOST, ECHO, APART, ONE, LOOKED, BOUNDED, RAISED),
    ),
)  # fmt: skip
