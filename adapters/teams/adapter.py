"""Microsoft Teams: an incident's card in a channel and the thread under it, over one of three routes.

Route "graph" is a service account in the channel: it edits the card and reads the thread. "workflow" and "activity"
(`posts`) can only post. `incoming` handles what Teams sends, on every route. README.md lists the promises of each
route.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from adapters.http import parsing
from adapters.registry import Spec
from adapters.teams import capability, doctor, wire
from adapters.teams import settings as setup
from adapters.teams.cards import Names
from adapters.teams.channel import Channel
from adapters.teams.encrypted import KeySource
from adapters.teams.graph import Graph
from adapters.teams.incoming import Incoming
from adapters.teams.poll import Poll
from adapters.teams.posts import ActivityRoute, WorkflowRoute
from adapters.teams.settings import Settings
from adapters.teams.subscriptions import Subscriptions
from adapters.teams.tokens import APPLICATION, DELEGATED, Tokens
from hub.domain.errors import OutcomeUnknown, Refused, Unauthorised, VendorError
from hub.domain.values import (
    COMMENT,
    INCIDENT,
    Actor,
    Changes,
    Command,
    Desired,
    Fields,
    Finding,
    Json,
    Mark,
    Observation,
    Ref,
    Update,
    Written,
)
from hub.ports import Adapter, Secrets

PROTOCOL = 1
NAME = "teams"
PLACE = ("route", "team", "channel")
SETTINGS = frozenset(Settings.__dataclass_fields__)

SKEW = timedelta(minutes=10)
"""How far Graph's clock may differ from the hub's when a mark is searched for."""

REMEMBERED = 4_096


class GraphRoute(Incoming):
    """A service account that posts, edits and reads through Graph, delegated."""

    def __init__(self, spec: Spec, settings: Settings, names: Names, graph: Graph, keys: KeySource | None) -> None:
        super().__init__(spec, settings, keys)
        self.names, self.graph = names, graph
        self.channel = Channel(settings, graph)
        self.capabilities = capability.graph()
        self.relations = capability.relations(spec)
        self.subscriptions = Subscriptions(spec, settings, graph)
        self._poll = Poll(spec, settings, self.channel, self.relations[INCIDENT]["status"])
        self._known: OrderedDict[Ref, Observation] = OrderedDict()

    def _remember(self, seen: Observation) -> Observation:
        """Keeps what the hub's own messages showed last, so that an edit right after a read needs no second read."""
        for one in (seen, *seen.children):
            if one.mark:
                self._known[one.ref] = replace(one, children=())
                self._known.move_to_end(one.ref)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return seen

    def observe(self, ref: Ref) -> Observation:
        message = self.channel.message(ref)
        if message is None:
            return Observation(ref=ref, state="absent")
        if ref.kind == COMMENT:
            with parsing("the reply"):
                return self._remember(wire.observed_reply(message, ref.parent or "", self.settings.account))
        talk = self.channel.replies(ref.id)
        if talk is None:
            return Observation(ref=ref, state="absent")
        with parsing("the message"):
            return self._remember(wire.observed(message, self.settings.account, *talk))

    def no_id(self, id: str) -> str | None:
        return None if wire.has_id({"id": id}) else f"{id[:40]!r} is no id of a message in Teams: give its numeric id"

    def read_fields(self, ref: Ref) -> Observation:
        """Reads the root message alone, without its thread."""
        message = self.channel.message(ref)
        if message is None:
            return Observation(ref=ref, state="absent")
        with parsing("the message"):
            return self._remember(wire.observed(message, self.settings.account))

    def find(self, mark: Mark) -> Sequence[Observation]:
        """Finds a root among the messages changed since shortly before the create, and a reply in its thread."""
        account = self.settings.account
        seen: list[Observation] = []
        if mark.kind == COMMENT:
            talk = self.channel.replies(mark.parent.id) if mark.parent else None
            if talk and mark.parent:
                with parsing("a reply"):
                    seen = [wire.observed_reply(m, mark.parent.id, account) for m in talk[0]]
        else:
            for page in self.channel.pages(mark.since - SKEW):
                with parsing("a message"):
                    seen += [wire.observed(m, account) for m in page.messages]
        found = [self._remember(o) for o in seen if o.mark == mark.key and o.state == "present"]
        return sorted(found, key=lambda o: int(o.ref.id))

    def create(self, desired: Desired, mark: Mark) -> Written:
        if desired.kind == INCIDENT:
            payload = wire.root_payload(desired.fields, mark.key, desired.context, self.names)
            message = self._posted(payload, None)
            with parsing("the message", write=True):
                seen = wire.observed(message, self.settings.account)
        elif desired.parent is None:
            raise Refused("cannot create a comment without the message that it replies to")
        else:
            root = desired.parent.id
            text, who = str(desired.fields.get("text") or ""), desired.context.get("author")
            message = self._posted(wire.reply_payload(text, mark.key, who), root)
            with parsing("the reply", write=True):
                seen = wire.observed_reply(message, root, self.settings.account)
        self._remember(seen)
        return Written(ref=seen.ref, url=seen.url, version=seen.version, observation=seen)

    def _posted(self, payload: Mapping[str, Json], root: str | None) -> dict[str, Json]:
        """Posts a message. Raises OutcomeUnknown if Graph accepted it but returned no id: it is found by its mark."""
        message = self.channel.post(payload, root)
        if not wire.has_id(message):
            raise OutcomeUnknown("Graph accepted the message but returned no id")
        return message

    def update(self, ref: Ref, update: Update) -> Written:
        """Replaces the whole card or text: Teams has no partial edit. The response is empty (204)."""
        try:
            if update.changes.get("deleted") is True:
                self.channel.delete(ref)
            elif ref.kind == COMMENT:
                self.channel.edit(ref, self._new_reply(ref, update))
            else:
                self.channel.edit(ref, self._new_root(ref, update))
                self._known.pop(ref, None)
        except Unauthorised as exc:
            raise self._whose(ref, exc) from None
        return Written(ref=ref)

    def _whose(self, ref: Ref, refusal: Unauthorised) -> VendorError:
        """The error for a 403, which means "not your message" or "no permission": one read distinguishes the two."""
        if not refusal.words.startswith("HTTP 403"):
            return refusal
        message = self.channel.message(ref)
        if message is not None and not wire.is_from(message, self.settings.account):
            return Refused("Teams allows only the author to edit or delete a message")
        return refusal

    def _new_reply(self, ref: Ref, update: Update) -> Mapping[str, Json]:
        """The new body of a reply. Its mark never changes, so it may come from any earlier read."""
        seen = self._known.get(ref) or self.observe(ref)
        if seen.mark is None:
            raise Refused("Teams allows only the author to edit a message")
        text = update.changes.get("text", update.desired.get("text"))
        return wire.reply_payload(str(text or ""), seen.mark, update.context.get("author"))

    def _new_root(self, ref: Ref, update: Update) -> Mapping[str, Json]:
        """The card as it was when `update.expected` was read, drawn again with the changes."""
        seen = self._known.get(ref)
        if seen is None or update.expected is None or seen.version != update.expected:
            message = self.channel.message(ref)
            with parsing("the message"):
                seen = wire.observed(message, self.settings.account) if message else None
        if seen is None or seen.mark is None:
            raise Refused("this message is not a card that the hub's service account posted")
        return wire.root_payload(_changed(seen.fields, update), seen.mark, update.context, self.names)

    def changed_since(self, cursor: Json | None) -> Changes:
        found = self._poll.since(cursor)
        for item in found.items:
            if item.observation:
                self._remember(item.observation)
        return found

    def reactions(self, observation: Observation) -> Sequence[tuple[str, Command]]:
        """One command for each mapped reaction of each person. Its id contains message, reaction and person, so that it
        counts once only."""
        found = []
        for one in observation.fields.get(wire.REACTIONS) or ():
            kind, _, user = str(one).rpartition(":")
            if kind in self.settings.reactions:
                command = Command(self.settings.reactions[kind], actor=Actor(account=user))
                found.append((f"{observation.ref.id}:{one}", command))
        return found

    def subscribe(self, url: str, secrets: Secrets) -> Json:
        doctor.note_keys(self.spec, self.settings)
        return self.subscriptions.subscribe(url, secrets)

    def renew(self, subscription: Json, secrets: Secrets) -> Json:
        doctor.note_keys(self.spec, self.settings)
        return self.subscriptions.renew(subscription, secrets)

    def probe(self) -> None:
        self.channel.itself()

    def examine(self) -> Sequence[Finding]:
        return doctor.examine(self.spec, self.settings, self.channel, self.subscriptions)


