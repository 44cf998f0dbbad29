"""Merchants and moments that the tests of the stores share."""

from datetime import UTC, datetime

from rizzpay.core import ids
from rizzpay.core.tenant import Tenant

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def new_tenant(*, livemode: bool = False) -> Tenant:
    """Return a merchant that no other test knows."""
    return Tenant(ids.new_id("merchant", datetime.now(UTC)), livemode)


def new_id(kind: str) -> str:
    """Return a fresh id."""
    return ids.new_id(kind, datetime.now(UTC))
