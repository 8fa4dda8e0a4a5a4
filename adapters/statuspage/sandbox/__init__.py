"""The stand-in for Atlassian Statuspage. In: HTTP requests to its API, and people's actions (`people_…`).
Out: Statuspage's responses, and webhook notifications in `outgoing`.
Only tests, the demo and benchmarks may import it; the adapter never does, and it uses nothing of the hub's engine.
"""

from adapters.statuspage.sandbox.server import StatuspageSandbox

__all__ = ["StatuspageSandbox"]
