"""Microsoft Teams' stand-in. In: HTTP requests of Graph v1.0, the identity platform and a flow, and what people do there.
Out: Microsoft's answers, and change notifications and outgoing-webhook calls in `outgoing`.
May be imported by tests, the demo and benchmarks only; the adapter never imports it."""

from adapters.teams.sandbox.server import TeamsSandbox
from adapters.teams.sandbox.state import ACCOUNT, APP, CHANNEL, JANE, ROBIN, TEAM, TENANT

__all__ = ["ACCOUNT", "APP", "CHANNEL", "JANE", "ROBIN", "TEAM", "TENANT", "TeamsSandbox"]
