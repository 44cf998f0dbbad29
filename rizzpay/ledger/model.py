"""Transfers and the books' names: values and the rules over them, no I/O.

A transfer has one debit account, one credit account and one positive amount, so the books
balance by construction. `pending` holds; `post` and `void` resolve a pending transfer exactly
once, a post for at most the pending amount (the rest is released). The data model and the names
of the refusals follow TigerBeetle's docs/reference/transfer.md and
docs/reference/requests/create_transfers.md.

    RizzPayError
    └── LedgerRefused   a transfer breaks a rule; nothing of its batch may be kept

A transfer is refused for the first rule that it breaks, in the order of the checks below.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from msgspec import Struct

from rizzpay.core.errors import RizzPayError
from rizzpay.core.money import AMOUNT_MAX, EXPONENTS
from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value

MERCHANT_PENDING = "merchant_pending"  # captured, not yet settled to the merchant
MERCHANT_AVAILABLE = "merchant_available"
FEES = "fees"
GST = "gst"
REFUNDS = "refunds"  # promised to customers, not yet confirmed by the gateway
SUSPENSE = "suspense"  # money that arrived and fits no payment as it stands

NAMED_ACCOUNTS = frozenset({MERCHANT_PENDING, MERCHANT_AVAILABLE, FEES, GST, REFUNDS, SUSPENSE})
_GATEWAY = re.compile(r"gateway:[a-z0-9_-]{1,40}\Z")  # the same as in sql/migrations/0004


def gateway_account(gateway: str) -> str:
    """Return the account of what a gateway owes this merchant."""
    return f"gateway:{gateway}"


def is_debit_normal(name: str) -> bool:
    """Tell whether debits make the account grow: what others owe us. All else is credit-normal."""
    return name.startswith("gateway:")


class Phase(StrEnum):
    """How a transfer counts."""

    POSTED = "posted"
    PENDING = "pending"
    POST = "post"
    VOID = "void"


RESOLVING = frozenset({Phase.POST, Phase.VOID})


class Reason(StrEnum):
    """Why a transfer was refused; TigerBeetle's names where it has one."""

    AMOUNT_MUST_BE_POSITIVE = "amount_must_be_positive"
    AMOUNT_TOO_LARGE = "amount_too_large"
    ACCOUNTS_MUST_BE_DIFFERENT = "accounts_must_be_different"
    ACCOUNT_UNKNOWN = "account_unknown"
    CURRENCY_UNKNOWN = "currency_unknown"
    TIMESTAMP_NAIVE = "timestamp_naive"
    PENDING_ID_MUST_BE_EMPTY = "pending_id_must_be_empty"
    PENDING_ID_MUST_NOT_BE_EMPTY = "pending_id_must_not_be_empty"
    PENDING_ID_MUST_BE_DIFFERENT = "pending_id_must_be_different"
    EXISTS = "exists"
    PENDING_TRANSFER_NOT_FOUND = "pending_transfer_not_found"
    PENDING_TRANSFER_NOT_PENDING = "pending_transfer_not_pending"
    PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT = "pending_transfer_has_different_debit_account"
    PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT = "pending_transfer_has_different_credit_account"
    PENDING_TRANSFER_HAS_DIFFERENT_CURRENCY = "pending_transfer_has_different_currency"
    EXCEEDS_PENDING_TRANSFER_AMOUNT = "exceeds_pending_transfer_amount"
    PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT = "pending_transfer_has_different_amount"
    PENDING_TRANSFER_ALREADY_POSTED = "pending_transfer_already_posted"
    PENDING_TRANSFER_ALREADY_VOIDED = "pending_transfer_already_voided"


class LedgerRefused(RizzPayError):
    """A transfer breaks a rule; the caller rolls back, for part of the batch may be written."""

    def __init__(self, reason: Reason, transfer_id: str) -> None:
        """Name the rule and the transfer."""
        super().__init__(f"transfer {transfer_id}: {reason.value}")
        self.reason = reason
        self.transfer_id = transfer_id


