"""QR codes as the API takes and shows them: the body, the object, and the way between them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from rizzpay.api.objects import PaymentObject
from rizzpay.api.schemas import PLAIN, Amount, UnixTime
from rizzpay.api.shown import Listed, Minor, Time
from rizzpay.core import sensitive
from rizzpay.core.clock import unix_s
from rizzpay.core.errors import Refused
from rizzpay.payments.qr_codes.model import CodeType, CreateQrCode, QrCode, Usage

Kind = Literal["upi_qr", "bharat_qr"]
Uses = Literal["single_use", "multiple_use"]
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=99,
        pattern=PLAIN,
        description="What the payer's app shows; at most 99 bytes, 23 for bharat_qr.",
    ),
]


class QrCodeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A code that customers scan and pay."""

    type: Kind
    usage: Uses
    fixed_amount: Annotated[bool, Meta(description="False: the payer types the amount.")] = False
    payment_amount: Annotated[Amount, Meta(description="Paise; with fixed_amount only.")] | None = (
        None
    )
    name: Name | None = None
    description: Annotated[str, Meta(min_length=1, max_length=255, pattern=PLAIN)] | None = None
    close_by: (
        Annotated[UnixTime, Meta(description="When it closes by itself: 15 minutes from now on.")]
        | None
    ) = None


class QrCodeObject(msgspec.Struct, frozen=True, kw_only=True):
    """A code that customers scan; counted is what was credited, not what went back at once."""

    id: str
    object: Literal["qr_code"] = "qr_code"
    livemode: bool
    type: Kind
    usage: Uses
    status: Literal["active", "closed"]
    close_reason: Literal["on_demand", "paid", "expired"] | None
    fixed_amount: bool
    payment_amount: Minor | None
    name: str
    description: str | None
    content: Annotated[str, Meta(description="What the image says.")]
    image_url: str
    payments_count_received: int
    payments_amount_received: Minor
    close_by: Time | None
    closed_at: Time | None
    created_at: Time
    updated_at: Time


class QrCodeList(Listed, frozen=True, kw_only=True):
    """QR codes, newest first."""

    data: list[QrCodeObject]


class QrCodePaymentList(Listed, frozen=True, kw_only=True):
    """Payments that came by a code, newest first."""

    data: list[PaymentObject]


def command_of(body: QrCodeBody) -> CreateQrCode:
    """Return what a merchant asked for; raises Refused(invalid_request, aadhaar_not_accepted)."""
    if body.fixed_amount is (body.payment_amount is None):
        raise Refused(
            "invalid_request",
            "payment_amount belongs to fixed_amount: send both, or neither.",
            param="payment_amount",
        )
    for field in ("name", "description"):
        if sensitive.has_aadhaar(getattr(body, field) or ""):
            raise Refused("aadhaar_not_accepted", param=field)
    close_by = None if body.close_by is None else datetime.fromtimestamp(body.close_by, UTC)
    return CreateQrCode(
        type=CodeType(body.type),
        usage=Usage(body.usage),
        payment_amount=body.payment_amount,
        name=body.name,
        description=body.description,
        close_by=close_by,
    )


def shown(it: QrCode) -> QrCodeObject:
    """Return a code for its merchant."""
    kind: Any = it.type.value
    usage: Any = it.usage.value
    return QrCodeObject(
        id=it.id,
        livemode=it.tenant.livemode,
        type=kind,
        usage=usage,
        status=it.status.value,
        close_reason=it.close_reason.value if it.close_reason is not None else None,
        fixed_amount=it.payment_amount is not None,
        payment_amount=it.payment_amount,
        name=it.name,
        description=it.description,
        content=it.content,
        image_url=f"/v1/qr_codes/{it.id}.png",
        payments_count_received=it.payments_count_received,
        payments_amount_received=it.payments_amount_received,
        close_by=_when(it.close_by),
        closed_at=_when(it.closed_at),
        created_at=unix_s(it.created_at),
        updated_at=unix_s(it.updated_at),
    )


def shown_json(it: QrCode) -> bytes:
    """Return the same as JSON in UTF-8, for answers and events."""
    return msgspec.json.encode(shown(it))


def _when(at: datetime | None) -> int | None:
    return unix_s(at) if at is not None else None
