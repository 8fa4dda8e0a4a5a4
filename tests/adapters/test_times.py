"""A vendor's time becomes UTC, or None; arithmetic on the result never fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.times import utc


@given(st.text(max_size=40) | st.datetimes().map(datetime.isoformat) | st.integers() | st.none())
def test_whatever_is_given_it_is_a_moment_that_one_can_reckon_with_or_none(given: Any) -> None:
    """No text of a vendor raises an exception, not even when hours are added to or subtracted from the result."""
    found = utc(given)
    if found is not None:
        assert found.tzinfo is UTC
        assert found - timedelta(days=30) < found < found + timedelta(days=30)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-05T09:00:00Z", datetime(2026, 1, 5, 9, tzinfo=UTC)),
        ("2026-01-05T04:00:00.000-0500", datetime(2026, 1, 5, 9, tzinfo=UTC)),
        ("2026-01-05 09:00:00", datetime(2026, 1, 5, 9, tzinfo=UTC)),
        ("0001-01-01", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("yesterday", None),
    ],
)  # fmt: skip
def test_the_vendors_ways_of_writing_a_moment(text: str, moment: datetime | None) -> None:
    """With and without a colon, a `Z`, a zone; None for what is outside the calendar."""
    assert utc(text) == moment
