"""The stand-in for Jira, Cloud or Data Center. In: HTTP requests to its API, and people's actions (`people_…`).
Out: Jira's responses, and webhooks in `outgoing`.
Only tests, the demo and benchmarks may import it; the adapter never does, and it uses nothing of the hub's engine.
"""

from adapters.jira.sandbox.server import JiraSandbox

__all__ = ["JiraSandbox"]
