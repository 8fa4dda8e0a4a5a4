"""PagerDuty's stand-in. In: HTTP requests of REST v2 and of the Events API v2, and what people do there (`people_...`).
Out: PagerDuty's answers, and V3 webhooks in `outgoing`.
May be imported by tests, the demo and benchmarks only; the adapter never imports it."""

from adapters.pagerduty.sandbox.server import PagerDutySandbox

__all__ = ["PagerDutySandbox"]
