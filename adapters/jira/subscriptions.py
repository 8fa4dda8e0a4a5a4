"""Dynamic webhooks of an OAuth app: created by the hub; they expire after 30 days unless extended.

Vendor document: "Webhooks", Jira Cloud REST API v3. An app has one URL for all of them; a filter is a small JQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from adapters.http import pages
from adapters.jira import jql
from adapters.jira.client import Client
from adapters.jira.settings import Settings
from hub.domain.errors import Refused
from hub.domain.values import Json

EVENTS = (
    "jira:issue_created",
    "jira:issue_updated",
    "jira:issue_deleted",
    "comment_created",
    "comment_updated",
    "comment_deleted",
)
_PAGE = 100


class Subscriptions:
    """The one webhook of this connection."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client, self._filter = client, jql.project(settings.project)

    def subscribe(self, url: str) -> Json:
        """Keeps the existing webhook if it has the same URL, filter and events, else creates one."""
        ours = self._ours(url)
        if ours is not None:
            return self.renew({"id": str(ours["id"]), "url": url})
        body = {"url": url, "webhooks": [{"events": list(EVENTS), "jqlFilter": self._filter}]}
        results = self._client.post("webhook", body).get("webhookRegistrationResult") or [{}]
        made = results[0].get("createdWebhookId")
        if made is None:
            raise Refused(
                f"Jira did not register the webhook: {'; '.join(results[0].get('errors') or ['no reason given'])}"
            )
        return self.renew({"id": str(made), "url": url})

    def renew(self, subscription: Json) -> Json:
        """Extends the webhook by 30 days; creates it again if Jira no longer has it."""
        if self._ours(subscription["url"], subscription["id"]) is None:
            return self.subscribe(subscription["url"])
        answer = self._client.put("webhook/refresh", {"webhookIds": [int(subscription["id"])]})
        return {**subscription, "expires_at": _expiry(answer)}

    def _ours(self, url: str, id: str | None = None) -> Mapping[str, Json] | None:
        start = 0
        counted = pages()
        while True:
            next(counted)
            page = self._client.get("webhook", startAt=start, maxResults=_PAGE)
            hooks = page.get("values") or []
            for hook in hooks:
                same = hook.get("url") == url and hook.get("jqlFilter") == self._filter
                if same and set(EVENTS) <= set(hook.get("events") or ()) and id in (None, str(hook.get("id"))):
                    return dict(hook)
            start += len(hooks)
            if not hooks or page.get("isLast", True):
                return None


def _expiry(answer: Json) -> str | None:
    """Milliseconds since 1970 as ISO 8601, UTC."""
    stamp = answer.get("expirationDate") if isinstance(answer, dict) else None
    return datetime.fromtimestamp(stamp / 1000, UTC).isoformat() if isinstance(stamp, (int, float)) else None
