"""The stand-in for Microsoft Teams. In: HTTP requests to Graph v1.0, the identity platform and a flow, and people's
actions (`people_…`). Out: Microsoft's responses, and change notifications and outgoing-webhook calls in `outgoing`.
Only tests, the demo and benchmarks may import it; the adapter never does."""

from adapters.teams.sandbox.server import TeamsSandbox
from adapters.teams.sandbox.state import ACCOUNT, APP, CHANNEL, JANE, ROBIN, TEAM, TENANT

__all__ = ["ACCOUNT", "APP", "CHANNEL", "JANE", "ROBIN", "TEAM", "TENANT", "TeamsSandbox"]
