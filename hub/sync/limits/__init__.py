"""In: a call that is about to be made, or has just failed. Out: permission, or when to try again.
Called by `inbound/` and `outbound/` around every vendor call; `guard` wraps each adapter when the hub is built.
All workers share budget and window through Redis; the breaker is stored in the connection's row."""
