"""Payments: create, fetch, list, capture, cancel."""

import falcon

from rizzpay.api import claims, intake, views
from rizzpay.api.answers import send, send_served
from rizzpay.api.cursors import Cursors, scope_of
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import PaymentList, PaymentObject
from rizzpay.api.schemas import (
    CancelBody,
    CaptureBody,
    PaymentBody,
    PaymentQuery,
    PaymentsQuery,
)
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.payments.resolving import Resolver
from rizzpay.payments.service import Payments
from rizzpay.payments.types import Payer, Payment

URL = "/v1/payments"


class PaymentsResource:
    """All payments of the caller."""

    def __init__(self, payments: Payments, cursors: Cursors) -> None:
        """Keep the service and what makes cursors."""
        self._payments = payments
        self._cursors = cursors

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Collect an amount."""
        now = clock.now()
        command = intake.create_payment(req.checked_body(PaymentBody), req.caller, now)
        claim = claims.required_claim(req, "payment", now)
        send_served(resp, self._payments.create(req.caller, command, claim, req.facts.request_id))

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List payments, newest first."""
        wanted = req.checked_query(PaymentsQuery)
        tenant = req.caller.tenant
        scope = scope_of(
            URL,
            wanted.status,
            wanted.created_gte,
            wanted.created_lt,
            wanted.reference,
            wanted.customer_email,
            wanted.customer_phone,
        )
        after = self._cursors.open(tenant, scope, wanted.cursor)
        narrowed = intake.payment_filter(wanted)
        found = self._payments.page(tenant, narrowed, wanted.limit + 1, after)
        shown, more = found[: wanted.limit], len(found) > wanted.limit
        cursor = None
        if more:
            last, _ = shown[-1]
            cursor = self._cursors.close(tenant, scope, (last.created_at, last.id))
        expand = "attempts" in wanted.expand
        data = [self._shown(payment, payer, expand=expand) for payment, payer in shown]
        send(resp, 200, PaymentList(url=URL, has_more=more, next_cursor=cursor, data=data))

    def _shown(self, payment: Payment, payer: Payer | None, *, expand: bool) -> PaymentObject:
        attempts = self._payments.attempts(payment.tenant, payment.id) if expand else None
        return views.payment(payment, payer, attempts=attempts)


class PaymentResource:
    """One payment."""

    def __init__(self, payments: Payments, resolver: Resolver) -> None:
        """Keep the services."""
        self._payments = payments
        self._resolver = resolver

    def on_get(self, req: ApiRequest, resp: falcon.Response, payment_id: str) -> None:
        """Fetch a payment; with `sync` the gateway is asked first."""
        _must_look_right(payment_id)
        wanted = req.checked_query(PaymentQuery)
        tenant = req.caller.tenant
        payment, payer = self._payments.get(tenant, payment_id)
        sync = None
        if wanted.sync:
            sync = self._resolver.sync(tenant, payment_id)
            payment, payer = self._payments.get(tenant, payment_id)
        attempts = None
        if "attempts" in wanted.expand:
            attempts = self._payments.attempts(tenant, payment_id)
        send(resp, 200, views.payment(payment, payer, attempts=attempts, sync=sync))


class CaptureResource:
    """The capture of a payment."""

    def __init__(self, payments: Payments) -> None:
        """Keep the service."""
        self._payments = payments

    def on_post(self, req: ApiRequest, resp: falcon.Response, payment_id: str) -> None:
        """Take what was authorized."""
        _must_look_right(payment_id)
        command = intake.create_capture(req.checked_body(CaptureBody))
        claim = claims.required_claim(req, "capture", clock.now())
        served = self._payments.capture(
            req.caller, payment_id, command, claim, req.facts.request_id
        )
        send_served(resp, served)


class CancelResource:
    """The cancellation of a payment."""

    def __init__(self, payments: Payments) -> None:
        """Keep the service."""
        self._payments = payments

    def on_post(self, req: ApiRequest, resp: falcon.Response, payment_id: str) -> None:
        """Call it off, or release what is held."""
        _must_look_right(payment_id)
        reason = req.checked_body(CancelBody).reason
        claim = claims.claim(req, "attempt", clock.now())
        served = self._payments.cancel(req.caller, payment_id, reason, claim, req.facts.request_id)
        send_served(resp, served)


def _must_look_right(payment_id: str) -> None:
    if not ids.looks_like("payment", payment_id):
        raise Refused("payment_not_found", param="id")
