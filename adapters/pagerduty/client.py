"""The calls to one PagerDuty account, with our time-outs, credential and errors. `pypd` builds the REST calls
(`entities.py`); it is imported with the first of them, so that settings can be checked and webhooks verified without
it.

Also here: the Events API v2, by plain requests (pypd's own client posts to a wrong path and sends it the REST key).
Retries, rate limits and circuit breakers are the hub's. Nothing here logs; pypd's request log would show the
credential.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, cast
from urllib.parse import quote

import requests

from adapters.http import Wire, clean, error_for, error_from
from hub.domain.errors import OutcomeUnknown, Refused, RetryLater, VendorError
from hub.ports import Clock, Secrets

API_URL = "https://api.pagerduty.com"
EVENTS_URL = "https://events.pagerduty.com"
PAGE, LAST = 100, 10_000
"""Most items of one page; `offset + limit` may not exceed `LAST` (PagerDuty docs, REST API, Pagination)."""

Payload = dict[str, Any]


class Missing(Refused):
    """404: the object does not exist, or the key may not see it. PagerDuty does not distinguish the two."""


class Used(Refused):
    """400 to a create: among other things, "the incident key is in use by an open incident"."""


def words_of(response: requests.Response) -> str:
    """PagerDuty's own error message: `{"error": {"code", "message", "errors"}}`, or the Events API's `{"message",
    "errors"}`."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return ""
    error = body.get("error", body) if isinstance(body, dict) else {}
    if not isinstance(error, dict):
        return clean(error)
    details = error.get("errors")
    parts = [str(error.get("message") or ""), *(str(d) for d in details if d)] if isinstance(details, list) else []
    parts = parts or [str(error.get("message") or "")]
    code = f" (code {error['code']})" if isinstance(error.get("code"), int) else ""
    return clean("; ".join(p for p in parts if p) + code)


def unreadable(write: bool) -> VendorError:
    words = "PagerDuty's response is not the documented JSON"
    return OutcomeUnknown(words) if write else RetryLater(words)