@value
class Transfer(Struct, frozen=True, gc=False):
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
class Hold:
    """A transfer that others may want to resolve, and how it was resolved, if it was."""

    transfer: Transfer
    resolved_by: Phase | None


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


@dataclass(frozen=True, slots=True, order=True)
class AccountKey:
    """The primary key of an account; sorts like the database's index with C collation."""

    tenant: Tenant
    currency: str
    name: str


@dataclass(frozen=True, slots=True)
class Sums:
    """What a batch adds to the four sums of one account; the pending ones may be negative."""

    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0

    def debited(self, posted: int, pending: int) -> "Sums":
        """Return the sums with more on the debit side."""
        return Sums(
            self.debits_posted + posted,
            self.credits_posted,
            self.debits_pending + pending,
            self.credits_pending,
        )

    def credited(self, posted: int, pending: int) -> "Sums":
        """Return the sums with more on the credit side."""
        return Sums(
            self.debits_posted,
            self.credits_posted + posted,
            self.debits_pending,
            self.credits_pending + pending,
        )


@dataclass(frozen=True, slots=True)
class Imbalance:
    """What the proof found for one currency; all zero is the only acceptable answer."""

    currency: str
    posted: int  # Σ debits - Σ credits over all accounts
    pending: int
    drifted_accounts: int  # accounts whose sums differ from their transfers

    @property
    def is_zero(self) -> bool:
        """Tell whether the books of this currency balance and agree with their transfers."""
        return self.posted == 0 and self.pending == 0 and self.drifted_accounts == 0


def balance(account: Account) -> int:
    """Return the posted balance, positive on the account's own side: what we owe, or are owed."""
    net = account.credits_posted - account.debits_posted
    return -net if is_debit_normal(account.name) else net


def held(account: Account) -> int:
    """Return the pending sum that may still leave the account."""
    return account.credits_pending if is_debit_normal(account.name) else account.debits_pending


def incoming(account: Account) -> int:
    """Return the pending sum that may still arrive; it does not count until it is posted."""
    return account.debits_pending if is_debit_normal(account.name) else account.credits_pending


def available(account: Account) -> int:
    """Return the posted balance minus what is held; negative when more left than arrived."""
    return balance(account) - held(account)


def check_batch(transfers: Sequence[Transfer]) -> None:
    """Refuse what is wrong without looking at the books; raises LedgerRefused."""
    seen: set[str] = set()
    for transfer in transfers:
        reason = _fault(transfer)
        if reason is None and transfer.id in seen:
            reason = Reason.EXISTS
        if reason is not None:
            raise LedgerRefused(reason, transfer.id)
        seen.add(transfer.id)


def check_resolutions(transfers: Sequence[Transfer], stored: Mapping[str, Hold]) -> None:
    """Refuse posts and voids that their pending transfer does not allow; raises LedgerRefused.

    `stored` has the referred transfers that are in the books by id; those of the batch itself
    count as well, in any order. The first of two resolutions in a batch wins.
    """
    batch = {transfer.id: Hold(transfer, None) for transfer in transfers}
    resolved: dict[str, Phase] = {}
    for transfer in transfers:
        if transfer.pending_id is None:
            continue
        hold = batch.get(transfer.pending_id) or stored.get(transfer.pending_id)
        reason = _resolution_fault(transfer, hold, resolved.get(transfer.pending_id))
        if reason is not None:
            raise LedgerRefused(reason, transfer.id)
        resolved[transfer.pending_id] = transfer.phase


def account_sums(
    transfers: Sequence[Transfer], stored: Mapping[str, Hold]
) -> dict[AccountKey, Sums]:
    """Return what a checked batch adds to every account that it touches, in order of the keys."""
    holds = {transfer.id: transfer for transfer in transfers}
    holds.update({hold_id: hold.transfer for hold_id, hold in stored.items()})
    flows: dict[tuple[Tenant, str, str, str], list[int]] = {}
    for transfer in transfers:
        posted, pending = _weights(transfer, holds)
        place = (transfer.tenant, transfer.currency, transfer.debit, transfer.credit)
        flow = flows.setdefault(place, [0, 0])
        flow[0] += posted
        flow[1] += pending
    sums: dict[AccountKey, Sums] = {}
    for (tenant, currency, debited, credited), (posted, pending) in flows.items():
        debit = AccountKey(tenant, currency, debited)
        credit = AccountKey(tenant, currency, credited)
        sums[debit] = sums.get(debit, Sums()).debited(posted, pending)
        sums[credit] = sums.get(credit, Sums()).credited(posted, pending)
    return {key: sums[key] for key in sorted(sums)}


