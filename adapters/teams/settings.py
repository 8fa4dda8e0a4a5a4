"""A Teams connection's settings, read once. A missing or wrong setting raises an error that names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from adapters.registry import Spec
from adapters.teams.encrypted import SENDER

GRAPH, WORKFLOW, ACTIVITY = "graph", "workflow", "activity"
ROUTES = (GRAPH, WORKFLOW, ACTIVITY)

NEEDED: Mapping[str, tuple[str, ...]] = {
    GRAPH: ("tenant", "client_id", "team", "channel", "account"),
    WORKFLOW: (),
    ACTIVITY: ("tenant", "client_id", "team", "channel"),
}

GRAPH_URL, LOGIN_URL = "https://graph.microsoft.com/v1.0", "https://login.microsoftonline.com"

REACTION_VERBS = frozenset({"ack", "resolve", "confirm"})


@dataclass(frozen=True)
class Settings:
    """tenant, client_id, team (its AAD group), account (the service account): GUIDs. channel: `19:…@thread.tacv2`.

    lookback_days: days that the first poll reads back. subscription_minutes: requested lifetime of a subscription
    (Graph allows 4320 for messages). certificates: certificate id → name of the secret with its private key (PEM), for
    encrypted notifications; encryption_certificate(_id): the public part (base64 of the DER or PEM) and its id, sent
    with a new subscription. reactions: reaction → verb. people_names: our id of a person → the name on the card.
    recipients: "channel", "team" or a list of user ids (route "activity").
    """

    route: str
    tenant: str = ""
    client_id: str = ""
    team: str = ""
    channel: str = ""
    account: str = ""
    graph_url: str = GRAPH_URL
    login_url: str = LOGIN_URL
    lookback_days: float = 7.0
    subscription_minutes: float = 4_310.0
    notification_app: str = SENDER
    encryption_certificate: str = ""
    encryption_certificate_id: str = ""
    certificates: Mapping[str, str] = field(default_factory=dict)
    reactions: Mapping[str, str] = field(default_factory=dict)
    people_names: Mapping[str, str] = field(default_factory=dict)
    activity_type: str = "incidentChanged"
    recipients: str | tuple[str, ...] = "channel"

    @property
    def token_url(self) -> str:
        return f"{self.login_url}/{quote(self.tenant, safe='')}/oauth2/v2.0/token"

    @property
    def keys_url(self) -> str:
        return f"{self.login_url}/common/discovery/v2.0/keys"

    @property
    def scope(self) -> str:
        """The OAuth scope of the cloud that `graph_url` belongs to."""
        return self.graph_url.split("/v1.0")[0] + "/.default"

    @property
    def resource(self) -> str:
        """The resource of the subscription: the channel's messages."""
        return f"/teams/{self.team}/channels/{self.channel}/messages"


def read(spec: Spec) -> Settings:
    """Raises ValueError that names the connection and the setting."""
    given = dict(spec.settings)

    def wrong(name: str, why: str) -> ValueError:
        return ValueError(f"connection {spec.name}: setting {name!r} {why}")

    route = given.get("route")
    if route not in ROUTES:
        raise wrong("route", f"must be one of {', '.join(ROUTES)}")
    for name in NEEDED[route]:
        if not isinstance(given.get(name), str) or not given[name]:
            raise wrong(name, f"is needed for route {route!r}")
    for name in ("graph_url", "login_url"):
        value = given.setdefault(name, GRAPH_URL if name == "graph_url" else LOGIN_URL)
        if not isinstance(value, str) or not value.startswith(("https://", "http://")):
            raise wrong(name, "must be an http(s) address")
        given[name] = value.rstrip("/")
    if not given["graph_url"].endswith("/v1.0"):
        raise wrong("graph_url", "must end in /v1.0")
    for name in ("lookback_days", "subscription_minutes"):
        if type(given.get(name, 1)) not in (int, float):
            raise wrong(name, "must be a number, without quotes")
    table = given.get("reactions") or ()
    pairs: dict[str, str] = {}
    for row in table.items() if isinstance(table, Mapping) else table:
        if len(row) != 2 or row[1] not in REACTION_VERBS:
            raise wrong("reactions", f"must be pairs of a reaction and one of {', '.join(sorted(REACTION_VERBS))}")
        pairs[str(row[0])] = str(row[1])
    recipients: Any = given.get("recipients", "channel")
    if recipients not in ("channel", "team"):
        if not isinstance(recipients, list | tuple) or not recipients:
            raise wrong("recipients", 'must be "channel", "team" or a list of user ids')
        recipients = tuple(str(r) for r in recipients)
    certificates = given.get("certificates") or {}
    if given.get("encryption_certificate") and given.get("encryption_certificate_id") not in certificates:
        raise wrong("certificates", "must name the secret with the private key of `encryption_certificate_id`")
    plain = {
        name: given[name]
        for name in (
            "tenant", "client_id", "team", "channel", "account", "graph_url", "login_url", "lookback_days",
            "subscription_minutes", "notification_app", "encryption_certificate", "encryption_certificate_id",
            "activity_type", "people_names",
        )
        if name in given
    }  # fmt: skip
    return Settings(route=route, reactions=pairs, recipients=recipients, certificates=dict(certificates), **plain)
