"""The checks of `lockstep doctor` for a Jira connection; each finding has a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from adapters.jira import capability, jql
from adapters.jira.client import Client
from adapters.jira.settings import Settings
from adapters.jira.subscriptions import EVENTS
from adapters.jira.webhooks import SECRET_OF
from adapters.jira.wire import when
from adapters.registry import Spec
from hub.domain.errors import Refused, Unauthorised, VendorError
from hub.domain.values import Finding, Json
from hub.ports import Clock, Secrets

PERMISSIONS: Mapping[str, str] = {
    "BROWSE_PROJECTS": "see the project",
    "CREATE_ISSUES": "create issues",
    "EDIT_ISSUES": "edit issues",
    "TRANSITION_ISSUES": "move issues through the workflow",
    "ADD_COMMENTS": "comment",
    "EDIT_OWN_COMMENTS": "edit its comments",
    "DELETE_OWN_COMMENTS": "delete its comments",
    "ASSIGN_ISSUES": "assign issues",
    "LINK_ISSUES": "write remote links",
}
"""Jira's permission → the action that needs it."""

SKEW_SECONDS = 60.0
_FILLED = {"project", "issuetype", "summary", "description", "priority", "labels", "components", "assignee", "reporter"}
"""Fields of the create screen that never need a value in `create_fields`."""

_RIVAL = "pagerduty"


def all_findings(client: Client, settings: Settings, spec: Spec) -> list[Finding]:
    """Never raises: a check that fails is a finding."""
    found: list[Finding] = []
    asked: list[Callable[[], Iterator[Finding]]] = [
        lambda: _webhook_secret(spec.secrets, settings),
        lambda: _server(client, settings, spec.clock),
        lambda: _account(client),
        lambda: _permissions(client, settings),
        lambda: _create_screen(client, settings),
        lambda: _webhook(client, settings, spec.base_url),
        lambda: _rivals(client, settings),
    ]
    for question in asked:
        try:
            found += question()
        except Unauthorised as exc:
            return [
                *found,
                Finding("error", exc.words, "check the account and the secret `token`; the other checks need them"),
            ]
        except VendorError as exc:
            found.append(
                Finding("error", exc.words, "correct what the message names, then run `lockstep doctor` again")
            )
    return found


def _server(client: Client, settings: Settings, clock: Clock) -> Iterator[Finding]:
    info = client.get("serverInfo")
    kind = "Cloud" if settings.cloud else "Data Center"
    if (info.get("deploymentType") == "Cloud") != settings.cloud:
        yield Finding("error", f"this Jira is not {kind}", "correct the setting `deployment`")
    else:
        yield Finding("ok", f"Jira {kind} {info.get('version', '')}".strip())
    theirs = when(info.get("serverTime"))
    if theirs is not None and abs(skew := (theirs - clock.now()).total_seconds()) > SKEW_SECONDS:
        yield Finding("warn", f"Jira's clock differs by {skew:.0f} s", "set the hub's clock by NTP")


def _account(client: Client) -> Iterator[Finding]:
    me = client.get("myself")
    yield Finding("ok", f"signed in as {me.get('displayName')} (time zone {me.get('timeZone')})")


def _permissions(client: Client, settings: Settings) -> Iterator[Finding]:
    answer = client.get("mypermissions", projectKey=settings.project, permissions=",".join(PERMISSIONS))
    have = answer.get("permissions") or {}
    lacking = [k for k in PERMISSIONS if not (have.get(k) or {}).get("havePermission")]
    for key in lacking:
        yield Finding("error", f"the account may not {PERMISSIONS[key]} in {settings.project}", f"grant it {key}")
    if not lacking:
        yield Finding("ok", f"all permissions in {settings.project}")