def all_zero(proof: Iterable[Imbalance]) -> bool:
    """Tell whether a whole proof is clean."""
    return all(imbalance.is_zero for imbalance in proof)


def _weights(transfer: Transfer, holds: Mapping[str, Transfer]) -> tuple[int, int]:
    """Return what the transfer adds to the posted and to the pending sums of its accounts."""
    if transfer.phase is Phase.POSTED:
        return transfer.amount, 0
    if transfer.phase is Phase.PENDING:
        return 0, transfer.amount
    released = holds[transfer.pending_id or ""].amount
    return (transfer.amount if transfer.phase is Phase.POST else 0), -released


@cache
def _is_account(name: str) -> bool:
    return name in NAMED_ACCOUNTS or _GATEWAY.match(name) is not None


def _fault(transfer: Transfer) -> Reason | None:
    if type(transfer.amount) is not int or transfer.amount <= 0:
        return Reason.AMOUNT_MUST_BE_POSITIVE
    if transfer.amount > AMOUNT_MAX:
        return Reason.AMOUNT_TOO_LARGE
    if transfer.debit == transfer.credit:
        return Reason.ACCOUNTS_MUST_BE_DIFFERENT
    if not (_is_account(transfer.debit) and _is_account(transfer.credit)):
        return Reason.ACCOUNT_UNKNOWN
    if transfer.currency not in EXPONENTS:
        return Reason.CURRENCY_UNKNOWN
    if transfer.created_at.tzinfo is None:
        return Reason.TIMESTAMP_NAIVE
    return _pending_id_fault(transfer)


def _pending_id_fault(transfer: Transfer) -> Reason | None:
    if transfer.phase not in RESOLVING:
        return None if transfer.pending_id is None else Reason.PENDING_ID_MUST_BE_EMPTY
    if transfer.pending_id is None:
        return Reason.PENDING_ID_MUST_NOT_BE_EMPTY
    if transfer.pending_id == transfer.id:
        return Reason.PENDING_ID_MUST_BE_DIFFERENT
    return None


def _resolution_fault(
    transfer: Transfer, hold: Hold | None, resolved_here: Phase | None
) -> Reason | None:
    if hold is None or hold.transfer.tenant != transfer.tenant:
        return Reason.PENDING_TRANSFER_NOT_FOUND  # a foreign one does not exist for this merchant
    pending = hold.transfer
    if pending.phase is not Phase.PENDING:
        return Reason.PENDING_TRANSFER_NOT_PENDING
    if pending.debit != transfer.debit:
        return Reason.PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT
    if pending.credit != transfer.credit:
        return Reason.PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT
    if pending.currency != transfer.currency:
        return Reason.PENDING_TRANSFER_HAS_DIFFERENT_CURRENCY
    return _amount_fault(transfer, pending) or already_resolved(hold.resolved_by or resolved_here)


def _amount_fault(transfer: Transfer, pending: Transfer) -> Reason | None:
    if transfer.amount > pending.amount:
        return Reason.EXCEEDS_PENDING_TRANSFER_AMOUNT
    if transfer.phase is Phase.VOID and transfer.amount != pending.amount:
        return Reason.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT
    return None


def already_resolved(by: Phase | None) -> Reason | None:
    """Return the refusal for a pending transfer that was resolved like this before."""
    if by is None:
        return None
    if by is Phase.POST:
        return Reason.PENDING_TRANSFER_ALREADY_POSTED
    return Reason.PENDING_TRANSFER_ALREADY_VOIDED
