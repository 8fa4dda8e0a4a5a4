"""The stand-in for Jira, Cloud or Data Center: requests to its API and acts of its people enter (`people_…`);
answers and webhooks (`outgoing`) leave.
The demo, the benchmark and tests may make one; no adapter knows it, and it knows nothing of the hub.
"""

from adapters.jira.sandbox.server import JiraSandbox

__all__ = ["JiraSandbox"]
