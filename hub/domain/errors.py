"""The errors of the adapter protocol. A call to a vendor succeeds or raises one of the four `VendorError`s; reading an
incoming request may raise `InvalidSignature` or `Unusable`. An adapter raises nothing else."""

from __future__ import annotations


class VendorError(Exception):
    """Base of the four. words: text for people, the vendor's own message without secrets."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class RetryLater(VendorError):
    """Nothing was changed at the vendor; try again. delay: seconds that the vendor asked for, or None. throttled: the
    vendor is healthy but we call too often (does not count against the connection's health)."""

    def __init__(self, words: str, delay: float | None = None, throttled: bool = False) -> None:
        super().__init__(words)
        self.delay = delay
        self.throttled = throttled


class OutcomeUnknown(VendorError):
    """The request may or may not have taken effect (time-out or broken connection after sending, 5xx on a write)."""


class Refused(VendorError):
    """The vendor refuses the request and will refuse it again. field: the field at fault, where the vendor names
    one."""

    def __init__(self, words: str, field: str | None = None) -> None:
        super().__init__(words)
        self.field = field


class Unauthorised(VendorError):
    """The credential is missing, wrong, expired, or lacks a permission."""


class InvalidSignature(Exception):
    """The request is not authentic. The text states why, for the log; never the expected value."""


class Unusable(Exception):
    """The request is authentic but cannot be understood. The text states what is wrong, and where."""
