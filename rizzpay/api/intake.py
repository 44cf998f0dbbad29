"""From a checked body to what the payments service is asked for: the domain's own types.

Rules that a schema cannot say stand here: what belongs together, which URL may be returned to,
and that no Aadhaar number comes in.
"""

import ipaddress
import urllib.parse
from datetime import UTC, datetime
from typing import assert_never

from msgspec import UnsetType

from rizzpay.api.schemas import (
    AnyMethod,
    BankTransferMethod,
    CaptureBody,
    CardMethod,
    Customer,
    NetBankingMethod,
    PaymentBody,
    PaymentsQuery,
    RefundBody,
    UpiMethod,
    WalletMethod,
)
from rizzpay.core import ids, sensitive
from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.port import (
    BankTransfer,
    CaptureMethod,
    Card,
    Method,
    NetBanking,
    UpiCollect,
    UpiIntent,
    UpiQr,
    Wallet,
)
from rizzpay.merchants.model import Caller
from rizzpay.payments.states import Status
from rizzpay.payments.types import (
    CreateCapture,
    CreatePayment,
    CreateRefund,
    Payer,
    PaymentFilter,
)

CAPTURE_METHODS = {method.value: method for method in CaptureMethod}
INTENT, QR = UpiIntent(), UpiQr()
TOKEN_SHOWN = 4  # characters at the end of a token that a merchant recognises it by


def create_payment(body: PaymentBody, caller: Caller, now: datetime) -> CreatePayment:
    """Return what is to be collected; raises Refused(invalid_request, aadhaar_not_accepted)."""
    method, method_view = _method(body.method, caller)
    if body.capture_method == "manual" and not isinstance(body.method, CardMethod):
        raise Refused(
            "invalid_request", "Only a card can be captured later.", param="capture_method"
        )
    vpa = body.method.vpa if isinstance(body.method, UpiMethod) else None
    return CreatePayment(
        money=Money(body.amount, body.currency),
        method=method,
        method_view=method_view,
        capture_method=CAPTURE_METHODS[body.capture_method],
        payer=_payer(body.customer, vpa, caller, now),
        reference=body.reference,
        description=body.description,
        metadata=_metadata(body.metadata, body.notes),
        return_url=_return_url(body.return_url, livemode=caller.tenant.livemode),
    )


def create_capture(body: CaptureBody) -> CreateCapture:
    """Return what is to be captured."""
    return CreateCapture(amount=body.amount, final=body.final)


def create_refund(body: RefundBody) -> CreateRefund:
    """Return what is to be given back; raises Refused(aadhaar_not_accepted)."""
    return CreateRefund(
        payment_id=body.payment_id,
        amount=body.amount,
        reason=body.reason,
        reference=body.reference,
        metadata=_metadata(body.metadata, body.notes),
    )


def payment_filter(query: PaymentsQuery) -> PaymentFilter:
    """Return what a list of payments is narrowed to."""
    return PaymentFilter(
        status=Status(query.status) if query.status else None,
        created_gte=at(query.created_gte),
        created_lt=at(query.created_lt),
        reference=query.reference,
        email=Secret(query.customer_email) if query.customer_email else None,
        phone=Secret(query.customer_phone) if query.customer_phone else None,
    )


def at(unix_s: int | None) -> datetime | None:
    """Return the moment of Unix seconds."""
    return datetime.fromtimestamp(unix_s, UTC) if unix_s is not None else None


def _method(body: AnyMethod, caller: Caller) -> tuple[Method, dict[str, str]]:
    """Return the method, and what of it may be stored in clear and shown."""
    match body:
        case CardMethod():
            return _card(body.token)
        case UpiMethod():
            return _upi(body, caller)
        case NetBankingMethod():
            return NetBanking(body.bank), {"type": "netbanking", "bank": body.bank}
        case WalletMethod():
            return Wallet(body.wallet), {"type": "wallet", "wallet": body.wallet}
        case BankTransferMethod():
            return BankTransfer(), {"type": "bank_transfer"}
        case _:
            assert_never(body)


def _card(token: str | None) -> tuple[Method, dict[str, str]]:
    if token is None:
        return Card(None), {"type": "card"}
    return Card(Secret(token)), {"type": "card", "token_last4": token[-TOKEN_SHOWN:]}


def _upi(body: UpiMethod, caller: Caller) -> tuple[Method, dict[str, str]]:
    shown = {"type": "upi", "flow": body.flow}
    if body.flow != "collect":
        if body.vpa is not None:
            raise Refused("invalid_request", "Only collect takes a vpa.", param="method.vpa")
        return (INTENT if body.flow == "intent" else QR), shown
    if body.vpa is None:
        raise Refused("invalid_request", "Collect needs the payer's vpa.", param="method.vpa")
    shown["handle"] = body.vpa.rpartition("@")[2]
    # whether the merchant has an exemption at all is for risk to say
    return UpiCollect(Secret(body.vpa), caller.merchant.collect_exemption or ""), shown


def _payer(
    customer: Customer | None, vpa: str | None, caller: Caller, now: datetime
) -> Payer | None:
    if customer is None and vpa is None:
        return None
    known = customer or Customer()
    return Payer(
        id=ids.new_id("payer", now),
        tenant=caller.tenant,
        name=Secret(known.name) if known.name else None,
        email=Secret(known.email) if known.email else None,
        phone=Secret(known.phone) if known.phone else None,
        vpa=Secret(vpa) if vpa else None,
        created_at=now,
    )


def _metadata(
    metadata: dict[str, str] | UnsetType, notes: dict[str, str] | UnsetType
) -> dict[str, str]:
    if not isinstance(metadata, UnsetType) and not isinstance(notes, UnsetType):
        raise Refused("invalid_request", "notes is another name of metadata.", param="notes")
    given = metadata if not isinstance(metadata, UnsetType) else notes
    if isinstance(given, UnsetType):
        return {}
    if any(sensitive.has_aadhaar(text) for pair in given.items() for text in pair):
        raise Refused("aadhaar_not_accepted", param="metadata")
    return given


def _return_url(url: str | None, *, livemode: bool) -> str | None:
    if url is None:
        return None
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # brackets that do not hold an IPv6 address
        host = ""
        parts = urllib.parse.SplitResult("", "", "", "", "")
    secure = parts.scheme == "https" or (not livemode and _is_loopback(host))
    if not host or not secure or parts.username is not None or "\\" in url:
        raise Refused(
            "invalid_request",
            "The URL is https, without a user name; in test mode also http on loopback.",
            param="return_url",
        )
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
