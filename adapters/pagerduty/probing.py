"""The checks of `lockstep doctor` for a PagerDuty connection; each finding has a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from adapters.pagerduty.capability import Settings
from adapters.pagerduty.client import Client, Payload
from adapters.pagerduty.people import find_user
from adapters.pagerduty.subscription import PAGE, PATH, address, disabled
from adapters.registry import Spec
from hub.domain.errors import Refused, Unauthorised, VendorError
from hub.domain.values import Finding

SKEW = 30.0
"""Seconds of difference between PagerDuty's clock and the hub's from which doctor warns."""


class Probe:
    """Runs the checks; makes only read requests. A check that fails is a finding itself."""

    def __init__(self, client: Client, settings: Settings, spec: Spec) -> None:
        self._client = client
        self._settings = settings
        self._spec = spec

    def examine(self) -> Sequence[Finding]:
        """See `hub.ports.Probes`."""
        findings = list(self._checked("credentials", self._credentials))
        if findings[0].level == "error":
            return findings
        checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
            ("requester", self._requester), ("priorities", self._priorities), ("webhook", self._webhook),
            ("clock", self._clock), ("PagerDuty's own integrations", self._extensions), ("custom field", self._custom_field),
        )  # fmt: skip
        for name, check in checks:
            findings += self._checked(name, check)
        return findings

    def _checked(self, name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
        try:
            yield from check()
        except VendorError as error:
            level, remedy = "warn", "Correct what the message names; then run `lockstep doctor` again."
            if name == "credentials":
                level = "error"
                if isinstance(error, Unauthorised):
                    remedy = "Set the secret `api_token` to a valid key of this account that may write."
            yield Finding(level, f"{name}: could not be checked: {error.words}", remedy)

    def _credentials(self) -> Iterator[Finding]:
        self._client.request("GET", "abilities")
        yield Finding("ok", "PagerDuty accepts the API key.")
        if self._settings.create_by == "events" and not self._spec.secrets.all("routing_key"):
            yield Finding(
                "error", "create_by is \"events\", but the secret `routing_key` is not set.",
                "Set it to the integration key of an Events API v2 integration of the service.",
            )  # fmt: skip

    def _requester(self) -> Iterator[Finding]:
        email = self._settings.from_email
        if find_user(self._client, email):
            yield Finding("ok", f"{email} is a user of the account.")
        else:
            yield Finding(
                "error", f"{email} is not a user of the PagerDuty account: every write will be refused.",
                "Set `from_email` to the address of an existing user who may edit incidents.",
            )  # fmt: skip

    def _priorities(self) -> Iterator[Finding]:
        if not self._settings.priorities:
            yield Finding("ok", "Severity is shown as urgency only (`priorities = []`).")
            return
        try:
            names = {str(p.get("name") or p.get("summary")) for p in self._client.pages("priorities", "priorities")}
        except Refused as error:
            yield Finding(
                "error", f"The account does not offer priorities: {error.words}",
                "Set `priorities = []`, or switch incident priorities on in PagerDuty's account settings.",
            )  # fmt: skip
            return
        missing = [n for n in self._settings.priorities if n not in names]
        unknown = sorted(names - set(self._settings.priorities))
        if missing:
            yield Finding(
                "error", f"PagerDuty has no priority called {', '.join(missing)}; it has {', '.join(sorted(names))}.",
                "Make the setting `priorities` and the connection's severity table name the account's priorities.",
            )  # fmt: skip
        if unknown:
            yield Finding(
                "warn", f"The priorities {', '.join(unknown)} have no severity: incidents that carry them freeze that field.",
                "Add them to the setting `priorities` and to the connection's severity table.",
            )  # fmt: skip
        if not missing and not unknown:
            yield Finding("ok", "Every priority of the account has a severity.")

    def _webhook(self) -> Iterator[Finding]:
        if not self._spec.secrets.all("webhook_secret"):
            yield Finding(
                "error", "The secret `webhook_secret` is not set: deliveries cannot be verified and are answered 503.",
                "Run `lockstep connections subscribe`, or set the secret `webhook_secret`.",
            )  # fmt: skip
        noted, hub = self._spec.notebook.read(PAGE) or {}, f"{self._spec.base_url.rstrip('/')}/in/"
        here = [s for s in self._client.pages(PATH, PATH) if s.get("id") == noted.get("id") or self._leads(s, hub)]
        found = [s for s in here if s.get("id") == noted.get("id") or address(s) == hub + self._spec.name]
        for other in sorted({address(s).removeprefix(hub) for s in here if s not in found}):
            yield Finding(
                "warn", f"This account also sends its incidents to this hub's connection {other!r}: if both take the same "
                "services, each incident is linked twice.",
                f"Connect an account once, or give each its own `service_ids`; if {other!r} is gone, delete that subscription.",
            )  # fmt: skip
        if not found:
            yield Finding(
                "warn", "No webhook subscription of the account leads to this hub: changes are found by polling only.",
                "Run `lockstep connections subscribe`, or add a V3 webhook with this connection's address.",
            )  # fmt: skip
        for subscription in found:
            if disabled(subscription):
                yield Finding(
                    "error", f"PagerDuty has disabled the webhook subscription {subscription.get('id')}: "
                    "deliveries since then were dropped (polling finds those changes).",
                    "Enable it again (Lockstep does on renewal) and find out why deliveries failed.",
                )  # fmt: skip
            else:
                yield Finding("ok", f"The webhook subscription {subscription.get('id')} is enabled.")

    def _leads(self, subscription: Payload, hub: str) -> bool:
        return bool(self._spec.base_url) and address(subscription).startswith(hub)

    def _clock(self) -> Iterator[Finding]:
        skew = self._client.transport.skew
        if skew is not None and abs(skew) > SKEW:
            yield Finding(
                "warn", f"PagerDuty's clock differs from the hub's by {skew:+.0f} seconds.", "Set the hub's clock by NTP."
            )  # fmt: skip
        elif skew is not None:
            yield Finding("ok", f"PagerDuty's clock and the hub's agree ({skew:+.0f} seconds).")

    def _extensions(self) -> Iterator[Finding]:
        """Reports a Jira extension on one of the connection's services: it creates issues of its own. The API does not
        show V3 app integrations outside `/extensions`."""
        ours = {theirs for _, theirs in self._spec.vocabulary.get("services", [])}
        for extension in self._client.pages("extensions", "extensions"):
            schema = extension.get("extension_schema")
            kind = str(schema.get("summary") or "") if isinstance(schema, dict) else ""
            kind = f"{kind} {extension.get('name') or ''} {extension.get('endpoint_url') or ''}"
            objects = extension.get("extension_objects")
            on = {str(o.get("id")) for o in objects if isinstance(o, dict)} if isinstance(objects, list) else set()
            if "jira" in kind.lower() and (on & ours or not ours):
                yield Finding(
                    "warn", f"PagerDuty's own Jira integration ({extension.get('name')}) is on "
                    f"{', '.join(sorted(on & ours or on))}: it creates issues and copies changes too.",
                    "Remove it from these services, or leave their Jira project out of Lockstep's policy.",
                )  # fmt: skip

    def _custom_field(self) -> Iterator[Finding]:
        name = self._settings.custom_field
        if not name:
            return
        listed = self._client.request("GET", "incidents/custom_fields").get("fields")
        names = {str(f.get("name")) for f in listed if isinstance(f, dict)} if isinstance(listed, list) else set()
        if name in names:
            yield Finding("ok", f"The custom field {name} is defined.")
        else:
            yield Finding(
                "warn", f"The incident custom field {name} is not defined: incidents will not show their address in the hub.",
                f"Define a text or URL field called {name} in PagerDuty, or remove the setting `custom_field`.",
            )  # fmt: skip
