"""The stand-in for Atlassian Statuspage: requests to its API and acts of its people enter (`people_…`);
answers and notifications (`outgoing`) leave.
The demo, the benchmark and tests may make one; no adapter knows it, and it knows nothing of the hub.
"""

from adapters.statuspage.sandbox.server import StatuspageSandbox

__all__ = ["StatuspageSandbox"]
