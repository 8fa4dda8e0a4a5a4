"""The pairs of tasks that race: for each, the state at the start, and what each of the two workers does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from hub import services
from hub.domain.values import COMMENT, INCIDENT, Request
from hub.store import connections as connection_rows
from hub.store import inbox as inbox_rows
from hub.store.connections import move_cursor
from hub.store.records import Unmatched, save
from hub.sync import tasks
from hub.sync.hub import LEASE, Hub
from tests.engine.races.place import Place
from tests.engine.races.schedule import point
from tests.simulation.vendor import webhook

Act = Callable[[Hub], object]


@dataclass(frozen=True)
class Pair:
    """begin: brings the place into the state at the start, and returns the two actions. resent: a lease expires during the race,
    so that a write may be sent again, and a duplicate be made and closed."""

    name: str
    begin: Callable[[Place], tuple[Act, Act]]
    resent: bool = False


def _task(task: str, name: str) -> Act:
    return lambda hub: tasks.run(hub, task, name)


def _late(place: Place, act: Act) -> Act:
    """The same action after every lease has expired."""

    def later(hub: Hub) -> object:
        place.clock.advance(LEASE + 1)
        point("later")
        return act(hub)

    return later


def _opened(place: Place, **fields: object) -> str:
    given = {"title": "Checkout fails", "severity": "SEV2", "services": ["search"], **fields}
    return str(services.open_incident(place.rest, given, actor="ada")["id"])


def _in_step(place: Place, **fields: object) -> str:
    """Makes an incident that all its systems show, and lets the pause after the last write pass."""
    id = _opened(place, **fields)
    place.settle()
    place.clock.advance(30)
    return id


def _edit(place: Place, incident: str, **fields: object) -> Act:
    return lambda hub: services.edit_incident(hub, incident, fields, actor="bob")


# --- reading and writing one object -----------------------------------------------------------------------------------


def refresh_and_deliver(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    place.servers["jira"].change(place.thing("jira"), "severity", "High", "JU-ada")
    place.hint("jira")
    _edit(place, id, title="Payment fails")(place.rest)
    link = place.link("jira")
    return _task("refresh", link), _task("deliver", link)


def refresh_and_deliver_the_same_field(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    place.servers["jira"].change(place.thing("jira"), "title", "Jira says", "JU-ada")
    place.hint("jira")
    place.clock.advance(5)
    _edit(place, id, title="We say")(place.rest)
    link = place.link("jira")
    return _task("refresh", link), _task("deliver", link)


def two_refreshes(place: Place) -> tuple[Act, Act]:
    _in_step(place)
    place.servers["jira"].change(place.thing("jira"), "title", "Jira says", "JU-ada")
    place.hint("jira")
    link = place.link("jira")
    return _task("refresh", link), _task("refresh", link)


def refreshes_of_two_systems(place: Place) -> tuple[Act, Act]:
    _in_step(place)
    place.servers["jira"].change(place.thing("jira"), "title", "Jira says", "JU-ada")
    place.servers["pd"].change(place.thing("pd"), "status", "acknowledged", "PU-ada")
    place.hint("jira")
    place.hint("pd")
    return _task("refresh", place.link("jira")), _task("refresh", place.link("pd"))


def two_deliver_one_update(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    _edit(place, id, title="Payment fails")(place.rest)
    link = place.link("jira")
    return _task("deliver", link), _task("deliver", link)


def two_deliver_one_create(place: Place) -> tuple[Act, Act]:
    _opened(place)
    link = place.link("jira")
    return _task("deliver", link), _task("deliver", link)


def delivers_to_two_systems(place: Place) -> tuple[Act, Act]:
    _opened(place)
    return _task("deliver", place.link("jira")), _task("deliver", place.link("pd"))


def a_worker_comes_back_after_its_lease(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    _edit(place, id, title="Payment fails")(place.rest)
    link = place.link("pd")
    return _task("deliver", link), _late(place, _task("deliver", link))


def a_worker_comes_back_after_its_create(place: Place) -> tuple[Act, Act]:
    _opened(place)
    link = place.link("jira")
    return _task("deliver", link), _late(place, _task("deliver", link))


def a_worker_comes_back_when_another_has_claimed(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    _edit(place, id, title="Payment fails")(place.rest)
    link = place.link("pd")
    late = _late(place, _task("deliver", link))

    def twice(hub: Hub) -> None:
        late(hub)  # it may have been sent: the worker waits
        late(hub)  # the vendor's time limit is over: the worker claims

    return _task("deliver", link), twice


# --- people against workers -------------------------------------------------------------------------------------------


def edit_and_create(place: Place) -> tuple[Act, Act]:
    id = _opened(place)
    return _edit(place, id, title="Payment fails"), _task("deliver", place.link("jira"))


def edit_and_update(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    _edit(place, id, title="Payment fails")(place.rest)
    return _edit(place, id, title="Payment fails, and search"), _task("deliver", place.link("jira"))


def edit_and_take_back(place: Place) -> tuple[Act, Act]:
    """The edit is taken back while its intention is carried out."""
    id = _in_step(place)
    _edit(place, id, title="Payment fails")(place.rest)
    return _edit(place, id, title="Checkout fails"), _task("deliver", place.link("jira"))


def edit_and_plan(place: Place) -> tuple[Act, Act]:
    id = _in_step(place, severity="SEV4")
    return _edit(place, id, severity="SEV1"), _task("plan", id)


def edit_and_refresh(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    place.servers["pd"].change(place.thing("pd"), "status", "acknowledged", "PU-ada")
    place.hint("pd")
    return _edit(place, id, title="Payment fails"), _task("refresh", place.link("pd"))


def two_edits(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    return _edit(place, id, title="Payment fails"), _edit(place, id, severity="SEV1", tags=["db"])


def two_comments(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)

    def say(text: str) -> Act:
        return lambda hub: services.add_comment(hub, id, text, actor="bob")

    return say("One"), say("Two")


def comment_deleted_while_it_is_posted(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    comment = services.add_comment(place.rest, id, "Wrong room", actor="bob")["id"]
    delete: Act = lambda hub: services.edit_comment(hub, comment, None, actor="bob")  # noqa: E731
    return delete, _task("deliver", place.link("jira", COMMENT))


def unlink_and_create(place: Place) -> tuple[Act, Act]:
    _opened(place)
    link = place.link("jira")
    return (lambda hub: services.unlink(hub, link, actor="bob")), _task("deliver", link)


def unlink_and_refresh(place: Place) -> tuple[Act, Act]:
    _in_step(place)
    place.servers["jira"].change(place.thing("jira"), "title", "Jira says", "JU-ada")
    place.hint("jira")
    link = place.link("jira")
    return (lambda hub: services.unlink(hub, link, actor="bob")), _task("refresh", link)


def approval_and_edit(place: Place) -> tuple[Act, Act]:
    id = _in_step(place, services=["checkout"], public_title="We look into it")
    link = place.link("page")
    digest = services.show_link(place.rest, link)["content_hash"]

    def approve(hub: Hub) -> None:
        try:
            services.approve_link(hub, link, digest, actor="cy")
        except services.Conflict:
            return

    return approve, _edit(place, id, public_title="We found it")


# --- inbound ----------------------------------------------------------------------------------------------------------


def _arrives(place: Place, request: Request) -> None:
    delivery = request.headers["x-delivery"]
    inbox_rows.keep(place.rest.store, place.rest.ids.new(), "jira", delivery, request)


def _changed(place: Place) -> None:
    """Changes the title of Jira's object, and sends the webhook."""
    jira, thing = place.servers["jira"], place.thing("jira")
    jira.change(thing, "title", "Jira says", "JU-ada")
    _arrives(place, webhook(jira, "changed", thing.ref, "JU-ada", place.clock.now()))


