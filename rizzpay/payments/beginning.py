"""A payment as it begins: whom we will ask, what was agreed, until when it may be acted on."""

from rizzpay.config import PaymentSettings
from rizzpay.core.errors import Refused
from rizzpay.gateways import routing
from rizzpay.gateways.router import Choice, Router
from rizzpay.gateways.routing import NoRoute
from rizzpay.gateways.routing.rules import Asked
from rizzpay.idempotency.model import Claim
from rizzpay.ledger.model import MERCHANT_PENDING
from rizzpay.merchants.model import Caller
from rizzpay.payments.asking import expiry
from rizzpay.payments.states import Status
from rizzpay.payments.types import CreatePayment, Payment

LATER = {"retry_after_s": 30}  # a breaker lets a few through by then


def new_payment(
    router: Router, settings: PaymentSettings, caller: Caller, command: CreatePayment, claim: Claim
) -> tuple[Payment, Choice]:
    """Return the payment that a request asks for, and the gateways to ask, best first.

    Raises Refused(method_not_supported, gateway_unavailable).
    """
    wanted = routing.kind(command.method, command.method_view["type"])
    merchant, currency = caller.merchant, command.money.currency
    choice = router.choose(
        (wanted, currency, caller.tenant.livemode, command.capture_method),
        lambda: _asked(caller, command, claim, wanted),
    )
    if isinstance(choice, NoRoute):
        if choice.for_now:
            raise Refused("gateway_unavailable", choice.reason, extra=LATER)
        raise Refused("method_not_supported", choice.reason, param="method")
    payment = Payment(
        id=claim.object_id,
        tenant=caller.tenant,
        status=Status.PROCESSING,
        money=command.money,
        amount_authorized=0,
        amount_captured=0,
        amount_capture_pending=0,
        amount_refunded=0,
        amount_refund_pending=0,
        capture_method=command.capture_method,
        method=command.method_view,
        reference=command.reference,
        description=command.description,
        metadata=command.metadata,
        return_url=command.return_url,
        payer_id=command.payer.id if command.payer else None,
        gateway=choice.gateways[0],
        gateway_reference=None,
        rrn=None,
        next_action=None,
        failure=None,
        cancellation_reason=None,
        late=False,
        funds=MERCHANT_PENDING,
        hold_transfer_id=None,
        hold_amount=0,
        closing_attempt_id=None,
        fee_basis_points=merchant.fee_basis_points,
        gst_basis_points=merchant.gst_basis_points,
        late_authorization=merchant.late_authorization,
        open_unknown=0,
        expires_at=expiry(command.method, settings, claim.created_at),
        authorization_expires_at=None,
        version=1,
        created_at=claim.created_at,
        updated_at=claim.created_at,
    )
    return payment, choice


def _asked(caller: Caller, command: CreatePayment, claim: Claim, method: str) -> Asked:
    """Return what rules can ask of the payment; its issuer where the method says it."""
    view = command.method_view
    return Asked(
        payment_id=claim.object_id,
        merchant_id=caller.merchant.id,
        mcc=caller.merchant.mcc,
        method=method,
        currency=command.money.currency,
        amount=command.money.minor,
        issuer=view.get("bank") or view.get("wallet") or view.get("handle"),
        at=int(claim.created_at.timestamp()),
    )
