"""The stand-in for Cachet v3. In: HTTP requests to its API, and people's actions (`people_…`). Out: Cachet's responses.
It behaves as the code of cachethq/core (2026) does, and sends no webhooks.
Only tests, the demo and benchmarks may import it; the adapter never does, and it uses nothing of the hub's engine.
"""

from adapters.cachet.sandbox.server import CachetSandbox

__all__ = ["CachetSandbox"]
