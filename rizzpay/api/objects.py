"""What the API shows: one struct an object. OpenAPI is generated from them; views.py fills them.

Times are Unix seconds, amounts minor units, secrets absent. A field that is not there (UNSET) is
one that was not asked for; a field that has no value is null.
"""

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from rizzpay.api.schemas import Currency, Scope
from rizzpay.api.shown import Listed, Minor, Time
from rizzpay.api.shown import Shown as _Shown

PaymentStatus = Literal[
    "created",
    "requires_action",
    "processing",
    "authorized",
    "partially_captured",
    "captured",
    "failed",
    "cancelled",
    "expired",
    "unknown",
    "conflicted",
    "requires_merchant_action",
]


class MethodObject(_Shown, frozen=True, kw_only=True):
    """How the customer pays, without anything that could be used again."""

    type: Literal["card", "upi", "netbanking", "wallet", "bank_transfer"]
    flow: Literal["intent", "qr", "collect"] | UnsetType = UNSET
    qr_code_id: str | UnsetType = UNSET
    handle: str | UnsetType = UNSET
    token_last4: str | UnsetType = UNSET
    bank: str | UnsetType = UNSET
    wallet: str | UnsetType = UNSET


class CustomerObject(_Shown, frozen=True, kw_only=True):
    """Who pays; events carry the id only."""

    id: str
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET


class GatewayObject(_Shown, frozen=True, kw_only=True):
    """Through whom, and their references."""

    name: str
    reference: str | None
    rrn: str | None


class FailureObject(_Shown, frozen=True, kw_only=True):
    """Why there is no money."""

    reason: str
    recommended_action: str
    gateway_code: str


class AttemptObject(_Shown, frozen=True, kw_only=True):
    """One request to one gateway."""

    id: str
    object: Literal["attempt"] = "attempt"
    livemode: bool
    kind: Literal["authorize", "capture", "void"]
    status: Literal[
        "created",
        "requires_action",
        "processing",
        "approved",
        "declined",
        "not_sent",
        "unknown",
        "conflicted",
        "abandoned",
    ]
    amount: Minor
    gateway: GatewayObject
    failure: FailureObject | None
    enquiries: int
    created_at: Time
    updated_at: Time


class SyncObject(_Shown, frozen=True, kw_only=True):
    """What asking the gateway just now brought."""

    state: Literal["settled", "resolved", "open"]
    at: Time


class PaymentObject(_Shown, frozen=True, kw_only=True):
    """A merchant's intent to collect an amount from a customer."""

    id: str
    object: Literal["payment"] = "payment"
    livemode: bool
    merchant_id: str
    status: PaymentStatus
    amount: Minor
    currency: Currency
    amount_authorized: Minor
    amount_captured: Minor
    amount_refunded: Minor
    refund_status: Literal["partial", "full"] | None
    capture_method: Literal["automatic", "manual"]
    method: MethodObject
    customer: CustomerObject | None
    reference: str | None
    description: str | None
    metadata: dict[str, str]
    return_url: str | None
    gateway: GatewayObject
    next_action: dict[str, str] | None
    failure: FailureObject | None
    late_authorization: bool
    cancellation_reason: str | None
    created_at: Time
    updated_at: Time
    expires_at: Time | None
    authorization_expires_at: Time | None
    attempts: list[AttemptObject] | UnsetType = UNSET
    sync: SyncObject | UnsetType = UNSET


class AcquirerReference(_Shown, frozen=True, kw_only=True):
    """The number that the customer's bank knows."""

    type: Literal["rrn"] = "rrn"
    value: str


RefundStatus = Literal["created", "processing", "processed", "failed", "unknown"]


class StatusChange(_Shown, frozen=True, kw_only=True):
    """A status and since when."""

    status: RefundStatus
    at: Time


class RefundObject(_Shown, frozen=True, kw_only=True):
    """Money on its way back to the customer."""

    id: str
    object: Literal["refund"] = "refund"
    livemode: bool
    payment_id: str
    amount: Minor
    currency: Currency
    status: RefundStatus
    origin: Literal["api", "auto"]
    reason: str | None
    reference: str | None
    metadata: dict[str, str]
    acquirer_reference: AcquirerReference | None
    failure: FailureObject | None
    status_history: list[StatusChange]
    created_at: Time
    updated_at: Time


class EventData(_Shown, frozen=True, kw_only=True):
    """The object as it was at the time."""

    object: dict[str, Any]


class EventObject(_Shown, frozen=True, kw_only=True):
    """Something that happened; `sequence` has no gaps within a merchant and mode."""

    id: str
    object: Literal["event"] = "event"
    livemode: bool
    type: str
    sequence: int
    object_id: str
    object_sequence: int
    created_at: Time
    data: EventData


