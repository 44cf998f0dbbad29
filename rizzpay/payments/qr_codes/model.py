"""A QR code as a value, and how it ends: active, then closed, for ever. Pure."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value

EXPIRE = "qr_code.expire"  # the kind of job that closes a code whose time is up
CURRENCY = "INR"


class CodeType(StrEnum):
    """What the image says: a UPI link, or EMVCo's objects."""

    UPI = "upi_qr"
    BHARAT = "bharat_qr"


class Usage(StrEnum):
    """How many payments a code takes before it closes."""

    SINGLE = "single_use"
    MULTIPLE = "multiple_use"


class CodeStatus(StrEnum):
    """Whether money that comes by a code is the merchant's, or goes back."""

    ACTIVE = "active"
    CLOSED = "closed"


class CloseReason(StrEnum):
    """Why a code is closed: its merchant said so, its one payment came, or its time was up."""

    ON_DEMAND = "on_demand"
    PAID = "paid"
    EXPIRED = "expired"


@value
class QrCode(Struct, frozen=True, gc=False):
    """One code. Amounts are paise; `payment_amount` None lets the payer type one.

    Counted as received is what was credited to the merchant, not what went back at once.
    """

    id: str
    tenant: Tenant
    type: CodeType
    usage: Usage
    status: CodeStatus
    payment_amount: int | None
    name: str
    description: str | None
    gateway: str
    content: str
    close_by: datetime | None
    close_reason: CloseReason | None
    closed_at: datetime | None
    payments_count_received: int
    payments_amount_received: int
    version: int
    created_at: datetime
    updated_at: datetime

    def takes_money(self, now: datetime) -> bool:
        """Tell whether a payment that we hear of now is the merchant's."""
        return self.status is CodeStatus.ACTIVE and not self.is_over(now)

    def is_over(self, now: datetime) -> bool:
        """Tell whether its time is up, whether or not it was closed for that."""
        return self.close_by is not None and self.close_by <= now

    def asks(self, paid: int) -> Money:
        """Return what a payment by this code should be; an open amount is what was paid."""
        return Money(max(1, self.payment_amount or paid), CURRENCY)


@value
class Terms(Struct, frozen=True, gc=False):
    """What was agreed with the merchant, as it is now; rates in basis points."""

    fee_basis_points: int
    gst_basis_points: int
    late_authorization: str


@value
class Locked(Struct, frozen=True, gc=False):
    """A code under its row lock, with the names of the money that came by it already."""

    code: QrCode
    terms: Terms
    references: frozenset[str]  # of those that were asked about

    def knowing(self, code: QrCode, reference: str) -> "Locked":
        """Return what the next decision of the same batch must see."""
        return replace(self, code=code, references=self.references | {reference})


@value
class CreateQrCode(Struct, frozen=True, gc=False):
    """What a merchant asked for, parsed and checked; `name` None shows the gateway's payee."""

    type: CodeType
    usage: Usage
    payment_amount: int | None
    name: str | None
    description: str | None
    close_by: datetime | None


def touched(code: QrCode, now: datetime) -> QrCode:
    """Return the code with its version raised and everything that it counts as it was."""
    return replace(code, version=code.version + 1, updated_at=now)


def closed(code: QrCode, reason: CloseReason, now: datetime) -> QrCode:
    """Return the code closed; raises Refused(illegal_transition) when it is already."""
    if code.status is CodeStatus.CLOSED:
        raise Refused("illegal_transition", "The QR code is closed already.")
    return replace(
        code,
        status=CodeStatus.CLOSED,
        close_reason=reason,
        closed_at=now,
        version=code.version + 1,
        updated_at=now,
    )


def credited(code: QrCode, amount: int, now: datetime) -> QrCode:
    """Return the code after a payment of `amount` paise; one for a single use is closed by it."""
    counted = replace(
        code,
        payments_count_received=code.payments_count_received + 1,
        payments_amount_received=code.payments_amount_received + amount,
        version=code.version + 1,
        updated_at=now,
    )
    if code.usage is Usage.MULTIPLE:
        return counted
    return replace(counted, status=CodeStatus.CLOSED, close_reason=CloseReason.PAID, closed_at=now)
