"""The errors of the adapter protocol. A call to a vendor ends well, or in one of the four `VendorError`s; an incoming
request is `InvalidSignature` or `Unusable`. Nothing else may leave an adapter."""

from __future__ import annotations


class VendorError(Exception):
    """Base of the four. `words` is what to show to a person: the vendor's own words, cleaned of secrets."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class RetryLater(VendorError):
    """Nothing happened at the vendor; try again. delay: seconds the vendor asked for, or None. throttled: the vendor is
    well but we are too fast (does not count against its health)."""

    def __init__(self, words: str, delay: float | None = None, throttled: bool = False) -> None:
        super().__init__(words)
        self.delay = delay
        self.throttled = throttled


class OutcomeUnknown(VendorError):
    """The request may or may not have taken effect (time-out or broken connection after sending, 5xx on a write)."""


class Refused(VendorError):
    """The vendor says no and will say no again. field: the field at fault, where the vendor names one."""

    def __init__(self, words: str, field: str | None = None) -> None:
        super().__init__(words)
        self.field = field


class Unauthorised(VendorError):
    """The credential is missing, wrong, expired, or lacks a permission."""


class InvalidSignature(Exception):
    """The request is not from whom it claims to be. The text says why (for the log; never the expected value)."""


class Unusable(Exception):
    """The request is authentic, but no sense can be made of it. The text says what was wrong, and where."""