def _changed(fields: Fields, update: Update) -> dict[str, Json]:
    """`fields` with the changes applied. The whole new value of a set or map is in `desired`; without it, the change
    itself lists the elements."""
    out = dict(fields)
    for name, value in update.changes.items():
        many = capability.MANY.get(name)
        if not many:
            out[name] = value
        elif name in update.desired:
            out[name] = update.desired[name]
        elif many == "set":
            kept = [e for e in out.get(name) or () if e not in value.get("remove", ())]
            out[name] = kept + [e for e in value.get("add", ()) if e not in kept]
        else:
            out[name] = {k: v for k, v in {**(out.get(name) or {}), **value}.items() if v is not None}
    return out


def _names(spec: Spec, settings: Settings) -> Names:
    """The names on a card: services as customers know them; people as the settings name them, else by the hub's id."""
    return Names(
        person=lambda who: settings.people_names.get(who, who),
        service=lambda which: spec.service_names.get(which, which),
    )


def needs(given: Mapping[str, Any]) -> Mapping[str, str]:
    """See `adapters.registry`. A workflow is called by a plain POST; the other routes go through Graph."""
    extra = "lockstep-hub[teams]"
    return {} if given.get("route") == setup.WORKFLOW else {"msgraph": extra, "jwt": extra}


def build(spec: Spec, keys: KeySource | None = None) -> Adapter:
    """Raises ValueError (or VocabularyGap) that names the setting or table. keys: replaces the notebook as the source
    of signing keys."""
    settings = setup.read(spec)
    names = _names(spec, settings)
    if settings.route == setup.WORKFLOW:
        return WorkflowRoute(spec, settings, names)
    grant = DELEGATED if settings.route == setup.GRAPH else APPLICATION
    tokens = Tokens(spec.wire, spec.clock, spec.secrets, settings.token_url, settings.client_id, settings.scope, grant)
    graph = Graph(spec.wire, settings.graph_url, spec.clock, tokens)
    if settings.route == setup.ACTIVITY:
        return ActivityRoute(spec, settings, names, graph)
    return GraphRoute(spec, settings, names, graph, keys)
