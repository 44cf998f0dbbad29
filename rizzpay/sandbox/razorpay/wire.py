"""What Razorpay's callers may send, and how it refuses. Pure.

Sources: api/orders/create, payments/payment-gateway/rainy-day/capture-settings/api,
api/payments/capture, api/refunds/normal-refunds-idempotent, errors of razorpay.com/docs.
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

NO_SUCH_ID = "The id provided does not exist"
ALREADY_PAID = (
    "Your payment has been declined as the order is already paid. Please initiate the payment with "
    "a new order."
)
WRONG_KEY = "The api key provided is invalid"
NO_SUCH_URL = "The requested URL was not found on the server."
BAD_REQUEST, UNAUTHORIZED = 400, 401

Text = Annotated[str, Meta(max_length=256)]
Notes = Annotated[dict[Text, Text], Meta(max_length=15)]
Kind = TypeVar("Kind")


class Wrong(Exception):
    """A request that is refused with the documented body."""

    def __init__(
        self,
        description: str,
        *,
        status: int = BAD_REQUEST,
        field: str | None = None,
        reason: str = "input_validation_failed",
    ) -> None:
        """Keep what the body says."""
        super().__init__(description)
        self.description = description
        self.status = status
        self.field = field
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        known = self.status == BAD_REQUEST
        error: dict[str, Any] = {
            "code": "BAD_REQUEST_ERROR",
            "description": self.description,
            "source": "business" if known else "NA",
            "step": "payment_initiation" if known else "NA",
            "reason": self.reason if known else "NA",
            "metadata": {},
        }
        if self.field is not None:
            error["field"] = self.field
        return {"error": error}


class CaptureOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When what was not captured is given back, in minutes."""

    refund_speed: Literal["normal", "optimum"]
    automatic_expiry_period: Annotated[int, Meta(ge=12, le=7200)] | None = None
    manual_expiry_period: Annotated[int, Meta(ge=12, le=7200)] = 7200


class CaptureSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who captures."""

    capture: Literal["automatic", "manual"]
    capture_options: CaptureOptions | None = None


class OrderIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/orders."""

    amount: int
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    receipt: Annotated[str, Meta(max_length=40)] | None = None
    notes: Notes = msgspec.field(default_factory=dict)
    payment: CaptureSettings | None = None


class CaptureIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/payments/{id}/capture."""

    amount: int
    currency: str


class RefundIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/payments/{id}/refund."""

    amount: int | None = None
    speed: Literal["normal", "optimum"] = "normal"
    receipt: Annotated[str, Meta(max_length=40)] | None = None
    notes: Notes = msgspec.field(default_factory=dict)


def parse(body: bytes, kind: type[Kind]) -> Kind:
    """Read a body; raises Wrong."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Wrong(str(error)) from None
