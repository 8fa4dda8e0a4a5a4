"""Jira's webhooks: verifies them, and reads which issue to refresh. Pure.

There are three kinds: the administrator's (signed with a secret), an OAuth app's dynamic ones (a token signed with the
app's secret), and those of old Data Centers, which cannot sign (an unguessable path). Bodies differ by version and
edition: a comment event may come without its issue, an edited comment as an `issue_updated`; texts in them are wiki
markup on Cloud too. A hint uses none of that: it only names the object to read.
Vendor documents: "Webhooks", developer.atlassian.com (Cloud); "Managing webhooks", Atlassian documentation (Data
Center).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence

from adapters.jira.wire import actor
from hub.domain.errors import InvalidSignature, Unusable
from hub.domain.values import COMMENT, INCIDENT, Hint, Json, Ref, Request
from hub.ports import Secrets

SIGNATURE, IDENTIFIER = "x-hub-signature", "x-atlassian-webhook-identifier"
SECRET_OF = {"signature": "webhook_secret", "jwt": "client_secret", "path": "webhook_path_token"}
"""The setting `webhook_auth` → the secret that proves the sender."""

_METHODS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
"""Accepted methods before the `=` of a signature: Jira reserves the right to change the method."""

_SELF = re.compile(r"/issue/([0-9]{1,19})/comment/([0-9]{1,19})/?(?:[?#].*)?\Z")
_ID = re.compile(r"[0-9]{1,19}\Z", re.A)

IGNORED: Mapping[str, str] = {
    "issue_property_": "entity properties are no field of an incident",
    "issuelink_": "links between issues are not kept in step",
    "worklog_": "work logs are not kept in step",
    "attachment_": "attachments are not kept in step",
    "jira:worklog_": "work logs are not kept in step",
    "jira:version_": "versions are not kept in step",
    "project_": "projects are not kept in step",
    "user_": "users are not kept in step",
    "sprint_": "sprints are not kept in step",
    "board_": "boards are not kept in step",
    "option_": "Jira's own settings are not kept in step",
    "issuetype_": "issue types are not kept in step",
    "component_": "the list of components is not kept in step",
}
"""Prefix of an event's name → why it is ignored."""


def authenticate(request: Request, secrets: Secrets, how: str) -> str:
    """The delivery's id. how: "signature", "jwt" or "path" (see README.md). Raises InvalidSignature."""
    {"signature": _signed, "jwt": _token, "path": _path}[how](request, secrets)
    identifier = request.headers.get(IDENTIFIER, "").strip()
    return identifier[:200] if identifier else "sha256:" + hashlib.sha256(request.body).hexdigest()


def _signed(request: Request, secrets: Secrets) -> None:
    given = request.headers.get(SIGNATURE, "")
    if not given:
        raise InvalidSignature(f"no {SIGNATURE} header; set the webhook's secret in Jira: System → WebHooks")
    method, _, digest = given.partition("=")
    make = _METHODS.get(method.strip().lower())
    if make is None:
        raise InvalidSignature(f"{SIGNATURE} uses an unsupported method")
    claimed = digest.strip().lower().encode("utf-8", "replace")
    known = secrets.all(SECRET_OF["signature"])
    if not known:
        raise InvalidSignature("the secret webhook_secret is not set; set it to the webhook's secret in Jira")
    matches = [
        hmac.compare_digest(hmac.new(s.encode(), request.body, make).hexdigest().encode(), claimed) for s in known
    ]
    if not any(matches):
        raise InvalidSignature("the signature matches none of the configured secrets")


def _token(request: Request, secrets: Secrets) -> None:
    import jwt

    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "jwt") or not token:
        raise InvalidSignature("no bearer token in the authorization header")
    for secret in secrets.all(SECRET_OF["jwt"]):
        try:
            claims = jwt.decode(
                token.strip(),
                secret,
                algorithms=["HS256"],
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            continue
        expires = claims.get("exp")
        if not isinstance(expires, (int, float)) or expires < request.received_at.timestamp() - 60:
            raise InvalidSignature("the token has expired")
        return
    raise InvalidSignature("the token is signed with none of the configured secrets")


def _path(request: Request, secrets: Secrets) -> None:
    given = request.path.rstrip("/").rpartition("/")[2].encode("utf-8", "replace")
    if not any([hmac.compare_digest(s.encode(), given) for s in secrets.all(SECRET_OF["path"])]):  # noqa: C419 - no early end
        raise InvalidSignature("the path does not end in the secret webhook_path_token")


def hints(request: Request) -> Sequence[Hint]:
    """The hints in the body. Raises Unusable."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Unusable("the body is not JSON") from None
    if not isinstance(body, dict):
        raise Unusable("the body is not a JSON object")
    event = body.get("webhookEvent")
    if not isinstance(event, str) or not event or len(event) > 100 or not event.isprintable():
        raise Unusable("no webhookEvent")
    for beginning, why in IGNORED.items():
        if event.startswith(beginning):
            return (Hint(event, ignored=why),)
    if event.startswith("comment_"):
        return (_comment(event, body),)
    if event.startswith("jira:issue_"):
        return _issue(event, body)
    return (Hint(event, ignored=f"unknown event {event!r}"),)


def _issue(event: str, body: Mapping[str, Json]) -> Sequence[Hint]:
    issue, by = _id(body.get("issue")), actor(body.get("user"))
    if issue is None:
        raise Unusable(f"{event}: no issue.id")
    comment = _id(body.get("comment"))
    alone = comment is None and _of_fields(body)
    found = [Hint(event, Ref(INCIDENT, issue), deleted=event == "jira:issue_deleted", actor=by, alone=alone)]
    if comment is not None and not found[0].deleted:
        found.append(Hint(event, Ref(COMMENT, comment, issue), actor=by))
    return tuple(found)


def _of_fields(body: Mapping[str, Json]) -> bool:
    """Whether the event reports only changed fields: Jira reports a deleted comment as a change, too."""
    changes = body.get("changelog")
    items = changes.get("items") if isinstance(changes, dict) else None
    if not isinstance(items, list) or not items:
        return False
    names = [str(item.get("field")) if isinstance(item, dict) else "" for item in items]
    names.append(str(body.get("issue_event_type_name")))
    return not any("comment" in name.lower() for name in names)


def _comment(event: str, body: Mapping[str, Json]) -> Hint:
    comment = body.get("comment")
    if not isinstance(comment, dict):
        raise Unusable(f"{event}: no comment")
    by = actor(body.get("user")) or actor(comment.get("updateAuthor")) or actor(comment.get("author"))
    self = comment.get("self")
    named = _SELF.search(self) if isinstance(self, str) else None
    issue = _id(body.get("issue")) or (named[1] if named else None)
    number = _id(comment) or (named[2] if named else None)
    if number is None:
        raise Unusable(f"{event}: no comment.id")
    if issue is None:
        return Hint(event, resync=True, actor=by)
    return Hint(event, Ref(COMMENT, number, issue), deleted=event == "comment_deleted", actor=by)


def _id(thing: Json) -> str | None:
    """The numeric id of an issue or comment. A key is never accepted as one: it changes when an issue is moved."""
    value = thing.get("id") if isinstance(thing, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    return str(value) if _ID.match(str(value)) else None
