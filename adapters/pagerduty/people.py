"""The sender of a write: the `From` header must be the e-mail address of a user of the account."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from adapters.pagerduty.client import Client, Missing
from hub.domain.errors import VendorError
from hub.domain.values import Actor

Known = tuple[str, str] | None


class Requesters:
    """Knows which actors are users of the account. Each is looked up once: people and their addresses rarely change."""

    def __init__(self, client: Client, ours: str) -> None:
        self._client = client
        self._ours = ours
        self._known: dict[str, Known] = {}

    def sender(self, actor: Actor | None, unlike: Collection[str] = ()) -> str:
        """The person's e-mail address if they are a user of the account, else the connection's `from_email`. unlike:
        ids of users who must not be the sender."""
        key = actor and (actor.account or actor.email)
        if not actor or not key:
            return self._ours
        if key not in self._known:
            try:
                self._known[key] = self._look_up(actor)
            except VendorError:
                return self._ours
        known = self._known[key]
        return known[1] if known and known[0] not in unlike else self._ours

    def _look_up(self, actor: Actor) -> Known:
        """Looks a person up by their account, if it is one of PagerDuty's, else by their e-mail address."""
        if actor.account:
            try:
                return _user(self._client.one("GET", f"users/{quote(actor.account, safe='')}", "user"))
            except Missing:
                pass  # the account is another vendor's
        return find_user(self._client, actor.email) if actor.email else None


def find_user(client: Client, email: str) -> Known:
    """(id, address) of the account's user with this address, or None."""
    for user in client.pages("users", "users", query=email):
        if str(user.get("email") or "").lower() == email.lower():
            return _user(user)
    return None


def _user(user: dict[str, Any]) -> Known:
    id, email = user.get("id"), user.get("email")
    return (id, email) if isinstance(id, str) and isinstance(email, str) and "@" in email else None
