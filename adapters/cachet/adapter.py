"""Cachet v3: one installation as a connection. Settings, secrets, promises and limits are in `README.md` here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from adapters.cachet import wire
from adapters.cachet.capability import capabilities
from adapters.cachet.client import Client
from adapters.cachet.examining import examine
from adapters.flags import flag
from adapters.http import parsing, understood
from adapters.registry import Spec
from adapters.statuspages import PAGE_IMPACTS, SERVICES, STATUS, as_map, entries_after, listed, relations
from hub.domain.errors import InvalidSignature, OutcomeUnknown, Refused, Unusable, VendorError
from hub.domain.values import (
    INCIDENT,
    UPDATE,
    Changed,
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
NAME = "cachet"
PLACE = ("url",)
SETTINGS = frozenset({"url", "api_url", "impact_message", "notify"})


def build(spec: Spec) -> CachetAdapter:
    """Raises ValueError that names the connection and the wrong setting or word table."""
    return CachetAdapter(spec)


class CachetAdapter:
    """`Adapter`, `Probes`. There are no webhooks: Cachet is polled."""

    def __init__(self, spec: Spec) -> None:
        url = spec.settings.get("url")
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise ValueError(
                f"connection {spec.name}: url is missing (where the page is, such as https://status.acme.com)"
            )
        self._mapped = [str(theirs) for _, theirs in spec.vocabulary.get(SERVICES, ())]
        for id in self._mapped:
            if not (id.isascii() and id.isdecimal()):
                raise ValueError(
                    f"connection {spec.name}, field services: component {id!r} is not one of Cachet's numbers"
                )
        self.name = spec.name
        self._page = url.rstrip("/")
        self._sentence = str(spec.settings.get("impact_message") or "").strip()
        self._notify = flag(spec.name, spec.settings, "notify", True)
        self.capabilities = capabilities(bool(self._sentence))
        self.relations: Mapping[str, Mapping[str, Relation]] = relations(
            spec.name, spec.vocabulary, statuses=wire.STATUS_WORDS, impacts=wire.COMPONENT_WORDS
        )
        api = str(spec.settings.get("api_url") or f"{self._page}/api")
        self._client = Client(spec.wire, spec.secrets, spec.clock, api)

    def authenticate(self, request: Request, secrets: Secrets) -> str:
        raise InvalidSignature("a Cachet connection takes no webhooks: it is polled")

    def hints(self, request: Request) -> Sequence[Hint]:
        raise Unusable("a Cachet connection takes no webhooks: it is polled")

    def observe(self, ref: Ref) -> Observation:
        if ref.kind == INCIDENT:
            return self._incident(ref.id) or Observation(ref, state="absent")
        document = self._client.get(self._path(ref))
        if document is None or ref.parent is None:
            return Observation(ref, state="absent")
        row = understood(document["data"], dict, "id")
        return wire.update_observation(ref.parent, ref.id, understood(row.get("attributes"), dict))

    def no_id(self, id: str) -> str | None:
        return (
            None if id.isascii() and id.isdecimal() else f"{id[:40]!r} is no id of a Cachet incident: give its number"
        )

    def find(self, mark: Mark) -> Sequence[Observation]:
        if mark.kind == UPDATE:
            seen = self._incident(mark.parent.id) if mark.parent else None
            return [child for child in (seen.children if seen else ()) if child.mark == mark.key]
        wanted = {f"filter[meta][{wire.META_KEY}]": mark.key}
        found = [
            item
            for document in self._client.walk("/incidents", include=wire.INCLUDE, **wanted)
            for item in self._read(document)
        ]
        observed = [seen or self.observe(ref) for ref, seen in found]
        ours = [o for o in observed if o.mark == mark.key]
        return sorted(ours, key=lambda o: (str(o.created_at), len(o.ref.id), o.ref.id))

    def create(self, desired: Desired, mark: Mark) -> Written:
        if desired.kind == INCIDENT:
            body = wire.creation(desired, mark, self._notify)
            answer = self._client.write("POST", "/incidents", body, {"include": wire.INCLUDE})
            made = self._written(answer)
            seen = wire.with_mark(made.observation, mark.key) if made.observation else None
            return Written(made.ref, seen.url if seen else None, made.version, seen)
        if desired.kind == UPDATE and desired.parent:
            return self._publish(desired, desired.parent, mark)
        raise Refused(f"Cachet has no {desired.kind}")

    def update(self, ref: Ref, update: Update) -> Written:
        if ref.kind == INCIDENT:
            return self._change(ref, update)
        if ref.kind == UPDATE and ref.parent and len(update.changes) == 1:
            path = self._path(ref)
            if update.changes.get("deleted"):
                self._keeping_status(ref.parent, lambda: self._client.write("DELETE", path))
                return Written(ref, observation=Observation(ref, state="deleted"))
            if "text" in update.changes:
                return self._edit(ref, update.changes["text"])
        raise Refused(f"Cachet cannot change {', '.join(sorted(update.changes))} of an {ref.kind}")

    def changed_since(self, cursor: Json | None) -> Changes:
        """Lists every open incident in full, by one request, and the incidents that were open at the last poll and are
        not any more."""
        before = as_map(cursor)
        seen: dict[str, Observation | None] = {}
        for document in self._client.walk("/incidents", include=wire.INCLUDE, **{"filter[status]": wire.OPEN}):
            seen |= {ref.id: observation for ref, observation in self._read(document)}
        whole, texts = listed([o for o in seen.values() if o], before.get("texts"))
        left = [str(id) for id in before.get("open") or () if str(id) not in seen]
        unshown = [id for id, observation in seen.items() if observation is None]
        items = (*whole, *(Changed(Ref(INCIDENT, id)) for id in (*unshown, *left)))
        return Changes(items, {"open": sorted(seen), "texts": texts})

    def probe(self) -> None:
        if self._client.get("/incidents", {"per_page": 1}) is None:
            raise Refused("HTTP 404: there is no Cachet v3 API at this address; check url and api_url")

    def examine(self) -> Sequence[Finding]:
        return examine(self._client, self._mapped)

    def _path(self, ref: Ref) -> str:
        if ref.kind == UPDATE:
            return f"/incidents/{quote(ref.parent or '-', safe='')}/updates/{quote(ref.id, safe='')}"
        return f"/incidents/{quote(ref.id, safe='')}"

    def _read(self, document: Mapping[str, Any]) -> list[tuple[Ref, Observation | None]]:
        with parsing("an incident"):
            return wire.observations(document, self._page, self._sentence)

    def _incident(self, id: str) -> Observation | None:
        document = self._client.get(f"/incidents/{quote(id, safe='')}", {"include": wire.INCLUDE})
        if document is None:
            return None
        understood(document["data"], dict, "id")
        return self._read(document)[0][1]

    def _written(self, document: Mapping[str, Any]) -> Written:
        found = self._read(document)
        if not found or not found[0][0].id.isdecimal():
            raise OutcomeUnknown("Cachet's response has no incident id")
        ref, seen = found[0]
        return Written(ref, seen.url if seen else None, seen.version if seen else None, seen)

    def _change(self, ref: Ref, update: Update) -> Written:
        """Writes status, title and text by one PUT. Components can only be changed together with a public sentence:
        that is a second request, which must repeat the status."""
        allowed = {name for name, field in self.capabilities.kinds[INCIDENT].fields.items() if field.write == "always"}
        for field in update.changes:
            if field not in allowed:
                raise Refused(f"Cachet cannot change {field} of an incident", field=field)
        made, body = Written(ref), wire.change(update.changes)
        if body:
            made = self._written(self._client.write("PUT", self._path(ref), body, {"include": wire.INCLUDE}))
        if PAGE_IMPACTS not in update.changes:
            return made
        try:
            shown = made.observation or self._present(ref)
            after = entries_after(update, PAGE_IMPACTS)
            # A component cannot be removed from an incident: it is set operational instead.
            left = (
                dict.fromkeys(set(shown.fields[PAGE_IMPACTS]) - set(after), 1) if PAGE_IMPACTS in update.desired else {}
            )
            news = {
                "status": shown.fields[STATUS],
                "message": wire.to_markdown(self._sentence),
                "components": wire.components({**left, **update.changes[PAGE_IMPACTS]}),
            }
            self._client.write("POST", f"{self._path(ref)}/updates", news)
        except VendorError as error:
            if body:
                raise OutcomeUnknown(f"changed in part: {error.words}") from error
            raise
        return Written(ref)

    def _present(self, ref: Ref) -> Observation:
        seen = self._incident(ref.id)
        if seen is None:
            raise Refused("HTTP 404: the incident was deleted from the page; check it, or run `lockstep link unlink`")
        return seen

    def _publish(self, desired: Desired, parent: Ref, mark: Mark) -> Written:
        """Publishes an update. It must name a status, which becomes the incident's: the one that the page shows now,
        unless another is wanted."""
        shown = self._present(parent)
        for child in shown.children:
            if child.mark == mark.key:
                return Written(child.ref, version=child.version, observation=child, existed=True)
        status = desired.fields.get(STATUS, shown.fields[STATUS])
        body = {"status": status, "message": wire.sign(desired.fields.get("text"), mark.key)}
        answer = self._client.write("POST", f"{self._path(parent)}/updates", body)
        row = answer.get("data")
        if not isinstance(row, dict) or not row.get("id"):
            raise OutcomeUnknown("Cachet's response has no update id")
        seen = wire.update_observation(parent.id, str(row["id"]), understood(row.get("attributes"), dict, write=True))
        return Written(seen.ref, version=seen.version, observation=seen)

    def _edit(self, ref: Ref, text: Json) -> Written:
        """Edits the text of a published update; its mark stays."""
        now = self.observe(ref)
        message = wire.sign(text, now.mark) if now.mark else wire.to_markdown(text)
        answer = self._keeping_status(
            ref.parent or "", lambda: self._client.write("PUT", self._path(ref), {"message": message})
        )
        row = answer.get("data")
        if not isinstance(row, dict):
            return Written(ref)
        seen = wire.update_observation(ref.parent or "", ref.id, understood(row.get("attributes"), dict, write=True))
        return Written(ref, version=seen.version, observation=seen)

    def _keeping_status(self, incident_id: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Runs `act` and restores the incident's status: Cachet gives an incident the status of its newest update
        whenever an update is edited or deleted, although the status may have been set directly since."""
        ref = Ref(INCIDENT, incident_id)
        before = self._present(ref).fields[STATUS]
        answer = act()
        try:
            if self._present(ref).fields[STATUS] != before:
                self._client.write("PUT", self._path(ref), {"status": before})
        except VendorError as error:
            raise OutcomeUnknown(f"changed, but the incident's status may have moved: {error.words}") from error
        return answer
