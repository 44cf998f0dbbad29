"""A payment as it begins: whom we will ask, what was agreed, until when it may be acted on."""

from rizzpay.config import PaymentSettings
from rizzpay.core.errors import Refused
from rizzpay.gateways import routing
from rizzpay.gateways.routing import NoRoute
from rizzpay.idempotency.model import Claim
from rizzpay.ledger.model import MERCHANT_PENDING
from rizzpay.merchants.model import Caller
from rizzpay.payments.asking import Asker, expiry
from rizzpay.payments.states import Status
from rizzpay.payments.types import CreatePayment, Payment


def new_payment(
    asker: Asker, settings: PaymentSettings, caller: Caller, command: CreatePayment, claim: Claim
) -> Payment:
    """Return the payment that a request asks for; raises Refused(method_not_supported)."""
    wanted = routing.kind(command.method, command.method_view["type"])
    currency = command.money.currency
    routes = asker.gateways.choose(
        (wanted, currency, caller.tenant.livemode, command.capture_method)
    )
    if isinstance(routes, NoRoute):
        raise Refused("method_not_supported", routes.reason, param="method")
    merchant = caller.merchant
    return Payment(
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
        gateway=routes[0].gateway,
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
