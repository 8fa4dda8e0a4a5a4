"""Changes of an incident in the PagerDuty stand-in, whether a person, the API, an event or a time-out makes them.

Each method changes the state, writes the log, and queues the webhooks that PagerDuty sends. PagerDuty sends no webhook
for a changed title or urgency, a snooze, an edited or deleted note, or a merge. Log entries have no `channel`: in
PagerDuty's API document no value matches exactly one kind of channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from adapters.pagerduty.sandbox.payloads import iso, webhook_incident
from adapters.pagerduty.sandbox.state import Alert, Incident, Note, Payload, Service, State, reference
from adapters.pagerduty.sandbox.webhooks import Webhooks

EVENTS_DELAY = 3.0
"""Seconds from the 202 of the Events API until the incident exists or changes."""

STATUS_LOG = {"acknowledged": "acknowledge", "resolved": "resolve"}


class Lifecycle:
    """Changes the incidents of `state` and queues a webhook for each change.

    agent: the reference of the user or service that makes the change.
    """

    def __init__(self, state: State, webhooks: Webhooks) -> None:
        self._state = state
        self._webhooks = webhooks

    def _now(self) -> datetime:
        return self._state.clock.now()

    def _service(self, incident: Incident) -> Service:
        return self._state.services[incident.service]

    def _log(self, incident: Incident, kind: str, agent: Payload, **more: Any) -> None:
        service = self._service(incident)
        incident.log.append(
            {
                **reference("log_entry", self._state.id("R"), kind),
                "type": f"{kind}_log_entry",
                "created_at": iso(self._now()),
                "agent": agent,
                "service": service.ref(),
                "incident": incident.ref(),
                "teams": [],
                **more,
            }
        )

    def _announce(self, event: str, incident: Incident, agent: Payload | None, data: Payload | None = None) -> None:
        state = self._state
        shown = data or webhook_incident(incident, state.users, state.services, state.priorities)
        self._webhooks.announce(event, shown, agent, about=incident.id, service=incident.service)

    def _touch(self, incident: Incident) -> None:
        incident.updated_at = self._now()

    def by_policy(self, incident: Incident, level: int = 1) -> None:
        """Assigns the users whom the escalation policy names at this level (from 1)."""
        service = self._service(incident)
        incident.level = max(1, min(level, len(service.levels)))
        incident.assignees = sorted(service.levels[incident.level - 1]) if service.levels else []
        incident.assigned_via = "escalation_policy"
        delay = service.escalation_delay
        more = delay is not None and incident.level < len(service.levels)
        incident.escalates = self._now() + timedelta(seconds=delay) if more and delay else None

    def create(
        self,
        service: Service,
        title: str,
        agent: Payload,
        *,
        assignees: Sequence[str] = (),
        requester: str = "",
        **more: Any,
    ) -> Incident:
        now, state = self._now(), self._state
        state.number += 1
        id = state.id("Q")
        incident = Incident(id, state.number, title, service.id, service.policy, now, now, now, agent, **more)
        state.incidents[id] = incident
        if assignees:
            incident.assignees, incident.assigned_via = sorted(assignees), "direct_assignment"
        else:
            self.by_policy(incident)
        self._log(incident, "trigger", agent)
        self._announce("incident.triggered", incident, agent)
        if requester and list(assignees) == [requester]:
            self.set_status(incident, "acknowledged", agent)
        return incident

    def set_status(self, incident: Incident, status: str, agent: Payload, requester: str = "") -> None:
        """Does nothing if the incident has this status already; reopens it if it was resolved."""
        before = incident.status
        if before == status:
            return
        incident.status, incident.status_at, incident.status_by = status, self._now(), agent
        incident.runs_out = incident.escalates = None
        self._touch(incident)
        if before == "resolved":
            self._reopen(incident, agent, requester)
        elif status == "triggered":
            self._log(incident, "unacknowledge", agent)
            self.by_policy(incident, incident.level)
            self._announce("incident.unacknowledged", incident, agent)
            return
        if status == "resolved":
            incident.resolved_at, incident.assignees = self._now(), []
            for alert in incident.alerts:
                alert.status = "resolved"
        if status == "acknowledged":
            timeout = self._service(incident).acknowledgement_timeout
            incident.runs_out = self._now() + timedelta(seconds=timeout) if timeout is not None else None
        if status in STATUS_LOG:
            self._log(incident, STATUS_LOG[status], agent)
            self._announce(f"incident.{status}", incident, agent)

    def _reopen(self, incident: Incident, agent: Payload, requester: str) -> None:
        incident.resolved_at = None
        if incident.status == "acknowledged" and requester:
            incident.assignees, incident.assigned_via = [requester], "direct_assignment"
        else:
            self.by_policy(incident)
        self._log(incident, "trigger", agent)
        self._announce("incident.reopened", incident, agent)

    def assign(self, incident: Incident, users: Sequence[str], agent: Payload) -> None:
        if sorted(users) == incident.assignees and incident.assigned_via == "direct_assignment":
            return
        incident.assignees, incident.assigned_via, incident.escalates = sorted(users), "direct_assignment", None
        self._touch(incident)
        self._log(incident, "assign", agent, assignees=[self._state.users[u].ref() for u in incident.assignees])
        self._announce("incident.reassigned", incident, agent)

    def escalate(self, incident: Incident, level: int, agent: Payload) -> None:
        self.by_policy(incident, level)
        self._touch(incident)
        self._log(incident, "escalate", agent, assignees=[self._state.users[u].ref() for u in incident.assignees])
        self._announce("incident.escalated", incident, agent)

    def delegate(self, incident: Incident, agent: Payload) -> None:
        """Reassigns the incident to an escalation policy (here: the service's own)."""
        self.by_policy(incident)
        self._touch(incident)
        self._log(incident, "delegate", agent, assignees=[self._state.users[u].ref() for u in incident.assignees])
        self._announce("incident.delegated", incident, agent)

    def set_priority(self, incident: Incident, name: str | None, agent: Payload) -> None:
        if incident.priority != name:
            incident.priority = name
            self._touch(incident)
            self._announce("incident.priority_updated", incident, agent)

    def set_urgency(self, incident: Incident, urgency: str, agent: Payload) -> None:
        if incident.urgency != urgency:
            incident.urgency = urgency
            self._touch(incident)
            self._log(incident, "urgency_change", agent)

    def set_title(self, incident: Incident, title: str) -> None:
        if incident.title != title:
            incident.title = title
            self._touch(incident)

    def set_service(self, incident: Incident, service: str, agent: Payload) -> None:
        if incident.service != service:
            incident.service = service
            self._touch(incident)
            self._announce("incident.service_updated", incident, agent)

    def snooze(self, incident: Incident, seconds: float, agent: Payload) -> None:
        now = self._now()
        if incident.status != "acknowledged":
            incident.status, incident.status_at, incident.status_by = "acknowledged", now, agent
        incident.runs_out, incident.escalates = now + timedelta(seconds=seconds), None
        self._touch(incident)
        self._log(incident, "snooze", agent, changed_actions=[{"type": "unacknowledge", "at": iso(incident.runs_out)}])

    def merge(self, target: Incident, sources: Sequence[Incident], agent: Payload) -> None:
        """Moves the sources' alerts to the target and resolves the sources. Only these resolutions send webhooks."""
        for source in sources:
            target.alerts += source.alerts
            source.alerts = []
            source.merged_into = target.id
            self.set_status(source, "resolved", agent)
        self._touch(target)

    def note(self, incident: Incident, content: str, agent: Payload) -> Note:
        now = self._now()
        note = Note(self._state.id("P"), content, agent, now, now)
        incident.notes.append(note)
        self._log(incident, "annotate", agent, note=content)
        data = {
            "incident": incident.ref(),
            "id": note.id,
            "content": content,
            "trimmed": False,
            "type": "incident_note",
        }
        self._announce("incident.annotated", incident, agent, data)
        return note

    def edit_note(self, incident: Incident, note: str, text: str) -> None:
        found = next(n for n in incident.notes if n.id == note)
        found.content, found.updated_at = text, self._now()

    def delete_note(self, incident: Incident, note: str) -> None:
        incident.notes = [n for n in incident.notes if n.id != note]

    def resolve_with(self, incident: Incident, agent: Payload, resolution: str | None) -> None:
        """Resolves the incident; a resolution note becomes a note, with a webhook of its own."""
        self.set_status(incident, "resolved", agent)
        if resolution:
            self.note(incident, f"Resolution Note: {resolution}", agent)

    def publish(self, incident: Incident, message: str, agent: Payload) -> Payload:
        update = {"id": self._state.id("P"), "message": message, "created_at": iso(self._now()), "sender": agent}
        incident.updates.append(update)
        data = {"incident": incident.ref(), "id": update["id"], "message": message, "trimmed": False}
        self._announce("incident.status_update_published", incident, agent, {**data, "type": "incident_status_update"})
        return update

    def set_custom_fields(self, incident: Incident, values: Sequence[Payload], agent: Payload | None) -> None:
        old = [{**v, "value": incident.custom_fields.get(v["name"])} for v in values]
        incident.custom_fields |= {v["name"]: v["value"] for v in values}
        data = {"incident": incident.ref(), "custom_fields": list(values), "changed_custom_fields": old}
        event = "incident.custom_field_values.updated"
        self._announce(event, incident, agent, {**data, "type": "incident_field_values"})

    # Events API v2: an event is accepted at once and takes effect `EVENTS_DELAY` seconds later.

    def accept_event(self, body: Payload) -> None:
        self._state.events.append((self._now() + timedelta(seconds=EVENTS_DELAY), body))

    def apply_events(self, until: datetime | None = None) -> None:
        """Applies the accepted events that are due at `until`, or all of them if it is None."""
        accepted = self._state.events
        self._state.events = [(at, body) for at, body in accepted if until is not None and at > until]
        for at, body in accepted:
            if until is None or at <= until:
                self.event(body)

    def event(self, body: Payload) -> None:
        """Folds a trigger into the open alert with its dedup key; without one, any other event is dropped silently."""
        service = next((s for s in self._state.services.values() if s.routing_key == body["routing_key"]), None)
        if service is None:
            return
        agent, key = service.ref(), body["dedup_key"]
        found = next(
            (i for i in self._state.incidents.values() if i.service == service.id and i.open
             and any(a.key == key and a.status == "triggered" for a in i.alerts)), None,
        )  # fmt: skip
        if body["event_action"] == "trigger" and found is None:
            payload = body["payload"]
            alert = Alert(self._state.id("P"), key, payload["summary"], self._now())
            urgency = "high" if payload["severity"] in ("critical", "error") else "low"
            self.create(service, payload["summary"], agent, urgency=urgency, alerts=[alert])
        elif body["event_action"] == "acknowledge" and found is not None:
            self.set_status(found, "acknowledged", agent)
        elif body["event_action"] == "resolve" and found is not None:
            for alert in found.alerts:
                alert.status = "resolved" if alert.key == key else alert.status
            if all(a.status == "resolved" for a in found.alerts):
                self.set_status(found, "resolved", agent)

    def pass_time(self) -> None:
        """Ends acknowledgements that have timed out and makes the escalations that are due."""
        for incident in list(self._state.incidents.values()):
            agent = self._service(incident).ref()
            if incident.status == "acknowledged" and incident.runs_out and incident.runs_out <= self._now():
                self.set_status(incident, "triggered", agent)
            elif incident.status == "triggered" and incident.escalates and incident.escalates <= self._now():
                self.escalate(incident, incident.level + 1, agent)
