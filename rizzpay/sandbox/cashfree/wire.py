"""What Cashfree's callers may send, and how it refuses. Pure.

Sources: api-reference/payments/errors, orders/create, refunds/create of cashfree.com/docs, version
2023-08-01.
"""

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

INVALID, AUTHENTICATION, IDEMPOTENCY = (
    "invalid_request_error", "authentication_error", "idempotency_error",
)  # fmt: skip
Kind = TypeVar("Kind")
PAISE = 100


class Wrong(Exception):
    """A request that is refused with the documented body."""

    def __init__(self, code: str, message: str, *, status: int = 400, kind: str = INVALID) -> None:
        """Keep what the body says."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.kind = kind

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        return {"message": self.message, "code": self.code, "type": self.kind}


class Customer(msgspec.Struct, frozen=True):
    """Who pays."""

    customer_id: Annotated[str, Meta(min_length=3, max_length=50)]
    customer_phone: Annotated[str, Meta(pattern="^[0-9]{10}$")]


class OrderMeta(msgspec.Struct, frozen=True):
    """How the customer pays, and who is told."""

    notify_url: Annotated[str, Meta(max_length=250)] | None = None
    return_url: Annotated[str, Meta(max_length=250)] | None = None
    payment_methods: str | None = None


class OrderIn(msgspec.Struct, frozen=True):
    """POST /pg/orders."""

    order_amount: Decimal
    order_currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    customer_details: Customer
    order_id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{3,45}$")]
    order_expiry_time: str | None = None
    order_meta: OrderMeta = OrderMeta()
    order_note: Annotated[str, Meta(min_length=3, max_length=200)] | None = None


class RefundIn(msgspec.Struct, frozen=True):
    """POST /pg/orders/{id}/refunds."""

    refund_amount: Decimal
    refund_id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{3,40}$")]
    refund_speed: str = "STANDARD"
    refund_note: str | None = None


def parse(body: bytes, kind: type[Kind]) -> Kind:
    """Read a body; raises Wrong."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Wrong("request_failed", str(error)) from None


def paise(amount: Decimal, code: str) -> int:
    """Return an amount of two decimals in paise; raises Wrong."""
    minor = amount * PAISE
    if not amount.is_finite() or minor != minor.to_integral_value() or minor < PAISE:
        raise Wrong(code, f"{code.removesuffix('_invalid')} : invalid value")
    return int(minor)


def rupees(minor: int) -> msgspec.Raw:
    """Return paise as Cashfree writes an amount."""
    return msgspec.Raw(f"{minor // PAISE}.{minor % PAISE:02d}".encode())
