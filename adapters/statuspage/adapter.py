"""Atlassian Statuspage: one page as a connection. Settings, secrets, promises and limits are in `README.md` here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from adapters.flags import flag
from adapters.http import understood
from adapters.registry import Spec
from adapters.statuspage import subscribing, webhooks, wire
from adapters.statuspage.capability import CAPABILITIES, TEXT_LIMIT
from adapters.statuspage.client import API, Client
from adapters.statuspages import PAGE_IMPACTS, SERVICES, listed, relations
from hub.domain.errors import OutcomeUnknown, Refused
from hub.domain.values import (
    INCIDENT,
    UPDATE,
    Change,
    Changes,
    Desired,
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
from hub.ports import Secrets

PROTOCOL = 1
NAME = "statuspage"
PLACE = ("page_id",)
SETTINGS = frozenset({"page_id", "webhook_email", "notify", "notify_changes", "api_url"})

CLOCK_SLACK = timedelta(hours=1)
"""How far the vendor's clock may be behind the hub's when the object of a create is searched for."""
POLL_OVERLAP = timedelta(seconds=120)


def build(spec: Spec) -> StatuspageAdapter:
    """Raises ValueError that names the connection and the wrong setting or word table."""
    return StatuspageAdapter(spec)


class StatuspageAdapter:
    """`Adapter`, `Historian`, `Subscribes`, `Probes`."""

    def __init__(self, spec: Spec) -> None:
        page = spec.settings.get("page_id")
        if not isinstance(page, str) or not page:
            raise ValueError(f"connection {spec.name}: page_id is missing (Statuspage: Manage account, API info)")
        self.name = spec.name
        self.capabilities = CAPABILITIES
        self.relations: Mapping[str, Mapping[str, Relation]] = relations(
            spec.name,
            spec.vocabulary,
            statuses=wire.STATUS_WORDS,
            impacts=wire.COMPONENT_WORDS,
            severities=wire.IMPACT_WORDS,
            text_limit=TEXT_LIMIT,
        )
        self._notify = flag(spec.name, spec.settings, "notify", True)
        self._notify_changes = flag(spec.name, spec.settings, "notify_changes", False)
        self._components = [str(theirs) for _, theirs in spec.vocabulary.get(SERVICES, ())]
        self._email = str(spec.settings.get("webhook_email") or "")
        self._ids = spec.ids
        self._clock = spec.clock
        api = str(spec.settings.get("api_url") or API)
        self._secrets = spec.secrets
        self._client = Client(spec.wire, spec.secrets, spec.clock, page, api)

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        return webhooks.authenticate(request, secrets)

    def hints(self, request: Request) -> Sequence[Hint]:
        return webhooks.hints(request)

    def observe(self, ref: Ref) -> Observation:
        incident = self._incident(ref.parent or "" if ref.kind == UPDATE else ref.id)
        if incident is None:
            return Observation(ref, state="absent")
        if ref.kind == INCIDENT:
            return wire.observation(incident)
        marks = wire.update_marks(incident)
        for update in wire.updates_of(incident):
            if update["id"] == ref.id:
                return wire.update_observation(str(incident["id"]), update, marks.get(ref.id))
        return Observation(ref, state="absent")

    def no_id(self, id: str) -> str | None:
        return None if wire.ID.match(id) else f"{id[:40]!r} is no id of a Statuspage incident"

    def find(self, mark: Mark) -> Sequence[Observation]:
        if mark.kind == UPDATE:
            incident = self._incident(mark.parent.id) if mark.parent else None
            born = wire.children(incident, guess=mark.key) if incident else ()
            return [child for child in born if child.mark == mark.key]
        oldest = mark.since - CLOCK_SLACK
        found: dict[str, dict[str, Any]] = {}
        for incident in self._client.walk("/incidents/unresolved"):
            if wire.mark_of(incident) == mark.key:
                found[str(incident["id"])] = incident
        for incident in self._client.walk("/incidents", size="limit"):
            if wire.mark_of(incident) == mark.key:
                found[str(incident["id"])] = incident
            if (wire.when(incident.get("created_at")) or oldest) < oldest:
                break
        return sorted((wire.observation(i) for i in found.values()), key=lambda o: (str(o.created_at), o.ref.id))

    def create(self, desired: Desired, mark: Mark) -> Written:
        if desired.kind == INCIDENT:
            answer = self._client.write("POST", "/incidents", wire.creation(desired, mark, self._notify))
            return self._written(answer)
        if desired.kind == UPDATE and desired.parent:
            return self._publish(desired, desired.parent, mark)
        raise Refused(f"Statuspage has no {desired.kind}")

    def update(self, ref: Ref, update: Update) -> Written:
        if ref.kind == INCIDENT:
            shown = self.observe(ref).fields.get(PAGE_IMPACTS) if wire.only_leaving(update) else None
            body = wire.change(update, self._notify_changes, shown)
            return self._written(self._client.write("PATCH", f"/incidents/{quote(ref.id, safe='')}", body))
        if ref.kind == UPDATE and ref.parent and set(update.changes) == {"text"}:
            path = f"/incidents/{quote(ref.parent, safe='')}/incident_updates/{quote(ref.id, safe='')}"
            body = {"incident_update": {"body": update.changes["text"], "deliver_notifications": False}}
            answer = self._client.write("PATCH", path, body)
            if not isinstance(answer, dict) or not answer.get("id"):
                return Written(ref)
            seen = wire.update_observation(ref.parent, answer)
            return Written(ref, version=seen.version, observation=seen)
        raise Refused(f"Statuspage cannot change {', '.join(sorted(update.changes))} of an {ref.kind}")

    def changed_since(self, cursor: Json | None) -> Changes:
        """Lists all unresolved incidents, and after the first poll those changed since. A component's change does not
        change its incident's `updated_at`, so every unresolved incident is listed each time."""
        seen = {str(i["id"]): i for i in self._client.walk("/incidents/unresolved")}
        since = wire.when(cursor.get("at")) if isinstance(cursor, dict) else None
        newest = max((t for i in seen.values() if (t := wire.when(i.get("updated_at")))), default=since)
        if since is not None:
            for incident in self._client.walk("/incidents", size="limit"):
                touched = wire.when(incident.get("updated_at"))
                if touched and newest:
                    newest = max(newest, touched)
                if touched and touched >= since - POLL_OVERLAP:
                    seen.setdefault(str(incident["id"]), incident)
                if (wire.when(incident.get("created_at")) or since) < since - timedelta(days=7):
                    break
        known = cursor.get("texts") if isinstance(cursor, dict) else None
        items, texts = listed([wire.observation(i) for i in seen.values()], known)
        at = newest or self._clock.now() - POLL_OVERLAP
        return Changes(items, {"at": at.isoformat(), "texts": texts})

    def history(self, ref: Ref, since: Json | None) -> tuple[Sequence[Change], Json]:
        """Changes of status, from the incident's updates. The other fields have no history."""
        incident = self._incident(ref.id)
        if incident is None:
            return [], since
        return wire.status_changes(incident, since)

    def subscribe(self, url: str, secrets: Secrets) -> Json:
        return subscribing.subscribe(self._client, url, self._email, secrets, self._ids)

    def renew(self, subscription: Json, secrets: Secrets) -> Json:
        return subscribing.subscribe(self._client, str(subscription["url"]), self._email, secrets, self._ids)

    def probe(self) -> None:
        page = self._client.get("")
        if page is not None:
            understood(page, dict, "id")
        else:
            raise Refused("HTTP 404: the page does not exist, or the key may not see it; check page_id and api_key")

    def examine(self) -> Sequence[Finding]:
        return subscribing.examine(self._client, self._components, self._secrets)

    def _incident(self, id: str) -> dict[str, Any] | None:
        found = self._client.get(f"/incidents/{quote(id, safe='')}") if id else None
        return None if found is None else understood(found, dict, "id")

    def _written(self, answer: Any) -> Written:
        if not isinstance(answer, dict) or not answer.get("id"):
            raise OutcomeUnknown("Statuspage's response has no incident id")
        seen = wire.observation(answer)
        return Written(seen.ref, seen.url, seen.version, seen)

    def _publish(self, desired: Desired, parent: Ref, mark: Mark) -> Written:
        incident = self._incident(parent.id)
        if incident is None:
            raise Refused(
                "HTTP 404: the incident was deleted, or is on another page; check it, or run `lockstep link unlink`"
            )
        answer, existed = incident, wire.publishes(incident, mark.key)
        if not existed:
            body = wire.publication(incident, desired.fields, mark, self._notify)
            answer = self._client.write("PATCH", f"/incidents/{quote(parent.id, safe='')}", body)
        if not isinstance(answer, dict) or not answer.get("id"):
            raise OutcomeUnknown("Statuspage's response has no incident id")
        born = [child for child in wire.children(answer, guess=mark.key) if child.mark == mark.key]
        if not born:
            raise OutcomeUnknown("Statuspage's response does not contain the published text")
        return Written(born[0].ref, version=born[0].version, observation=born[0], existed=existed)