def webhook_and_refresh(place: Place) -> tuple[Act, Act]:
    _in_step(place)
    place.servers["jira"].change(place.thing("jira"), "severity", "High", "JU-ada")
    place.hint("jira")
    _changed(place)
    return _task("inbox", "jira"), _task("refresh", place.link("jira"))


def webhook_and_edit(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    _changed(place)
    return _task("inbox", "jira"), _edit(place, id, severity="SEV1")


def webhooks_of_one_object_and_edit(place: Place) -> tuple[Act, Act]:
    id = _in_step(place)
    _changed(place)
    jira, thing = place.servers["jira"], place.thing("jira")
    _arrives(place, webhook(jira, "changed", thing.ref, "JU-ada", place.clock.now()))
    return _task("inbox", "jira"), _edit(place, id, severity="SEV1")


def webhooks_of_two_objects_and_poll(place: Place) -> tuple[Act, Act]:
    _in_step(place)
    _in_step(place, title="Search is slow")
    jira, now = place.servers["jira"], place.clock.now()
    with place.rest.store.unit() as tx:
        since = {"at": (now - timedelta(seconds=20)).isoformat(), "skip": 0}
        move_cursor(tx, "jira", since, None, now)
    for thing in jira.of_kind(INCIDENT):
        jira.change(thing, "title", f"Jira says ({thing.ref.id})", "JU-ada")
    for thing in reversed(jira.of_kind(INCIDENT)):  # the poll lists them in the opposite order
        _arrives(place, webhook(jira, "changed", thing.ref, "JU-ada", now))
    return _task("inbox", "jira"), _task("poll", "jira")


def two_read_one_inbox(place: Place) -> tuple[Act, Act]:
    _in_step(place)
    _changed(place)
    return _task("inbox", "jira"), _task("inbox", "jira")


def two_read_one_command(place: Place) -> tuple[Act, Act]:
    _in_step(place)
    jira, thing = place.servers["jira"], place.thing("jira")
    said = webhook(jira, "command", thing.ref, "JU-ada", place.clock.now(), verb="sev", argument="1")
    _arrives(place, said)
    return _task("inbox", "jira"), _task("inbox", "jira")


def webhook_and_poll(place: Place) -> tuple[Act, Act]:
    _in_step(place)
    with place.rest.store.unit() as tx:
        since = {"at": (place.clock.now() - timedelta(seconds=20)).isoformat(), "skip": 0}
        move_cursor(tx, "jira", since, None, place.clock.now())
    _changed(place)
    return _task("inbox", "jira"), _task("poll", "jira")


def poll_and_switch(place: Place) -> tuple[Act, Act]:
    acts = webhook_and_poll(place)
    _edit(place, place.incident(), severity="SEV1")(place.rest)
    return acts[1], lambda hub: services.set_connection(hub, "jira", "enabled", actor="ada")


def two_hear_that_it_is_well_again(place: Place) -> tuple[Act, Act]:
    acts = webhook_and_poll(place)
    place.hint("jira")
    with place.rest.store.unit() as tx:
        jira = connection_rows.get(tx, "jira")
        assert jira is not None
        jira.failures, jira.open_until = 9, place.clock.now()
        save(tx, jira)
    return acts[1], _task("refresh", place.link("jira"))


def _unmatched(place: Place, connection: str, **fields: object) -> str:
    server = place.servers[connection]
    thing = server.make(INCIDENT, fields, "JU-ada" if connection == "jira" else "PU-ada")
    unmatched = Unmatched(
        id=place.rest.ids.new(), connection=connection, remote_kind=INCIDENT, remote_id=thing.ref.id,
        first_seen=place.clock.now(), due_at=place.clock.now(),
    )  # fmt: skip
    with place.rest.store.unit() as tx:
        save(tx, unmatched)
    return unmatched.id


def two_adopt_one(place: Place) -> tuple[Act, Act]:
    unmatched = _unmatched(place, "pd", title="Mail is slow", status="triggered", services="PS-mail", severity=None)
    return _task("adopt", unmatched), _task("adopt", unmatched)


def two_open_with_one_key(place: Place) -> tuple[Act, Act]:
    def opens(hub: Hub) -> object:
        given = {"title": "Mail is slow", "severity": "SEV2", "services": ["mail"]}
        return services.open_incident(hub, given, actor="ada", dedup_key="mail")

    return opens, opens


def adoption_and_opening(place: Place) -> tuple[Act, Act]:
    unmatched = _unmatched(place, "pd", title="Mail is slow", status="triggered", services="PS-mail", severity=None)
    opens: Act = lambda hub: services.open_incident(hub, {"title": "Something else"}, actor="ada")  # noqa: E731
    return _task("adopt", unmatched), opens


def merge_and_deliver(place: Place) -> tuple[Act, Act]:
    first = _in_step(place)
    second = _in_step(place, title="Search is slow")
    _edit(place, second, severity="SEV1")(place.rest)
    merge: Act = lambda hub: services.merge_incidents(hub, second, first, actor="bob")  # noqa: E731
    return merge, _task("deliver", place.link("jira"))


def merge_and_create(place: Place) -> tuple[Act, Act]:
    first = _in_step(place)
    second = _opened(place, title="Search is slow")
    merge: Act = lambda hub: services.merge_incidents(hub, second, first, actor="bob")  # noqa: E731
    return merge, _task("deliver", place.link("jira"))


PAIRS = [
    Pair(act.__name__, act, resent=act.__name__.startswith("a_worker_comes_back"))
    for act in (
        refresh_and_deliver, refresh_and_deliver_the_same_field, two_refreshes, refreshes_of_two_systems, two_deliver_one_update,
        two_deliver_one_create, delivers_to_two_systems, a_worker_comes_back_after_its_lease,
        a_worker_comes_back_after_its_create, a_worker_comes_back_when_another_has_claimed, edit_and_create, edit_and_update, edit_and_take_back, edit_and_plan,
        edit_and_refresh, two_edits, two_comments, comment_deleted_while_it_is_posted, unlink_and_create, unlink_and_refresh,
        approval_and_edit, webhook_and_refresh, webhook_and_edit, webhooks_of_one_object_and_edit, webhooks_of_two_objects_and_poll, two_read_one_inbox, two_read_one_command,
        webhook_and_poll, poll_and_switch, two_hear_that_it_is_well_again,
        two_adopt_one, two_open_with_one_key, adoption_and_opening, merge_and_deliver,
        merge_and_create,
    )
]  # fmt: skip

__all__ = ["PAIRS", "Pair"]
