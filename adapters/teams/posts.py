"""The two routes that can only post: a Workflows webhook, and notifications in the activity feed.

Neither returns an id, so nothing that they post can be edited: `Written.ref` is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import requests

from adapters.http import clean, error_for, error_from
from adapters.registry import Spec
from adapters.teams import capability, wire
from adapters.teams.cards import Names
from adapters.teams.graph import Graph
from adapters.teams.incoming import Incoming
from adapters.teams.settings import Settings
from hub.domain.errors import OutcomeUnknown, Refused, VendorError
from hub.domain.values import Changes, Desired, Finding, Json, Mark, Observation, Ref, Update, Written


class PostOnly(Incoming):
    """The read and edit calls of the protocol, for a route that has neither."""

    def __init__(self, spec: Spec, settings: Settings, names: Names) -> None:
        super().__init__(spec, settings)
        self.names = names
        self.relations = capability.relations(spec, wire.DESCRIPTION_LIMIT)

    def observe(self, ref: Ref) -> Observation:
        raise Refused("this Teams route cannot read; use route graph")

    def find(self, mark: Mark) -> Sequence[Observation]:
        """Always empty: what this route posts carries no mark."""
        return ()

    def update(self, ref: Ref, update: Update) -> Written:
        raise Refused("this Teams route cannot edit; use route graph")

    def changed_since(self, cursor: Json | None) -> Changes:
        """Always empty: this route cannot read."""
        return Changes((), None)


class WorkflowRoute(PostOnly):
    """Posts cards to the URL of a flow. The URL is the credential (secret `workflow_url`): it appears in no message or
    log."""

    def __init__(self, spec: Spec, settings: Settings, names: Names) -> None:
        super().__init__(spec, settings, names)
        self.capabilities = capability.workflow()

    def create(self, desired: Desired, mark: Mark) -> Written:
        payload = wire.workflow_payload(desired, self.names)
        url = self.spec.secrets.get("workflow_url")
        try:
            response = self.spec.wire.session().post(url, json=payload)
        except requests.RequestException as exc:
            raise error_from(exc, write=True) from None
        if response.status_code >= 300:
            words = clean(response.text.replace(url, "…"), 200) or f"HTTP {response.status_code}"
            raise error_for(
                response.status_code, words, write=True, headers=response.headers, now=self.spec.clock.now()
            )
        return Written(ref=None)

    def probe(self) -> None:
        """Checks only whether the URL is set: any request to a flow posts. Raises Unauthorised."""
        self.spec.secrets.get("workflow_url")

    def examine(self) -> Sequence[Finding]:
        url = self.spec.secrets.all("workflow_url")
        if not url:
            return (Finding("error", "no Workflows URL is set", "set the secret workflow_url of this connection"),)
        if not url[0].startswith("https://"):
            return (Finding("warn", "the Workflows URL is not https", "copy the whole URL from the flow again"),)
        remedy = "use route graph where cards must follow the incident; give the flow a second owner"
        return (Finding("warn", "post only: " + self.capabilities.degraded[0], remedy),)


_RECIPIENT = "#microsoft.graph."


class ActivityRoute(PostOnly):
    """Notifies people in their activity feed, as the application."""

    def __init__(self, spec: Spec, settings: Settings, names: Names, graph: Graph) -> None:
        super().__init__(spec, settings, names)
        self.capabilities = capability.activity()
        self.graph = graph

    def _recipients(self) -> Sequence[Mapping[str, Json]]:
        team, channel, chosen = self.settings.team, self.settings.channel, self.settings.recipients
        if chosen == "team":
            return ({"@odata.type": _RECIPIENT + "teamMembersNotificationRecipient", "teamId": team},)
        if chosen == "channel":
            kind = _RECIPIENT + "channelMembersNotificationRecipient"
            return ({"@odata.type": kind, "teamId": team, "channelId": channel},)
        kind = _RECIPIENT + "aadUserNotificationRecipient"
        return tuple({"@odata.type": kind, "userId": user} for user in chosen)

    def create(self, desired: Desired, mark: Mark) -> Written:
        """Makes one call for a channel or team, or one for each person of a list. Raises OutcomeUnknown if a later one
        fails: some people were notified."""
        topic = str(desired.context.get("url") or self.spec.base_url or "https://teams.microsoft.com")
        for notified, recipient in enumerate(self._recipients()):
            payload = wire.notification_payload(desired, self.settings.activity_type, recipient, topic)
            try:
                self.graph.call(
                    "POST",
                    lambda c: c.teams.by_team_id(self.settings.team).send_activity_notification,
                    payload,
                    write=True,
                )
            except VendorError as exc:
                if notified:
                    raise OutcomeUnknown(f"{notified} recipient(s) notified, then: {exc.words}") from None
                raise
        return Written(ref=None)

    def probe(self) -> None:
        """Checks the token only: this permission allows no read."""
        self.graph.tokens.bearer()

    def examine(self) -> Sequence[Finding]:
        self.graph.tokens.bearer()
        what = f"the app is signed in; activity type {self.settings.activity_type!r} must be in the app's manifest"
        return (Finding("ok", what), *(Finding("warn", words) for words in self.capabilities.degraded))