class WebhookEndpointObject(_Shown, frozen=True, kw_only=True):
    """Where events go; `secret` is shown when it is made or rotated, and never again."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    livemode: bool
    url: str
    description: str
    event_types: list[str]
    status: Literal["enabled", "disabled"]
    disabled_reason: str | None
    created_at: Time
    updated_at: Time
    previous_secret_expires_at: Time | None
    secret: str | UnsetType = UNSET


class DeliveryAttempt(_Shown, frozen=True, kw_only=True):
    """One try to hand an event over."""

    at: Time
    status: int | None
    duration_ms: int
    error: str | None
    response: str


class DeliveryObject(_Shown, frozen=True, kw_only=True):
    """An event on its way to one endpoint."""

    id: str
    object: Literal["delivery"] = "delivery"
    livemode: bool
    endpoint_id: str
    event_id: str
    origin: Literal["event", "replay"]
    status: Literal["pending", "succeeded", "failed"]
    attempts: list[DeliveryAttempt]
    next_at: Time | None
    created_at: Time
    updated_at: Time


class ReplayObject(_Shown, frozen=True, kw_only=True):
    """The deliveries that a replay made."""

    object: Literal["replay"] = "replay"
    livemode: bool
    event_id: str
    deliveries: list[DeliveryObject]


class AccountObject(_Shown, frozen=True, kw_only=True):
    """An account of the ledger with its four sums."""

    name: str
    debits_posted: Minor
    credits_posted: Minor
    debits_pending: Minor
    credits_pending: Minor


class CurrencyBalance(_Shown, frozen=True, kw_only=True):
    """`pending` is captured and not yet settled; `held` is promised to refunds under way."""

    currency: Currency
    pending: int
    available: int
    held: Minor
    accounts: list[AccountObject]


class BalanceObject(_Shown, frozen=True, kw_only=True):
    """What we owe the merchant, by currency, straight from the ledger."""

    object: Literal["balance"] = "balance"
    livemode: bool
    merchant_id: str
    balances: list[CurrencyBalance]


class ApiKeyObject(_Shown, frozen=True, kw_only=True):
    """A key; `secret` is shown once, when it is made."""

    id: str
    object: Literal["api_key"] = "api_key"
    livemode: bool
    label: str
    scopes: list[Scope]
    allowed_cidrs: list[str]
    status: Literal["active", "expired", "revoked"]
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None
    secret: str | UnsetType = UNSET


class CapabilityObject(_Shown, frozen=True, kw_only=True):
    """One way to pay: whether it works for this merchant now, and if not, why and what to do."""

    method: Literal["card", "upi", "netbanking", "wallet", "bank_transfer"]
    flow: Literal["intent", "qr", "collect"] | UnsetType = UNSET
    enabled: bool
    gateways: list[str]
    currencies: list[Currency]
    capture_methods: list[Literal["automatic", "manual"]]
    reason: str | None
    fix: str | None


class CapabilitiesObject(_Shown, frozen=True, kw_only=True):
    """What this merchant can do here."""

    object: Literal["capabilities"] = "capabilities"
    livemode: bool
    merchant_id: str
    status: Literal["active", "suspended", "offboarded"]
    tier: Literal["standard", "premium", "enterprise"]
    requests_per_minute: int
    methods: list[CapabilityObject]


class PaymentList(Listed, frozen=True, kw_only=True):
    """Payments, newest first."""

    data: list[PaymentObject]


class RefundList(Listed, frozen=True, kw_only=True):
    """Refunds, newest first."""

    data: list[RefundObject]


class EventList(Listed, frozen=True, kw_only=True):
    """Events in the order of their sequence; go on with `after_sequence`."""

    data: list[EventObject]


class WebhookEndpointList(Listed, frozen=True, kw_only=True):
    """All webhook endpoints."""

    data: list[WebhookEndpointObject]


class DeliveryList(Listed, frozen=True, kw_only=True):
    """Deliveries, newest first."""

    data: list[DeliveryObject]


class ApiKeyList(Listed, frozen=True, kw_only=True):
    """All keys of this merchant and mode."""

    data: list[ApiKeyObject]


class LiveObject(_Shown, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class CheckObject(_Shown, frozen=True, kw_only=True):
    """One part that was looked at."""

    state: Literal["up", "degraded", "down"]
    detail: str


class ReadyObject(_Shown, frozen=True, kw_only=True):
    """Whether payments can be taken, and what is not as it should be."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, CheckObject]
    gateways: dict[str, CheckObject]


class ReceivedObject(_Shown, frozen=True, kw_only=True):
    """A gateway's callback is stored."""

    received: Literal[True] = True
