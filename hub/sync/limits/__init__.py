"""In: a call that is about to be made, or has just failed. Out: permission, or when to come back.
Called by `inbound/` and `outbound/` around every vendor call; `guard` wraps each adapter when the hub is built.
Budget and window are shared by all workers through Redis; the breaker is a row."""
