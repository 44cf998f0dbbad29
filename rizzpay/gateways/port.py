"""The port: what we ask of a gateway, and every answer that it can be.

A connector never raises for a network fault. What certainly did not leave this machine is
`NotSent`; what may have moved money is `Unknown`. Pure types, no I/O.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.core.values import value


class CaptureMethod(StrEnum):
    """When the money is taken: with the authorization, or by a later call."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Card:
    """A card by its token, or one that the gateway's own page asks for; no number comes here."""

    token: Secret[str] | None


@dataclass(frozen=True, slots=True)
class UpiIntent:
    """The customer's app opens from a upi:// link."""


@dataclass(frozen=True, slots=True)
class UpiQr:
    """The customer scans a dynamic QR."""


@dataclass(frozen=True, slots=True)
class UpiCollect:
    """We ask the customer's app for the money; `exemption` says why that is permitted."""

    vpa: Secret[str]
    exemption: str


@dataclass(frozen=True, slots=True)
class NetBanking:
    """Redirect to the customer's bank; `bank` is a code of upper-case letters."""

    bank: str


@dataclass(frozen=True, slots=True)
class Wallet:
    """Redirect to a wallet: paytm, phonepe, amazonpay."""

    wallet: str


@dataclass(frozen=True, slots=True)
class BankTransfer:
    """The customer pays into an account number made for this payment."""


Method = Card | UpiIntent | UpiQr | UpiCollect | NetBanking | Wallet | BankTransfer


@value
class AuthorizeRequest(Struct, frozen=True, gc=False):
    """`attempt_id` is sent as the gateway's idempotency key."""

    attempt_id: str
    payment_id: str
    money: Money
    method: Method
    capture_method: CaptureMethod
    description: str
    return_url: str | None
    callback_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take `money` of an authorization; `final` releases what is left of it."""

    attempt_id: str
    gateway_reference: str
    money: Money
    final: bool


@dataclass(frozen=True, slots=True)
class VoidRequest:
    """Release an authorization, or call off one that still waits for the customer."""

    attempt_id: str
    gateway_reference: str


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give `money` of a captured payment back to the same instrument."""

    refund_id: str
    gateway_reference: str
    money: Money


@dataclass(frozen=True, slots=True)
class Approved:
    """It happened. `money` is what the gateway says, compared by us with what we asked."""

    gateway_reference: str
    money: Money
    captured: bool
    rrn: str | None = None


@value
class ActionRequired(Struct, frozen=True, gc=False):
    """The customer has to act. `next_action` is the API's object: {"type": …, …}.

    It is empty where an enquiry learned that the customer has not acted on our own link yet.
    """

    gateway_reference: str
    next_action: dict[str, str]


@dataclass(frozen=True, slots=True)
class Processing:
    """The gateway has it and has not decided."""

    gateway_reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """A definite no. `reason` is our word, `gateway_code` theirs; see gateways/catalog.py."""

    reason: str
    recommended_action: str
    gateway_code: str
    gateway_reference: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing left this machine: refused connection, DNS, TLS."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have happened. Only enquiry, callback or reconciliation may settle it."""

    detail: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Answer to an enquiry only: the gateway never got it, and will refuse it from now on."""


Operation = CaptureRequest | VoidRequest | RefundRequest
Outcome = Approved | ActionRequired | Processing | Declined | NotSent | Unknown
EnquiryOutcome = Outcome | Absent


@dataclass(frozen=True, slots=True)
class Callback:
    """A verified message from a gateway: which of our requests it is about, and the outcome.

    A genuine message about nothing of ours has an empty `attempt_id`; it is kept and counted.
    """

    provider_event_id: str
    # att_…, cap_… or rfnd_…: the id that we sent; qr_…: the QR code that a customer paid by
    attempt_id: str
    outcome: Outcome


class BadCallback(Exception):
    """The callback is forged, stale or malformed; nothing of it is believed."""


class Charges(Protocol):
    """A gateway that authorizes, captures, voids, refunds and answers enquiries."""

    name: str

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Ask for the money."""
        ...

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take held money."""
        ...

    def void(self, request: VoidRequest) -> Outcome:
        """Release held money."""
        ...

    def refund(self, request: RefundRequest) -> Outcome:
        """Give money back."""
        ...

    def enquire(
        self,
        attempt_id: str,
        *,
        invited: bool = False,
        about: Operation | None = None,
        reference: str | None = None,
    ) -> EnquiryOutcome:
        """Ask what became of a request; one that fails is Unknown, never NotSent.

        `about` is the capture, void or refund as it was asked for, None for an authorization: not
        every gateway knows these by our id. It may ask for the same again where that is harmless.

        `reference` is what the gateway last called the authorization, None when it never told:
        not every gateway finds an authorization by our id.

        A gateway that never got it refuses it from now on (Absent), except when it is `invited`:
        a customer has our own link and may still pay, so it stays open (ActionRequired).
        """
        ...


class Invites(Protocol):
    """A gateway whose customers can pay by a link that we make without asking it."""

    def invite(self, request: AuthorizeRequest) -> ActionRequired | None:
        """Return the customer's next action, or None when the gateway has to be asked.

        Pure: no network, no clock. The gateway hears of the payment when its customer pays, by
        `gateway_reference`; then it calls back about `request.attempt_id`.
        """
        ...


class Callbacks(Protocol):
    """A gateway that calls us; `now` is for the age of the signature."""

    def read_callback(self, headers: dict[str, str], body: bytes, now: datetime) -> Callback:
        """Verify and read; raises BadCallback."""
        ...
