"""Transfers and the books' names: values only.

A transfer has one debit account, one credit account and one positive amount, so the books
balance by construction. `pending` holds; `post` and `void` resolve a pending transfer exactly
once, a post for at most the pending amount (the rest is released). The data model follows
TigerBeetle's `docs/reference/transfer.md`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rizzpay.core.tenant import Tenant

MERCHANT_PENDING = "merchant_pending"  # captured, not yet settled to the merchant
MERCHANT_AVAILABLE = "merchant_available"
FEES = "fees"
GST = "gst"
REFUNDS = "refunds"  # promised to customers, not yet confirmed by the gateway
SUSPENSE = "suspense"  # money that arrived and fits no payment as it stands


def gateway_account(gateway: str) -> str:
    """Return the account of what a gateway owes this merchant."""
    return f"gateway:{gateway}"


class Phase(StrEnum):
    """How a transfer counts."""

    POSTED = "posted"
    PENDING = "pending"
    POST = "post"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement. `amount` in minor units; of a void it is the pending amount again."""

    id: str
    tenant: Tenant
    currency: str
    debit: str
    credit: str
    amount: int
    phase: Phase
    code: str  # authorization, capture, fee, gst, refund, suspense …
    created_at: datetime
    pending_id: str | None = None
    payment_id: str | None = None
    refund_id: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account of one merchant's books with its four sums in minor units."""

    tenant: Tenant
    currency: str
    name: str
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int


@dataclass(frozen=True, slots=True)
class Imbalance:
    """What the proof found; all zero is the only acceptable answer."""

    currency: str
    posted: int  # Σ debits - Σ credits over all accounts
    pending: int
    drifted_accounts: int  # accounts whose sums differ from their transfers
