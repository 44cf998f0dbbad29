"""The use cases of payments that merchants ask for: create, capture, cancel, refund, read.

Every call to a gateway stands between two commits: the intent before it, the outcome after it. A
crash between the two leaves an open attempt and a job that asks the gateway (resolving.py);
nothing is ever taken twice, because the attempt's id is the gateway's idempotency key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rizzpay.config import PaymentSettings
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.core.tenant import Tenant
from rizzpay.gateways.router import Router
from rizzpay.idempotency.model import Answer, Claim
from rizzpay.infra.database import Database
from rizzpay.infra.envelope import Envelope
from rizzpay.merchants.model import Caller
from rizzpay.payments import authorizing, capturing, refunding, store, trying
from rizzpay.payments.asking import Asker
from rizzpay.payments.beginning import new_payment
from rizzpay.payments.model import Changes, Context, Snapshot
from rizzpay.payments.qr_codes.model import QrCode
from rizzpay.payments.trying import Trier, Try
from rizzpay.payments.types import (
    Attempt,
    CreateCapture,
    CreatePayment,
    CreateRefund,
    Payer,
    Payment,
    PaymentFilter,
    Refund,
    Served,
)
from rizzpay.payments.writer import Writer
from rizzpay.payments.writes import Decide, Write
from rizzpay.risk import service as risk
from rizzpay.vault import service as vault


class Renderer(Protocol):
    """How answers look; the API owns the shape of its objects."""

    def payment_answer(self, it: Payment, payer: Payer | None, request_id: str = "") -> Answer:
        """Answer the request that made the payment."""

    def capture_answer(
        self, it: Payment, payer: Payer | None, tried: Attempt, request_id: str = ""
    ) -> Answer:
        """Answer a capture."""

    def cancel_answer(
        self, it: Payment, payer: Payer | None, tried: Attempt | None, request_id: str = ""
    ) -> Answer:
        """Answer a cancellation; without an attempt nothing had to be voided."""

    def refund_answer(self, it: Refund, request_id: str = "") -> Answer:
        """Answer the request that made the refund."""

    def qr_code_event_json(self, it: QrCode) -> bytes:
        """Show a QR code, as answers and as events carry it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the payments service works with."""

    database: Database  # to read
    writing: Mapping[bool, Database]  # the writer's own connections, by livemode
    envelope: Envelope
    writer: Writer
    asker: Asker
    router: Router
    renderer: Renderer
    settings: PaymentSettings


@dataclass(frozen=True, slots=True)
class Operation:
    """A request about a payment that exists: who asks, for which payment, under which id."""

    caller: Caller
    payment_id: str
    object_id: str
    claim: Claim | None
    request_id: str


class Payments:
    """The door to payments, for the API and the console."""

    def __init__(self, parts: Parts) -> None:
        """Keep the parts; nothing is opened here."""
        self.parts = parts
        self._trier = Trier(parts.asker, parts.router, parts.writer, parts.settings)

    def close(self) -> None:
        """Write what waits to be written, then take nothing more."""
        self.parts.writer.close()
        for database in self.parts.writing.values():
            database.close()

    def create(
        self, caller: Caller, command: CreatePayment, claim: Claim, request_id: str
    ) -> Served:
        """Ask a gateway for the money. Raises Refused before anything is written or sent."""
        risk.assess(caller.merchant, command.method, command.money)
        payment, choice = new_payment(
            self.parts.router, self.parts.settings, caller, command, claim
        )
        attempt_id = ids.new_id("attempt", claim.created_at)
        beginning = authorizing.Beginning(payment, attempt_id, command.payer, choice.record)
        invited = self.parts.asker.invite(payment, attempt_id, command)
        if invited is not None:
            return self._finish(
                Write(
                    tenant=caller.tenant,
                    payment_id=payment.id,
                    decide=lambda _, context: authorizing.begin_waiting(
                        beginning, invited, context
                    ),
                    actor=caller.key_id,
                    request_id=request_id,
                    claim=claim,
                    completes=claim.key,
                    answer=lambda after, asked: self.parts.renderer.payment_answer(
                        after.payment, command.payer, asked
                    ),
                    begins=True,
                )
            )
        first = self.parts.writer.submit(
            Write(
                tenant=caller.tenant,
                payment_id=payment.id,
                decide=lambda _, context: authorizing.begin(beginning, context),
                actor=caller.key_id,
                request_id=request_id,
                claim=claim,
                begins=True,
            )
        )
        if isinstance(first, Served):
            return first
        tried = trying.ask(
            self._trier,
            Try(payment, attempt_id, command, choice, request_id, claim.created_at),
        )
        return self._finish(
            Write(
                tenant=caller.tenant,
                payment_id=payment.id,
                decide=on_existing(
                    lambda snapshot, context: authorizing.conclude(
                        snapshot, tried.attempt_id, tried.outcome, context
                    )
                ),
                actor=f"gateway:{tried.payment.gateway}",
                request_id=request_id,
                completes=claim.key,
                answer=lambda after, asked: self.parts.renderer.payment_answer(
                    after.payment, command.payer, asked
                ),
            )
        )

    def capture(
        self,
        caller: Caller,
        payment_id: str,
        command: CreateCapture,
        claim: Claim,
        request_id: str,
    ) -> Served:
        """Take held money; claim.object_id is the capture's id. Raises Refused."""
        operation = Operation(caller, payment_id, claim.object_id, claim, request_id)
        _, payer = self.get(caller.tenant, payment_id)
        return self._operate(
            operation,
            lambda snapshot, context: capturing.begin_capture(
                snapshot, claim.object_id, command, context
            ),
            lambda after, asked: self.parts.renderer.capture_answer(
                after.payment, payer, after.attempt(claim.object_id), asked
            ),
        )

    def cancel(
        self,
        caller: Caller,
        payment_id: str,
        reason: str | None,
        claim: Claim | None,
        request_id: str,
    ) -> Served:
        """Cancel what waits for its customer, void what is held. Raises Refused."""
        void_id = claim.object_id if claim else ids.new_id("attempt", clock.now())
        operation = Operation(caller, payment_id, void_id, claim, request_id)
        _, payer = self.get(caller.tenant, payment_id)
        return self._operate(
            operation,
            lambda snapshot, context: capturing.begin_cancel(snapshot, void_id, reason, context),
            lambda after, asked: self.parts.renderer.cancel_answer(
                after.payment, payer, _attempt_or_none(after, void_id), asked
            ),
        )

    def refund(
        self, caller: Caller, command: CreateRefund, claim: Claim, request_id: str
    ) -> Served:
        """Give captured money back; claim.object_id is the refund's id. Raises Refused."""
        refund_id = claim.object_id
        first = self.parts.writer.submit(
            Write(
                tenant=caller.tenant,
                payment_id=command.payment_id,
                decide=on_existing(
                    lambda snapshot, context: refunding.begin(
                        snapshot, refund_id, command, context
                    ),
                    param="payment_id",
                ),
                actor=caller.key_id,
                request_id=request_id,
                claim=claim,
            )
        )
        if isinstance(first, Served):
            return first
        outcome = self.parts.asker.refund(first.after.payment, first.after.refund(refund_id))
        return self._finish(
            Write(
                tenant=caller.tenant,
                payment_id=command.payment_id,
                decide=on_existing(
                    lambda snapshot, context: refunding.conclude(
                        snapshot, refund_id, outcome, context
                    )
                ),
                actor=f"gateway:{first.after.payment.gateway}",
                request_id=request_id,
                completes=claim.key,
                answer=lambda after, asked: self.parts.renderer.refund_answer(
                    after.refund(refund_id), asked
                ),
            )
        )

    def get(self, tenant: Tenant, payment_id: str) -> tuple[Payment, Payer | None]:
        """Return a payment of this tenant and its payer; raises Refused(payment_not_found)."""
        with self.parts.database.transaction(tenant) as conn:
            payment = store.get(conn, payment_id)
            if payment is None:
                raise Refused("payment_not_found", param="id")
            if payment.payer_id is None:
                return payment, None
            payers = vault.load(conn, self.parts.envelope, [payment.payer_id])
        return payment, payers.get(payment.payer_id)

    def attempts(self, tenant: Tenant, payment_id: str) -> list[Attempt]:
        """Return the attempts of a payment, oldest first."""
        with self.parts.database.transaction(tenant) as conn:
            return store.attempts_of(conn, payment_id)

    def page(
        self,
        tenant: Tenant,
        wanted: PaymentFilter,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> list[tuple[Payment, Payer | None]]:
        """Return payments, newest first, each with its payer."""
        with self.parts.database.transaction(tenant) as conn:
            found: list[str] | None = None
            for column, value in (("email", wanted.email), ("phone", wanted.phone)):
                if value is not None:
                    ids_of = vault.find(conn, self.parts.envelope, tenant, column, value.reveal())
                    found = ids_of if found is None else sorted(set(found) & set(ids_of))
            part = store.Page(limit, after)
            payments = store.page(conn, tenant, wanted, found, part)
            payer_ids = [payment.payer_id for payment in payments if payment.payer_id]
            payers = vault.load(conn, self.parts.envelope, payer_ids)
        return [(payment, payers.get(payment.payer_id or "")) for payment in payments]

    def get_refund(self, tenant: Tenant, refund_id: str) -> Refund:
        """Return a refund of this tenant; raises Refused(refund_not_found)."""
        with self.parts.database.transaction(tenant) as conn:
            refund = store.get_refund(conn, refund_id)
        if refund is None:
            raise Refused("refund_not_found", param="id")
        return refund

    def page_refunds(
        self,
        tenant: Tenant,
        payment_id: str | None,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> list[Refund]:
        """Return refunds, newest first."""
        with self.parts.database.transaction(tenant) as conn:
            return store.page_refunds(conn, tenant, payment_id, store.Page(limit, after))

    def _operate(
        self,
        operation: Operation,
        begin: Callable[[Snapshot, Context], Changes],
        answer: Callable[[Snapshot, str], Answer],
    ) -> Served:
        """Run a capture or void: intent, gateway, outcome; or only the intent if it is enough."""
        object_id = operation.object_id
        key = operation.claim.key if operation.claim else None
        first = self.parts.writer.submit(
            Write(
                tenant=operation.caller.tenant,
                payment_id=operation.payment_id,
                decide=on_existing(begin),
                actor=operation.caller.key_id,
                request_id=operation.request_id,
                claim=operation.claim,
                completes=key,
                answer=lambda after, asked: (
                    None if _attempt_or_none(after, object_id) else answer(after, asked)
                ),
            )
        )
        if isinstance(first, Served):
            return first
        if first.answer is not None:
            return Served(first.answer, replayed=False)
        payment = first.after.payment
        outcome = self.parts.asker.operate(payment, first.after.attempt(object_id))
        return self._finish(
            Write(
                tenant=operation.caller.tenant,
                payment_id=operation.payment_id,
                decide=on_existing(
                    lambda snapshot, context: capturing.conclude(
                        snapshot, object_id, outcome, context
                    )
                ),
                actor=f"gateway:{payment.gateway}",
                request_id=operation.request_id,
                completes=key,
                answer=answer,
            )
        )

    def _finish(self, write: Write) -> Served:
        """Hand in a write that ends its request."""
        written = self.parts.writer.submit(write)
        if isinstance(written, Served):
            return written
        if written.answer is None:
            raise RuntimeError("a write that ends a request has an answer")
        return Served(written.answer, replayed=False)


def on_existing(
    decide: Callable[[Snapshot, Context], Changes], *, param: str | None = None
) -> Decide:
    """Wrap a decision that needs the payment to exist; raises Refused(payment_not_found)."""

    def decided(snapshot: Snapshot | None, context: Context) -> Changes:
        if snapshot is None:
            raise Refused("payment_not_found", param=param)
        return decide(snapshot, context)

    return decided


def _attempt_or_none(after: Snapshot, attempt_id: str) -> Attempt | None:
    return next((attempt for attempt in after.attempts if attempt.id == attempt_id), None)
