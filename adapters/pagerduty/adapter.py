"""One connection to PagerDuty: the adapter protocol over `client` (calls), `wire` (values), `webhooks`, `polling`,
`subscription` and `probing`. Nothing here retries, sleeps or limits its rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

from adapters.marks import sign, unsign
from adapters.pagerduty import webhooks, wire
from adapters.pagerduty.capability import Settings, capabilities, relations
from adapters.pagerduty.client import PAGE, Client, Events, Missing, Payload, Used
from adapters.pagerduty.history import status_history
from adapters.pagerduty.people import Requesters
from adapters.pagerduty.polling import Poll
from adapters.pagerduty.probing import Probe
from adapters.pagerduty.subscription import Subscription
from adapters.registry import Spec
from hub.domain.errors import OutcomeUnknown, Refused, VendorError
from hub.domain.values import (
    COMMENT,
    INCIDENT,
    UPDATE,
    Change,
    Changes,
    Desired,
    Fields,
    Finding,
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
from hub.ports import Adapter, Secrets

PROTOCOL = 1
NAME = "pagerduty"
SETTINGS = frozenset(Settings.__dataclass_fields__)

V = TypeVar("V")


def needs(settings: Mapping[str, Any]) -> Mapping[str, str]:
    """See `adapters.registry`."""
    return {"pypd": "lockstep-hub[pagerduty]"}


def build(spec: Spec) -> Adapter:
    """Raises ValueError (or VocabularyGap) that names the setting or table."""
    return LinkingPagerDuty(spec) if spec.settings.get("custom_field") else PagerDuty(spec)


class PagerDuty:
    """See `hub.ports.Adapter`; also a Historian, Subscribes and Probes."""

    def __init__(self, spec: Spec) -> None:
        settings = Settings.read(spec.name, spec.settings)
        self.capabilities = capabilities(settings)
        self.relations: Mapping[str, Mapping[str, Relation]] = relations(spec.name, settings, spec.vocabulary)
        self._settings = settings
        self._client = Client(spec.wire, spec.clock, spec.secrets, settings.api_url)
        self._events = Events(self._client.transport, spec.secrets, settings.events_url)
        self._requesters = Requesters(self._client, settings.from_email)
        self._poll = Poll(self._client, settings, spec.clock, self._listed)
        self._subscription = Subscription(self._client, settings, spec.notebook)
        self._probe = Probe(self._client, settings, spec)
        self._priorities: dict[str, str] = {}
        self._alert_keys: dict[str, str | None] = {}
        self._by_escalation: dict[str, tuple[Json, bool]] = {}

    # Incoming.

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        """The delivery id, which is the event's own (`webhooks.authenticate` says why). Raises InvalidSignature."""
        return webhooks.authenticate(request, secrets.all("webhook_secret"))

    def hints(self, request: Request) -> Sequence[Hint]:
        return webhooks.hints(request.body)

    # Reading.

    def observe(self, ref: Ref) -> Observation:
        """Reads an incident with all its notes (2 reads; 3 if its escalation policy has just assigned it), or a note
        from its incident's list (PagerDuty cannot read a single one). Status updates cannot be read. A 404 is
        "absent"."""
        try:
            if ref.kind == INCIDENT:
                return self._incident(ref, self._client.notes)
            if ref.kind == COMMENT and ref.parent:
                note = self._note(ref)
                return wire.note(note, Ref(INCIDENT, ref.parent)) if note else Observation(ref, state="absent")
        except Missing:
            pass
        return Observation(ref, state="absent")

    def no_id(self, id: str) -> str | None:
        return None if id.isascii() and id.isalnum() else f"{id[:40]!r} is no id of a PagerDuty incident"

    def read_fields(self, ref: Ref) -> Observation:
        """Reads an incident without its notes (1 read; 2 if its escalation policy has just assigned it)."""
        try:
            return self._incident(ref, None)
        except Missing:
            return Observation(ref, state="absent")

    def _incident(self, ref: Ref, notes: Callable[[str], Sequence[Payload]] | None) -> Observation:
        incident = self._client.incident(ref.id)
        return wire.observation(
            incident, notes=notes(ref.id) if notes else None, by_escalation=self._escalated(incident),
            alert_key=self._alert_key(incident),
        )  # fmt: skip

    def find(self, mark: Mark) -> Sequence[Observation]:
        """Finds an incident by its incident key (PagerDuty also finds it by its alerts' keys), or a note by its mark
        line."""
        if mark.kind == INCIDENT:
            return [self._listed(i, False) for i in self._keyed(wire.key_of(mark.key))]
        if mark.kind == COMMENT and mark.parent:
            try:
                notes = self._client.notes(mark.parent.id)
            except Missing:
                return []
            found = [wire.note(n, mark.parent) for n in notes]
            return sorted((o for o in found if o.mark == mark.key), key=lambda o: str(o.created_at))
        return []

    def changed_since(self, cursor: Json | None) -> Changes:
        return self._poll.since(cursor)

    def history(self, ref: Ref, since: Json | None) -> tuple[Sequence[Change], Json]:
        """The changes of an incident's status, by its log entries (`history.py`)."""
        return status_history(self._client, ref, since)

    def _note(self, ref: Ref) -> Payload | None:
        return next((n for n in self._client.notes(str(ref.parent)) if n["id"] == ref.id), None)

    def _keyed(self, key: str) -> list[Payload]:
        """Every incident, open or not, with this incident key or alert key, oldest first."""
        return self._client.incidents(incident_key=key, date_range="all", sort_by="created_at:asc")

    def _listed(self, incident: Payload, by_escalation: bool) -> Observation:
        return wire.observation(incident, by_escalation=by_escalation, alert_key=self._alert_key(incident))

    def _escalated(self, incident: Payload) -> bool:
        """Whether an escalation assigned the present assignees. The result is kept, and the log is not read again,
        until the assignees, `assigned_via`, or whether the incident is resolved changes."""
        who: Json = [
            incident.get("assigned_via"),
            incident.get("status") == wire.RESOLVED,
            *sorted(wire.assignee_ids(incident)),
        ]
        known, found = self._by_escalation.get(incident["id"], (None, False))
        if known != who:
            found = self._poll.escalated(incident)
        _remember(self._by_escalation, incident["id"], (who, found))
        return found

    def _alert_key(self, incident: Payload) -> str | None:
        """The key of the first alert of an incident that came from events. It never changes: read once."""
        if self._settings.create_by != "events" or incident.get("incident_key"):
            return None
        if incident["id"] not in self._alert_keys:
            path = f"incidents/{quote(incident['id'], safe='')}/alerts"
            alert = next(self._client.pages(path, "alerts", PAGE, sort_by="created_at"), {})
            key = alert.get("alert_key")
            _remember(self._alert_keys, incident["id"], key if isinstance(key, str) else None)
        return self._alert_keys[incident["id"]]

    def _answered(self, incident: Payload) -> Written:
        """The response to a write. It has no log: whether an escalation assigned it is taken from the last read."""
        _, escalated = self._by_escalation.get(incident["id"], (None, False))
        escalated = escalated and incident.get("assigned_via") == "escalation_policy"
        seen = self._listed(incident, escalated)
        return Written(seen.ref, url=seen.url, observation=seen)

    # Writing.

    def create(self, desired: Desired, mark: Mark) -> Written:
        """Creates an incident with its mark as incident key (or dedup key), a note with its mark line, or a status
        update."""
        if desired.kind == INCIDENT and self._settings.create_by == "events":
            return self._trigger(desired, mark)
        if desired.kind == INCIDENT:
            return self._create_incident(desired, mark)
        if desired.parent is None:
            raise Refused(f"cannot create a {desired.kind} without its incident")
        sender = self._requesters.sender(desired.actor)
        text = str(desired.fields.get("text") or "")
        if desired.kind == COMMENT:
            content = sign(text, mark.key, desired.context.get("author"))
            note = wire.note(self._client.create_note(sender, desired.parent.id, content), desired.parent)
            return Written(note.ref, observation=note)
        update = self._client.publish(sender, desired.parent.id, text)
        return Written(Ref(UPDATE, update["id"], desired.parent.id))

    def _create_incident(self, desired: Desired, mark: Mark) -> Written:
        """PagerDuty refuses a key that an open incident already has with 400, and does not return that incident."""
        data = self._body(desired.fields)
        data |= {
            "type": "incident",
            "title": str(desired.fields.get("title") or ""),
            "incident_key": wire.key_of(mark.key),
        }
        people = desired.fields.get("assignees") or [] if self._settings.assign else []
        if people:
            data["assignments"] = wire.assignments(people)
        elif self._settings.escalation_policy:
            data["escalation_policy"] = wire.reference("escalation_policy", self._settings.escalation_policy)
        if desired.fields.get("description"):
            data["body"] = {"type": "incident_body", "details": str(desired.fields["description"])}
        service = desired.fields.get("services") or self._settings.default_service
        if not service:
            raise Refused(
                "none of this incident's services is mapped to a PagerDuty service; map one, or set `default_service`",
                "services",
            )
        data["service"] = wire.reference("service", service)
        # PagerDuty acknowledges an incident whose creator is its assignee, so `from_email` is the sender then.
        sender = self._requesters.sender(desired.actor, unlike=people)
        try:
            incident = self._client.create_incident(sender, data)
        except Used:
            found = self._keyed(data["incident_key"])
            if not found:
                raise
            written = self._answered(found[-1])
            return Written(written.ref, url=written.url, observation=written.observation, existed=True)
        return self._answered(self._raised(incident, sender, desired.fields.get("status")))

    def _raised(self, incident: Payload, sender: str, status: Json) -> Payload:
        """PagerDuty creates incidents as triggered; any other status needs a second write. If that fails, the incident
        exists nevertheless: this raises OutcomeUnknown, and `find` finds the incident."""
        if status == incident.get("status") or status not in (wire.ACKNOWLEDGED, wire.RESOLVED):
            return incident
        try:
            return self._client.update_incident(sender, incident["id"], {"status": status})
        except VendorError as error:
            raise OutcomeUnknown(f"created, but not yet {status}: {error.words}") from None

    def _trigger(self, desired: Desired, mark: Mark) -> Written:
        """Creates an incident through the Events API, which accepts the event before the incident exists. Raises
        OutcomeUnknown while it is not visible; `find` finds it later, and PagerDuty merges a second trigger with the
        same key into the first."""
        severity = desired.fields.get("severity") or [None, "high"]
        key = wire.key_of(mark.key)
        title, details = str(desired.fields.get("title") or ""), str(desired.fields.get("description") or "")
        url = desired.context.get("url")
        self._events.send(wire.trigger(self._events.routing_key(), key, title, str(severity[1]), details, url))
        try:
            found = self._keyed(key)
        except VendorError:
            found = []
        if not found:
            raise OutcomeUnknown("PagerDuty accepted the event; its incident appears some seconds later")
        return self._answered(found[-1])

    def update(self, ref: Ref, update: Update) -> Written:
        """Changes all fields of an incident by one PUT; or edits or deletes a note."""
        sender = self._requesters.sender(update.actor)
        if ref.kind == COMMENT and ref.parent:
            return self._update_note(ref, update, sender)
        if ref.kind != INCIDENT:
            raise Refused(f"PagerDuty's API cannot change a {ref.kind}")
        if self._settings.status_by == "events" and set(update.changes) == {"status"} and self._by_event(ref, update):
            return Written(ref)
        data = self._body(update.changes)
        if "status" in update.changes:
            data["status"] = update.changes["status"]
        if "title" in update.changes:
            data["title"] = update.changes["title"]
        if "assignees" in update.changes and update.desired.get("status") != wire.RESOLVED:
            data["assignments"] = wire.assignments(self._assignees(ref, update))
        if not data:
            # The only change was to the assignees of a resolved incident, which has none: nothing to write.
            return self._answered(self._client.incident(ref.id))
        incident = self._client.update_incident(sender, ref.id, data)
        return self._answered(incident)

    def _by_event(self, ref: Ref, update: Update) -> bool:
        """Acknowledges or resolves through the Events API, if the hub created the incident by an event."""
        action = {wire.ACKNOWLEDGED: "acknowledge", wire.RESOLVED: "resolve"}.get(update.changes["status"])
        key = self._alert_key(self._client.incident(ref.id))
        if action is None or wire.mark_of(key) is None:
            return False
        self._events.follow_up(action, str(key))
        return True

    def _update_note(self, ref: Ref, update: Update, sender: str) -> Written:
        parent = str(ref.parent)
        if update.changes.get("deleted"):
            with suppress(Missing):  # already deleted
                self._client.delete_note(sender, parent, ref.id)
            return Written(ref)
        note = self._note(ref)
        if note is None:
            raise Missing(
                f"note {ref.id} of incident {parent} was not found: it was deleted, or the API key may not see it"
            )
        key = unsign(str(note.get("content") or ""))[1]
        text = str(update.changes.get("text") or "")
        content = sign(text, key, update.context.get("author")) if key else text
        seen = wire.note(self._client.update_note(sender, parent, ref.id, content), Ref(INCIDENT, parent))
        return Written(seen.ref, observation=seen)

    def _body(self, fields: Any) -> Payload:
        """The parts of a request body that are the same for creating and changing an incident."""
        if "severity" not in fields:
            return {}
        name, urgency = fields["severity"]
        data: Payload = {"urgency": urgency}
        if name is not None:
            data["priority"] = wire.reference("priority", self._priority(name))
        return data

    def _priority(self, name: str) -> str:
        """A priority's id, by its name. The list is read again for an unknown name."""
        if name not in self._priorities:
            listed = self._client.pages("priorities", "priorities")
            self._priorities = {str(p.get("name") or p.get("summary")): str(p.get("id")) for p in listed}
        if name not in self._priorities:
            raise Refused(f"PagerDuty has no priority called {name!r}", "severity")
        return self._priorities[name]

    def _assignees(self, ref: Ref, update: Update) -> set[str]:
        change = update.changes["assignees"]
        now = update.desired.get("assignees")
        if now is None:
            now = wire.assignee_ids(self._client.incident(ref.id))
        if not isinstance(change, dict):
            wanted = set(change or ())
        else:
            wanted = (set(now) | set(change.get("add", ()))) - set(change.get("remove", ()))
        if not wanted:
            raise Refused("PagerDuty does not allow an open incident without an assignee", "assignees")
        return wanted

    # Webhook subscription and doctor.

    def subscribe(self, url: str, secrets: Secrets) -> Json:
        return self._subscription.subscribe(url, secrets)

    def renew(self, subscription: Json, secrets: Secrets) -> Json:
        return self._subscription.renew(subscription, secrets)

    def probe(self) -> None:
        self._client.request("GET", "abilities")

    def examine(self) -> Sequence[Finding]:
        return self._probe.examine()


class LinkingPagerDuty(PagerDuty):
    """A connection whose settings name an incident custom field: also a LinksBack."""

    def link_back(self, ref: Ref, context: Fields) -> None:
        """Write the incident's address in the hub into the custom field. Raises Refused if the field is not defined."""
        if ref.kind == INCIDENT and context.get("url"):
            self._client.set_custom_field(ref.id, self._settings.custom_field, str(context["url"]))


def _remember(memory: dict[str, V], id: str, value: V, most: int = 4096) -> None:
    """Store in a bounded cache; the oldest entries are dropped, and a restart empties it."""
    memory.pop(id, None)
    memory[id] = value
    while len(memory) > most:
        memory.pop(next(iter(memory)), None)
