"""The stand-in for Cachet v3: requests to its API and acts of its people enter (`people_…`); answers leave.
It behaves as the code of cachethq/core (2026) does, and sends no webhooks.
The demo, the benchmark and tests may make one; no adapter knows it, and it knows nothing of the hub.
"""

from adapters.cachet.sandbox.server import CachetSandbox

__all__ = ["CachetSandbox"]
