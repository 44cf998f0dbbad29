"""The sandbox's protocol as types: what comes in, strictly checked, and what goes out. Pure."""

import hashlib
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from rizzpay.core.money import AMOUNT_MAX, EXPONENTS

Id = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{4,64}$")]
Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Url = Annotated[str, Meta(pattern="^https?://[!-~]+$", max_length=2048)]


class Refused(Exception):
    """The request was not taken in: HTTP status, error word, and a sentence."""

    def __init__(self, status: int, error: str, detail: str, *, closed: bool = False) -> None:
        """Keep the parts of the error object."""
        super().__init__(f"{status} {error}: {detail}")
        self.status = status
        self.error = error
        self.detail = detail
        self.closed = closed


class _In(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object in which nothing unknown is tolerated."""


class CardIn(_In, frozen=True, tag_field="type", tag="card"):
    """A card by its token."""

    token: Annotated[str, Meta(min_length=1, max_length=80)]


class UpiIn(_In, frozen=True, tag_field="type", tag="upi"):
    """UPI by link, QR, or request to the customer's app."""

    flow: Literal["intent", "qr", "collect"]
    vpa: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.\-_]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}$")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    exemption: Annotated[str, Meta(max_length=32)] | msgspec.UnsetType = msgspec.UNSET


class NetBankingIn(_In, frozen=True, tag_field="type", tag="netbanking"):
    """The customer's bank."""

    bank: Annotated[str, Meta(pattern="^[A-Z0-9_]{2,16}$")]


class WalletIn(_In, frozen=True, tag_field="type", tag="wallet"):
    """A wallet."""

    wallet: Annotated[str, Meta(pattern="^[a-z0-9_]{2,32}$")]


class TransferIn(_In, frozen=True, tag_field="type", tag="bank_transfer"):
    """The customer pays into an account made for this charge."""


class ChargeIn(_In, frozen=True):
    """POST /v1/charges. `expires_at` is in Unix seconds."""

    attempt_id: Id
    payment_id: Id
    amount: Amount
    currency: Currency
    method: CardIn | UpiIn | NetBankingIn | WalletIn | TransferIn
    capture_method: Literal["automatic", "manual"]
    callback_url: Url
    expires_at: Annotated[int, Meta(ge=0, le=253_402_300_799)]
    description: Annotated[str, Meta(max_length=500)] = ""
    return_url: Url | None = None


class CaptureIn(_In, frozen=True):
    """POST /v1/charges/{reference}/capture."""

    attempt_id: Id
    amount: Amount
    currency: Currency
    final: bool


class VoidIn(_In, frozen=True):
    """POST /v1/charges/{reference}/void."""

    attempt_id: Id


class RefundIn(_In, frozen=True):
    """POST /v1/refunds."""

    attempt_id: Id
    reference: Id
    amount: Amount
    currency: Currency


class EnquiryIn(_In, frozen=True):
    """POST /v1/enquiries. What `keep_open` asks about may still come."""

    attempt_id: Id
    keep_open: bool = False


class ScanIn(_In, frozen=True):
    """POST /customer/scan: what a link or QR code says, and what the customer does about it.

    `amount` in paise where the link leaves it open; `after_ms` is how long the banks take.
    """

    upi: Annotated[str, Meta(max_length=2048)]
    act: Literal["approve", "decline"] = "approve"
    amount: Amount | None = None
    after_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0
    times: Annotated[int, Meta(ge=1, le=20)] = 1


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one attempt; the same object in answers, enquiries and callbacks."""

    attempt_id: str
    kind: str  # charge, capture, void, refund
    status: str  # approved, declined, action_required, processing
    reference: str
    amount: int
    currency: str
    captured: bool = False
    rrn: str | None = None
    decline_code: str | None = None
    action: dict[str, str] | None = None
    tr: str | None = None  # of a code that takes more than one payment


Body = TypeVar("Body", bound=msgspec.Struct)


def parse(body: bytes, kind: type[Body]) -> Body:
    """Return the checked body; raises Refused(malformed) or Refused(invalid)."""
    try:
        parsed = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(422, "invalid", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(400, "malformed", "The body is not well-formed JSON.") from None
    if getattr(parsed, "currency", "INR") not in EXPONENTS:
        raise Refused(422, "invalid", "The currency is not known.")
    method = getattr(parsed, "method", None)
    if isinstance(method, UpiIn):
        _check_upi(method, getattr(parsed, "currency", ""))
    return parsed


def _check_upi(method: UpiIn, currency: str) -> None:
    if currency != "INR":
        raise Refused(422, "invalid", "UPI is in INR only.")
    if (method.flow == "collect") is (method.vpa is msgspec.UNSET):
        raise Refused(422, "invalid", "A vpa belongs to collect, and only to collect.")


def digest(kind: str, reference: str, body: msgspec.Struct) -> bytes:
    """Return what makes two requests with the same id the same request."""
    return hashlib.sha256(f"{kind} {reference} ".encode() + msgspec.json.encode(body)).digest()


def plain(value: msgspec.Struct) -> dict[str, Any]:
    """Return a struct as a JSON object."""
    return dict(msgspec.to_builtins(value))