class Transport:
    """One HTTP exchange over `Wire`, a session per thread. `skew`: seconds by which PagerDuty's clock (`Date`) is
    ahead."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock
        self._local = threading.local()
        self.skew: float | None = None

    def _session(self) -> requests.Session:
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._wire.session()
        return cast(requests.Session, session)

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], params: Any = None, json: Any = None
    ) -> Payload | None:
        """The JSON object of the response; None if it has no body. Raises VendorError."""
        write = method.upper() not in ("GET", "HEAD")
        try:
            response = self._session().request(method, url, headers=dict(headers), params=params, json=json)
        except requests.RequestException as exc:
            raise error_from(exc, write=write) from None
        self._note_clock(response.headers.get("Date"))
        if not 200 <= response.status_code < 300:
            raise self._error(response, write)
        if not response.content:
            return None
        try:
            body = response.json()
        except (ValueError, RecursionError):
            raise unreadable(write) from None
        if not isinstance(body, dict):
            raise unreadable(write)
        return body

    def _error(self, response: requests.Response, write: bool) -> VendorError:
        words = words_of(response)
        if 300 <= response.status_code < 400:
            return Refused("PagerDuty redirects to another address; correct the settings `api_url` and `events_url`")
        if response.status_code == 404:
            return Missing(f"HTTP 404: {words or 'not found'}")
        if response.status_code == 400:
            return Used(f"HTTP 400: {words}")
        return error_for(response.status_code, words, write=write, headers=response.headers, now=self._clock.now())

    def _note_clock(self, date: str | None) -> None:
        try:
            when = parsedate_to_datetime(date or "")
            self.skew = (when - self._clock.now()).total_seconds()
        except (TypeError, ValueError):
            return


class Client:
    """The REST calls of one connection. Every method raises only VendorErrors; a 404 is `Missing`."""

    def __init__(self, wire: Wire, clock: Clock, secrets: Secrets, api_url: str = API_URL) -> None:
        self.transport = Transport(wire, clock)
        self._secrets = secrets
        self._url = api_url.rstrip("/")

    @cached_property
    def _incident(self) -> Any:
        from adapters.pagerduty.entities import incident_class

        return incident_class(self.call, self._url)

    def call(self, method: str, url: str, headers: Mapping[str, str], params: Any, json: Any) -> Payload | None:
        """The credential is read at each call, so that a rotated one is used at once."""
        token = {"Authorization": f"Token token={self._secrets.get('api_token')}"}
        return self.transport.exchange(method, url, headers={**headers, **token}, params=params, json=json)

    @contextmanager
    def _readable(self, write: bool) -> Iterator[None]:
        """pypd does not check responses: a missing part must not escape as a KeyError."""
        try:
            yield
        except (KeyError, TypeError, AttributeError, IndexError, ValueError):
            raise unreadable(write) from None

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        sender: str | None = None,
    ) -> Payload:
        """A call for which pypd has no method. A list in `query` becomes `name[]`. sender: the `From` address."""
        add = {"From": sender} if sender else None
        inst = self._incident()
        answer = inst.request(method, endpoint=path, query_params=dict(query or {}), data=body, add_headers=add)
        return answer if isinstance(answer, dict) else {}

    def one(self, method: str, path: str, name: str, **kwargs: Any) -> Payload:
        """The object `name` in the response."""
        found = self.request(method, path, **kwargs).get(name)
        if not isinstance(found, dict):
            raise unreadable(method != "GET")
        return found

    def pages(self, path: str, name: str, limit: int = LAST, **query: Any) -> Iterator[Payload]:
        """The items of a classic listing, page by page, at most `limit` (PagerDuty refuses more than `LAST`)."""
        offset = 0
        while offset + PAGE <= min(limit, LAST):
            answer = self.request("GET", path, query={**query, "limit": PAGE, "offset": offset})
            items = answer.get(name)
            if not isinstance(items, list):
                raise unreadable(False)
            yield from (i for i in items if isinstance(i, dict))
            if answer.get("more") is not True:
                return
            offset += PAGE

    # Incidents and notes, through pypd.

    def incident(self, id: str) -> Payload:
        with self._readable(False):
            return _object(self._incident.fetch(quote(id, safe="")).json, False)

    def incidents(self, **query: Any) -> list[Payload]:
        """Incidents as a listing shows them."""
        return [_object(i, False) for i in self.pages("incidents", "incidents", **query)]

    def create_incident(self, sender: str, data: Payload) -> Payload:
        with self._readable(True):
            return _object(self._incident.create(data=data, add_headers={"From": sender}).json, True)

    def update_incident(self, sender: str, id: str, changes: Payload) -> Payload:
        """One PUT for all changed fields (pypd has only one method for each verb)."""
        body = {"incident": {"type": "incident_reference", **changes}}
        return _object(self.one("PUT", f"incidents/{quote(id, safe='')}", "incident", body=body, sender=sender), True)

    def notes(self, incident_id: str) -> list[Payload]:
        with self._readable(False):
            return [_object(n.json, False) for n in self._of(incident_id).notes()]

    def create_note(self, sender: str, incident_id: str, content: str) -> Payload:
        with self._readable(True):
            return _object(self._of(incident_id).create_note(sender, content).json, True)

    def update_note(self, sender: str, incident_id: str, id: str, content: str) -> Payload:
        path = f"incidents/{quote(incident_id, safe='')}/notes/{quote(id, safe='')}"
        return _object(self.one("PUT", path, "note", body={"note": {"content": content}}, sender=sender), True)

    def delete_note(self, sender: str, incident_id: str, id: str) -> None:
        path = f"incidents/{quote(incident_id, safe='')}/notes/{quote(id, safe='')}"
        self.request("DELETE", path, sender=sender)

    def publish(self, sender: str, incident_id: str, message: str) -> Payload:
        """A status update to the incident's subscribers."""
        path = f"incidents/{quote(incident_id, safe='')}/status_updates"
        return _object(self.one("POST", path, "status_update", body={"message": message}, sender=sender), True)

    def set_custom_field(self, incident_id: str, name: str, value: str) -> None:
        path = f"incidents/{quote(incident_id, safe='')}/custom_fields/values"
        self.request("PUT", path, body={"custom_fields": [{"name": name, "value": value}]})

    def _of(self, incident_id: str) -> Any:
        return self._incident(_data={"id": quote(incident_id, safe="")})

    def log(self, incident_id: str, limit: int = LAST, **query: Any) -> list[Payload]:
        """An incident's log entries, oldest first (PagerDuty lists them newest first)."""
        path = f"incidents/{quote(incident_id, safe='')}/log_entries"
        return list(self.pages(path, "log_entries", limit, **query))[::-1]


def _object(value: Any, write: bool) -> Payload:
    """`value`, if it is a JSON object with an id."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str) or not value["id"]:
        raise unreadable(write)
    return value


class Events:
    """Events API v2 of one integration. A 202 does not mean that the incident exists; PagerDuty silently drops an
    acknowledge or resolve without an open alert of that key."""

    def __init__(self, transport: Transport, secrets: Secrets, events_url: str = EVENTS_URL) -> None:
        self._transport = transport
        self._secrets = secrets
        self._url = f"{events_url.rstrip('/')}/v2/enqueue"

    def routing_key(self) -> str:
        return self._secrets.get("routing_key")

    def send(self, body: Payload) -> None:
        self._transport.exchange("POST", self._url, headers={"Content-Type": "application/json"}, json=body)

    def follow_up(self, action: str, key: str) -> None:
        """action: "acknowledge" or "resolve"."""
        self.send({"routing_key": self.routing_key(), "event_action": action, "dedup_key": key})


def ids(items: Sequence[Payload]) -> list[str]:
    """The ids of a listing's items."""
    return [i["id"] for i in items if isinstance(i.get("id"), str) and i["id"]]
