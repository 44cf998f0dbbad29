"""From our values to what the API shows, and to the finished answers of requests.

`Renderer` is given to the payments service, which stores the bytes that it returns: a replay of
an Idempotency-Key is byte for byte what was said first.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from rizzpay.api import problems, qr_codes
from rizzpay.api.catalog import CATALOG
from rizzpay.api.objects import (
    AcquirerReference,
    AttemptObject,
    CustomerObject,
    FailureObject,
    GatewayObject,
    MethodObject,
    PaymentObject,
    RefundObject,
    StatusChange,
    SyncObject,
)
from rizzpay.core.clock import unix_s
from rizzpay.core.secret import Secret
from rizzpay.idempotency.model import Answer
from rizzpay.payments.qr_codes.model import QrCode
from rizzpay.payments.states import AttemptStatus, RefundStatus, Status
from rizzpay.payments.types import Attempt, AttemptKind, Payer, Payment, Refund, SyncResult

OUTCOME_STATUSES = {402, 502}  # declined, and certainly not done
DECLINED_CODES = {
    AttemptKind.AUTHORIZE: "payment_declined",
    AttemptKind.CAPTURE: "capture_declined",
    AttemptKind.VOID: "void_declined",
}


def payment(
    it: Payment,
    payer: Payer | None,
    *,
    attempts: Sequence[Attempt] | None = None,
    sync: SyncResult | None = None,
) -> PaymentObject:
    """Return a payment for its merchant; `attempts` and `sync` when they were asked for."""
    shown = _payment(it, _customer(it, payer))
    if attempts is not None:
        shown = msgspec.structs.replace(shown, attempts=[attempt(one) for one in attempts])
    if sync is not None:
        state: Any = sync.state
        shown = msgspec.structs.replace(shown, sync=SyncObject(state=state, at=unix_s(sync.at)))
    return shown


def attempt(it: Attempt) -> AttemptObject:
    """Return an attempt."""
    return AttemptObject(
        id=it.id,
        livemode=it.tenant.livemode,
        kind=it.kind.value,
        status=it.status.value,
        amount=it.amount,
        gateway=GatewayObject(name=it.gateway, reference=it.gateway_reference, rrn=it.rrn),
        failure=_failure(it.decline),
        enquiries=it.enquiries,
        created_at=unix_s(it.created_at),
        updated_at=unix_s(it.updated_at),
    )


def refund(it: Refund) -> RefundObject:
    """Return a refund."""
    currency: Any = it.money.currency
    origin: Any = it.origin
    acquirer = AcquirerReference(value=it.acquirer_reference) if it.acquirer_reference else None
    return RefundObject(
        id=it.id,
        livemode=it.tenant.livemode,
        payment_id=it.payment_id,
        amount=it.money.minor,
        currency=currency,
        status=it.status.value,
        origin=origin,
        reason=it.reason,
        reference=it.reference,
        metadata=it.metadata,
        acquirer_reference=acquirer,
        failure=_failure(it.failure),
        status_history=[StatusChange(**change) for change in it.status_history],
        created_at=unix_s(it.created_at),
        updated_at=unix_s(it.updated_at),
    )


class Renderer:
    """Finished answers and event bodies, as the payments service needs them.

    The answer about a payment without a payer is the body of its last event; whoever asks for
    both, one after the other, has it written once.

    `request_id` goes into error objects; it is the id of the request that is answered, also when
    the answer is found later.
    """

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._last: tuple[Payment | None, bytes] = (None, b"")

    def payment_answer(self, it: Payment, payer: Payer | None, request_id: str = "") -> Answer:
        """Answer POST /v1/payments: 201, 402 declined, 502 not sent, 504 unknown."""
        if it.status is Status.UNKNOWN:
            return _unknown(request_id, payment_id=it.id)
        if it.status is Status.FAILED and it.failure is not None:
            return _declined(
                it.failure,
                DECLINED_CODES[AttemptKind.AUTHORIZE],
                request_id,
                _about(it.gateway, it.failure, payment_id=it.id, status=it.status.value),
            )
        if payer is None:
            return Answer(201, self.payment_event_json(it))
        return _done(201, payment(it, payer))

    def capture_answer(
        self, it: Payment, payer: Payer | None, tried: Attempt, request_id: str = ""
    ) -> Answer:
        """Answer POST …/capture: 200, 402 declined, 502 not sent, 504 unknown."""
        return self._operation_answer(it, payer, tried, request_id)

    def cancel_answer(
        self, it: Payment, payer: Payer | None, tried: Attempt | None, request_id: str = ""
    ) -> Answer:
        """Answer POST …/cancel; without an attempt there was nothing to release."""
        if tried is None:
            return _done(200, payment(it, payer))
        return self._operation_answer(it, payer, tried, request_id)

    def refund_answer(self, it: Refund, request_id: str = "") -> Answer:
        """Answer POST /v1/refunds: 201, 402 declined, 502 not sent, 504 unknown."""
        if it.status is RefundStatus.UNKNOWN:
            return _unknown(request_id, payment_id=it.payment_id, refund_id=it.id)
        if it.status is RefundStatus.FAILED and it.failure is not None:
            about = _about(
                it.gateway,
                it.failure,
                payment_id=it.payment_id,
                refund_id=it.id,
                status=it.status.value,
            )
            return _declined(it.failure, "refund_declined", request_id, about)
        return _done(201, refund(it))

    def payment_event(self, it: Payment) -> dict[str, Any]:
        """Return a payment as events carry it: of the customer only the id."""
        return _plain(payment(it, None))

    def payment_event_json(self, it: Payment) -> bytes:
        """Return the same as JSON in UTF-8."""
        known, written = self._last
        if known is not it:
            written = msgspec.json.encode(_payment(it, _customer(it, None)))
            self._last = (it, written)
        return written

    def refund_event(self, it: Refund) -> dict[str, Any]:
        """Return a refund as events carry it."""
        return _plain(refund(it))

    def refund_event_json(self, it: Refund) -> bytes:
        """Return the same as JSON in UTF-8."""
        return msgspec.json.encode(refund(it))

    def qr_code_event_json(self, it: QrCode) -> bytes:
        """Return a QR code as answers and events carry it, as JSON in UTF-8."""
        return qr_codes.shown_json(it)

    def _operation_answer(
        self, it: Payment, payer: Payer | None, tried: Attempt, request_id: str
    ) -> Answer:
        if tried.status is AttemptStatus.UNKNOWN:
            return _unknown(request_id, payment_id=it.id)
        if tried.decline is not None:
            return _declined(
                tried.decline,
                DECLINED_CODES[tried.kind],
                request_id,
                _about(tried.gateway, tried.decline, payment_id=it.id, status=it.status.value),
            )
        return _done(200, payment(it, payer))


def _payment(it: Payment, customer: CustomerObject | None) -> PaymentObject:
    # the members are texts themselves, and `value` is a call
    currency: Any = it.money.currency
    status: Any = it.status
    capture_method: Any = it.capture_method
    created_at = unix_s(it.created_at)
    return PaymentObject(
        id=it.id,
        livemode=it.tenant.livemode,
        merchant_id=it.tenant.merchant_id,
        status=status,
        amount=it.money.minor,
        currency=currency,
        amount_authorized=it.amount_authorized,
        amount_captured=it.amount_captured,
        amount_refunded=it.amount_refunded,
        refund_status=_refund_status(it) if it.amount_refunded else None,
        capture_method=capture_method,
        method=msgspec.convert(it.method, MethodObject),
        customer=customer,
        reference=it.reference,
        description=it.description,
        metadata=it.metadata,
        return_url=it.return_url,
        gateway=GatewayObject(name=it.gateway, reference=it.gateway_reference, rrn=it.rrn),
        next_action=it.next_action,
        failure=_failure(it.failure),
        late_authorization=it.late,
        cancellation_reason=it.cancellation_reason,
        created_at=created_at,
        updated_at=created_at if it.updated_at is it.created_at else unix_s(it.updated_at),
        expires_at=when(it.expires_at),
        authorization_expires_at=when(it.authorization_expires_at),
    )


def when(at: datetime | None) -> int | None:
    """Return Unix seconds, or None."""
    return unix_s(at) if at is not None else None


def _refund_status(it: Payment) -> Any:
    return "full" if it.amount_refunded == it.amount_captured else "partial"


def _customer(it: Payment, payer: Payer | None) -> CustomerObject | None:
    if payer is None:
        return CustomerObject(id=it.payer_id) if it.payer_id else None
    return CustomerObject(
        id=payer.id,
        name=_clear(payer.name),
        email=_clear(payer.email),
        phone=_clear(payer.phone),
    )


def _clear(held: Secret[str] | None) -> str | None:
    return held.reveal() if held is not None else None


def _failure(kept: dict[str, str] | None) -> FailureObject | None:
    return FailureObject(**kept) if kept is not None else None


def _plain(shown: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(shown)
    return plain


def _done(status: int, shown: msgspec.Struct) -> Answer:
    return Answer(status, msgspec.json.encode(shown))


def _unknown(request_id: str, **ids: str) -> Answer:
    extra = {**ids, "status": "unknown"}
    error = problems.error("outcome_unknown", request_id=request_id, extra=extra)
    return Answer(problems.status_of("outcome_unknown"), problems.body(error))


def _about(gateway: str, failure: dict[str, str], **ids: str) -> dict[str, Any]:
    """Return what an error object says of a decline."""
    return {
        **ids,
        "reason": failure["reason"],
        "recommended_action": failure["recommended_action"],
        "connector": problems.Connector(name=gateway, code=failure["gateway_code"]),
    }


def _declined(
    failure: dict[str, str], otherwise: str, request_id: str, about: dict[str, Any]
) -> Answer:
    """Use the reason as code where the catalog has it as an outcome, and `otherwise` else."""
    row = CATALOG.get(failure["reason"])
    code = row.code if row is not None and row.status in OUTCOME_STATUSES else otherwise
    error = problems.error(code, request_id=request_id, extra=about)
    return Answer(problems.status_of(code), problems.body(error))
