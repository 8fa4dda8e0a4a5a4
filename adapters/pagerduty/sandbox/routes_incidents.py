"""The PagerDuty stand-in's REST v2 routes for incidents, notes, status updates and log entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Response, request

from adapters.pagerduty.sandbox.lifecycle import Lifecycle
from adapters.pagerduty.sandbox.payloads import rest_alert, rest_note
from adapters.pagerduty.sandbox.routing import Problem, Route, Routes, answer, invalid
from adapters.pagerduty.sandbox.state import Incident, Payload, State

MOST_NOTES = 2000
MONTH = timedelta(days=31)


class IncidentRoutes(Routes):
    """Routes for incidents and what belongs to them."""

    def __init__(self, state: State, lifecycle: Lifecycle) -> None:
        super().__init__(state)
        self.lifecycle = lifecycle

    def routes(self) -> Sequence[Route]:
        one, note = "/incidents/<id>", "/incidents/<id>/notes/<note>"
        return (
            ("GET", "/incidents", self.list_incidents),
            ("POST", "/incidents", self.create_incident),
            ("GET", one, self.get_incident),
            ("PUT", one, self.put_incident),
            ("PUT", f"{one}/merge", self.merge),
            ("POST", f"{one}/snooze", self.snooze),
            ("GET", f"{one}/notes", self.list_notes),
            ("POST", f"{one}/notes", self.create_note),
            ("PUT", note, self.put_note),
            ("DELETE", note, self.delete_note),
            ("POST", f"{one}/status_updates", self.publish),
            ("GET", f"{one}/alerts", self.list_alerts),
            ("GET", f"{one}/log_entries", self.incident_log),
            ("GET", "/log_entries", self.account_log),
        )

    def list_incidents(self) -> Payload:
        statuses, key = request.args.getlist("statuses[]"), request.args.get("incident_key")
        services = request.args.getlist("service_ids[]")
        from_ = self.since() or self.state.clock.now() - MONTH
        found = []
        for i in self.state.incidents.values():
            if (
                i.id in self.state.hidden
                or (statuses and i.status not in statuses)
                or (services and i.service not in services)
            ):
                continue
            if request.args.get("date_range") != "all" and i.created_at < from_:
                continue
            if key is not None and not (any(a.key == key for a in i.alerts) if i.alerts else i.key == key):
                continue
            found.append(i)
        by, _, way = request.args.get("sort_by", "created_at:asc").partition(":")
        if by not in ("created_at", "incident_number"):
            raise invalid(f"cannot sort by {by}")
        found.sort(key=lambda i: i.number, reverse=way == "desc")
        return self.page("incidents", found, self.shown)

    def create_incident(self) -> Response:
        user, data = self.sender(), self.body("incident")
        service = self.state.services.get(str((data.get("service") or {}).get("id")))
        if data.get("type") != "incident":
            raise invalid("Type must be incident")
        if not data.get("title") or service is None:
            raise invalid("Title cannot be blank" if not data.get("title") else "Service not found")
        key = data.get("incident_key")
        if key and any(i.key == key and i.open and i.service == service.id for i in self.state.incidents.values()):
            raise Problem(
                400, 2002, "Arguments Caused Error", "Open incident with matching dedup key already exists on this service"
            )  # fmt: skip
        if data.get("assignments") and data.get("escalation_policy"):
            raise invalid("Assignments and escalation policy cannot both be given")
        people = self.people(data["assignments"]) if data.get("assignments") else []
        details = (data.get("body") or {}).get("details") or ""
        if not isinstance(details, str):
            raise invalid("Body details must be a string")
        made = self.lifecycle.create(
            service, data["title"], self.state.agent(user), assignees=people, requester=user, key=key or self.state.ids.new(),
            urgency=self.urgency(data.get("urgency", "high")), priority=self.priority(data.get("priority")), details=details,
        )  # fmt: skip
        return answer({"incident": self.shown(made)}, 201)

    def get_incident(self, id: str) -> Payload:
        return {"incident": self.shown(self.incident(id))}

    def put_incident(self, id: str) -> Payload:
        user, data, i = self.sender(), self.body("incident"), self.incident(id)
        agent, lifecycle = self.state.agent(user), self.lifecycle
        status = data.get("status", i.status)
        self.check(i, data, status)
        priority = self.priority(data["priority"]) if "priority" in data else i.priority
        people = self.people(data["assignments"]) if "assignments" in data else None
        if "title" in data:
            lifecycle.set_title(i, data["title"])
        lifecycle.set_urgency(i, self.urgency(data.get("urgency", i.urgency)), agent)
        lifecycle.set_priority(i, priority, agent)
        if "service" in data:
            lifecycle.set_service(i, data["service"]["id"], agent)
        if status == "resolved":
            lifecycle.resolve_with(i, agent, data.get("resolution"))
        else:
            lifecycle.set_status(i, status, agent, user)
        if people is not None:
            lifecycle.assign(i, people, agent)
        elif "escalation_level" in data:
            lifecycle.escalate(i, int(data["escalation_level"]), agent)
        elif "escalation_policy" in data:
            lifecycle.delegate(i, agent)
        return {"incident": self.shown(i)}

    def check(self, i: Incident, data: Payload, status: str) -> None:
        """Checks everything in a PUT before any of it is applied. Raises Problem."""
        if data.get("type") not in ("incident", "incident_reference"):
            raise invalid("Type must be incident or incident_reference")
        if status not in ("triggered", "acknowledged", "resolved"):
            raise invalid("Status is not one of triggered, acknowledged, resolved")
        if (i.status, status) == ("acknowledged", "triggered"):
            raise invalid("An acknowledged incident cannot be put back to triggered")
        if "title" in data and not data["title"]:
            raise invalid("Title cannot be blank")
        if "service" in data and (data["service"] or {}).get("id") not in self.state.services:
            raise invalid("Service not found")
        if "assignments" in data and status == "resolved":
            raise invalid("A resolved incident cannot be assigned")
        if i.merged_into and status != "resolved":
            raise invalid("A merged incident cannot be reopened")

    def people(self, assignments: Any) -> list[str]:
        given = [str((a.get("assignee") or {}).get("id")) for a in assignments] if isinstance(assignments, list) else []
        if not given or any(g not in self.state.users for g in given):
            raise invalid("Assignees must be at least one user of the account")
        return given

    def urgency(self, word: Any) -> str:
        if word not in ("high", "low"):
            raise invalid("Urgency must be high or low")
        return str(word)

    def priority(self, given: Any) -> str | None:
        if given is None:
            return None
        if not self.state.priorities:
            raise invalid("Priorities are not enabled for this account")
        wanted = given.get("id") if isinstance(given, dict) else self.state.priorities.get(str(given))
        for name, id in self.state.priorities.items():
            if id == wanted:
                return name
        raise invalid("Priority not found")

    def merge(self, id: str) -> Payload:
        user, target = self.sender(), self.incident(id)
        listed = (request.get_json(silent=True) or {}).get("source_incidents") or []
        sources = [self.incident(str(s.get("id"))) for s in listed]
        if not sources or not target.open:
            raise invalid("The target incident must be open, and there must be source incidents")
        if any(not s.alerts and not s.by_hand for s in sources):
            raise invalid("Only incidents with alerts or made by hand can be merged")
        self.lifecycle.merge(target, sources, self.state.agent(user))
        return {"incident": self.shown(target)}

    def snooze(self, id: str) -> Response:
        user, incident = self.sender(), self.incident(id)
        seconds = (request.get_json(silent=True) or {}).get("duration")
        if not isinstance(seconds, int) or not 1 <= seconds <= 604_800 or not incident.open:
            raise invalid("Duration must be between 1 and 604800 seconds, of an open incident")
        self.lifecycle.snooze(incident, seconds, self.state.agent(user))
        return answer({"incident": self.shown(incident)}, 201)

    def list_alerts(self, id: str) -> Payload:
        incident = self.incident(id)
        return self.page("alerts", [rest_alert(a, incident, self.state.services) for a in incident.alerts])

    def incident_log(self, id: str) -> Payload:
        return self.log([self.incident(id)])

    def account_log(self) -> Payload:
        return self.log([i for i in self.state.incidents.values() if i.id not in self.state.hidden])

    def log(self, incidents: Sequence[Incident]) -> Payload:
        """Newest first."""
        since = self.since()
        entries = [(e["created_at"], n, e) for i in incidents for n, e in enumerate(i.log)]
        if since:
            entries = [e for e in entries if datetime.fromisoformat(e[0].replace("Z", "+00:00")) >= since]
        entries.sort(key=lambda e: (e[0], e[1]), reverse=True)
        return self.page("log_entries", [e[2] for e in entries])

    # Notes, status updates and log entries of an incident.

    def list_notes(self, id: str) -> Payload:
        return {"notes": [rest_note(n) for n in self.incident(id).notes]}

    def content(self) -> str:
        content = self.body("note").get("content")
        if not isinstance(content, str) or not content.strip():
            raise invalid("Content cannot be blank")
        return content

    def create_note(self, id: str) -> Payload:
        user, incident = self.sender(), self.incident(id)
        if len(incident.notes) >= MOST_NOTES:
            raise invalid("Incident has reached the maximum number of notes")
        return {"note": rest_note(self.lifecycle.note(incident, self.content(), self.state.agent(user)))}

    def put_note(self, id: str, note: str) -> Payload:
        self.sender()
        incident = self.incident(id)
        for found in incident.notes:
            if found.id == note:
                self.lifecycle.edit_note(incident, note, self.content())
                return {"note": rest_note(found)}
        raise Problem(404, 2100, "Not Found")

    def delete_note(self, id: str, note: str) -> Response:
        incident = self.incident(id)
        if not any(n.id == note for n in incident.notes):
            raise Problem(404, 2100, "Not Found")
        self.lifecycle.delete_note(incident, note)
        return answer(None, 204)

    def publish(self, id: str) -> Payload:
        user, incident = self.sender(), self.incident(id)
        message = (request.get_json(silent=True) or {}).get("message")
        if not isinstance(message, str) or not message:
            raise invalid("Message cannot be blank")
        return {"status_update": self.lifecycle.publish(incident, message, self.state.agent(user))}
