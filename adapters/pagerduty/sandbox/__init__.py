"""The stand-in for PagerDuty. In: HTTP requests to REST v2 and to the Events API v2, and people's actions (`people_…`).
Out: PagerDuty's responses, and V3 webhooks in `outgoing`.
Only tests, the demo and benchmarks may import it; the adapter never does."""

from adapters.pagerduty.sandbox.server import PagerDutySandbox

__all__ = ["PagerDutySandbox"]
