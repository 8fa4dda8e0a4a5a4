"""A connection's settings, read once. A missing or contradictory setting raises an error that names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.flags import flag
from adapters.jira import jql

WEBHOOK_AUTH = ("signature", "jwt", "path")

SETTINGS = frozenset({
    "url", "deployment", "project", "issue_type", "email", "walks", "resolution", "screen_fields", "create_fields", "without",
    "service_desk", "comment_mark", "webhook_auth", "jql", "oauth_client_id", "cloud_id",
})  # fmt: skip
"""The names of all settings."""


@dataclass(frozen=True)
class Settings:
    """See the table in README.md. url: without a trailing slash. api: where calls go (another host for OAuth on
    Cloud)."""

    name: str
    url: str
    api: str
    cloud: bool
    project: str
    issue_type: str
    email: str
    oauth_client: str
    scope: str
    webhook_auth: str
    comment_mark: str
    service_desk: bool
    walks: Mapping[str, list[str]] = field(default_factory=dict)
    resolution: str | Mapping[str, str] = "Done"
    screen_fields: Mapping[str, Any] = field(default_factory=dict)
    create_fields: Mapping[str, Any] = field(default_factory=dict)
    without: frozenset[str] = frozenset()

    @property
    def oauth(self) -> bool:
        return bool(self.oauth_client)

    def resolution_for(self, status: str) -> str | None:
        """The resolution to set in a transition to `status`."""
        return self.resolution if isinstance(self.resolution, str) else self.resolution.get(status)


def read(name: str, table: Mapping[str, Any]) -> Settings:
    """Raises ValueError that names the connection and the key."""

    def wrong(key: str, why: str) -> ValueError:
        return ValueError(f"connection {name}: setting {key!r} {why}")

    def need(key: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            raise wrong(key, "is missing")
        return value.strip()

    deployment = need("deployment")
    if deployment not in ("cloud", "dc"):
        raise wrong("deployment", 'must be "cloud" or "dc"; the hub does not detect it')
    cloud = deployment == "cloud"
    url = need("url").rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise wrong("url", "must begin with https://")
    oauth_client = str(table.get("oauth_client_id", ""))
    if oauth_client and not cloud:
        raise wrong("oauth_client_id", "is for Cloud only; Data Center takes a personal access token")
    api = f"https://api.atlassian.com/ex/jira/{need('cloud_id')}" if oauth_client else url
    walks = table.get("walks", {})
    for target, path in walks.items():
        if not isinstance(path, list) or not path or path[-1] != target:
            raise wrong(f"walks.{target}", f"must be a list of statuses that ends with {target!r}")
    webhook_auth = str(table.get("webhook_auth", "jwt" if oauth_client else "signature"))
    if webhook_auth not in WEBHOOK_AUTH:
        raise wrong("webhook_auth", f"must be one of {', '.join(WEBHOOK_AUTH)}")
    comment_mark = str(table.get("comment_mark", "property" if cloud else "text"))
    if comment_mark not in ("property", "text"):
        raise wrong("comment_mark", 'must be "property" or "text"')
    project = need("project")
    return Settings(
        name=name,
        url=url,
        api=api,
        cloud=cloud,
        project=project,
        issue_type=need("issue_type"),
        email=need("email") if cloud and not oauth_client else "",
        oauth_client=oauth_client,
        scope=str(table.get("jql") or jql.project(project)),
        webhook_auth=webhook_auth,
        comment_mark=comment_mark,
        service_desk=flag(name, table, "service_desk", False),
        walks=walks,
        resolution=table.get("resolution", "Done"),
        screen_fields=dict(table.get("screen_fields", {})),
        create_fields=dict(table.get("create_fields", {})),
        without=frozenset(table.get("without", ())),
    )