def _create_screen(client: Client, settings: Settings) -> Iterator[Finding]:
    types = _listed(client.get(f"issue/createmeta/{settings.project}/issuetypes"), "issueTypes", "values")
    chosen = next((t for t in types if t.get("name") == settings.issue_type), None)
    if chosen is None:
        names = ", ".join(str(t.get("name")) for t in types)
        yield Finding(
            "error", f"{settings.project} has no issue type {settings.issue_type!r}", f"choose one of: {names}"
        )
        return
    path = f"issue/createmeta/{settings.project}/issuetypes/{chosen['id']}"
    fields = {
        str(f.get("fieldId")): f for f in _listed(client.get(path, maxResults=200), "fields", "results", "values")
    }
    ok = True
    for ours, theirs in capability.NEEDED.items():
        if theirs not in fields and ours not in settings.without:
            ok = False
            yield Finding(
                "error",
                f"the create screen of {settings.issue_type} has no {theirs}",
                f"add it in Jira, or put {ours!r} into `without`",
            )
    for name, about in fields.items():
        unmet = about.get("required") and not about.get("hasDefaultValue") and name not in _FILLED
        if unmet and name not in settings.create_fields:
            ok = False
            yield Finding(
                "error", f"the create screen requires {about.get('name')} ({name})", "set it in `create_fields`"
            )
    if ok:
        yield Finding("ok", f"the create screen of {settings.issue_type} has every field that the hub writes")


def _webhook_secret(secrets: Secrets, settings: Settings) -> Iterator[Finding]:
    name = SECRET_OF[settings.webhook_auth]
    if not secrets.all(name):
        yield Finding(
            "error",
            f"the secret {name} is not set: webhooks cannot be verified and are answered 503",
            f"set the secret {name} (adapters/jira/README.md)",
        )


def _webhook(client: Client, settings: Settings, hub: str) -> Iterator[Finding]:
    if settings.oauth:
        hooks = _listed(client.get("webhook", maxResults=100), "values")
    else:
        try:
            hooks = client.get("/rest/webhooks/1.0/webhook", form=list)
        except (Refused, Unauthorised):
            yield Finding(
                "warn", "only an administrator can list webhooks", "check the webhook in Jira: System → WebHooks"
            )
            return
    ours = [h for h in hooks if hub and str(h.get("url", "")).startswith(hub)]
    if not ours:
        yield Finding(
            "error",
            "no webhook of Jira points to this hub",
            "create it in Jira: System → WebHooks (steps: adapters/jira/README.md)",
        )
        return
    lacking = [e for e in EVENTS if not any(e in (h.get("events") or ()) for h in ours)]
    if lacking:
        yield Finding("warn", f"the webhook does not send {', '.join(lacking)}", "tick these events in Jira")
    elif any(h.get("enabled") is False for h in ours):
        yield Finding("error", "the webhook is disabled", "enable it in Jira: System → WebHooks")
    else:
        yield Finding("ok", "the webhook is registered")


def _rivals(client: Client, settings: Settings) -> Iterator[Finding]:
    """Reports PagerDuty's own Jira app, recognised by the fields that it creates and the comments that it writes."""
    fields = [str(f.get("name")) for f in client.get("field", form=list) if _RIVAL in str(f.get("name")).lower()]
    query = f"{jql.project(settings.project)} ORDER BY updated DESC"
    where = "search/jql" if settings.cloud else "search"
    issues = client.search(where, {"jql": query, "fields": ["comment"], "maxResults": 20}).get("issues") or []
    authors = {str((c.get("author") or {}).get("displayName")) for i in issues for c in _comments(i)}
    seen = [*fields, *sorted(a for a in authors if _RIVAL in a.lower())]
    if seen:
        yield Finding(
            "warn",
            f"PagerDuty's own Jira app appears to be active in this project ({', '.join(seen)})",
            "switch its sync off for this project, or do not link this pair: two syncs echo each other",
        )


def _comments(issue: Mapping[str, Json]) -> Sequence[Mapping[str, Json]]:
    return ((issue.get("fields") or {}).get("comment") or {}).get("comments") or ()


def _listed(page: Json, *names: str) -> list[Mapping[str, Json]]:
    """The list in a page of results; Cloud and Data Center name it differently."""
    if isinstance(page, list):
        return page
    return next((list(page[n]) for n in names if page.get(n)), [])
