"""The only place that asks the machine what time it is."""

import time
from datetime import UTC, date, datetime, timedelta, timezone

IST = timezone(timedelta(hours=5, minutes=30), "IST")  # India has one zone and no summer time


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Return seconds that never run backwards: for leases and durations, not for records."""
    return time.monotonic()


def business_date_ist(at: datetime) -> date:
    """Return the Indian calendar date of a moment: what settlement and limits call a day."""
    return at.astimezone(IST).date()


def unix_s(at: datetime) -> int:
    """Return whole Unix seconds, as the API writes time."""
    return int(at.timestamp())
