"""Asks for the money of a new payment: one gateway, and the next while that is safe and in time."""

from dataclasses import dataclass
from datetime import datetime

from rizzpay.config import PaymentSettings
from rizzpay.core import clock, ids
from rizzpay.gateways.port import Outcome
from rizzpay.gateways.router import Choice, Router
from rizzpay.payments import failing_over
from rizzpay.payments.asking import Asker
from rizzpay.payments.failing_over import Following
from rizzpay.payments.model import Changes, Context, Snapshot
from rizzpay.payments.types import CreatePayment, Payment
from rizzpay.payments.writer import Writer
from rizzpay.payments.writes import Write, Written


@dataclass(frozen=True, slots=True)
class Trier:
    """What it takes to ask; the first attempt is written before."""

    asker: Asker
    router: Router
    writer: Writer
    settings: PaymentSettings


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt that is written and is to be asked for; `began` is when the customer came."""

    payment: Payment
    attempt_id: str
    command: CreatePayment
    choice: Choice
    request_id: str
    began: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """The attempt that was asked for last, and its outcome, which is not written yet."""

    payment: Payment
    attempt_id: str
    outcome: Outcome


def ask(trier: Trier, first: Try) -> Tried:
    """Ask the chosen gateways until one has answered for good.

    Each further attempt is written, and the one before it closed, in one transaction before its
    gateway hears of it. What was concluded meanwhile by somebody else is not gone on with.
    """
    tried = _ask(trier, first, first.payment, first.attempt_id)
    for gateway in first.choice.gateways[1:]:
        if not (failing_over.leads_on(tried.outcome) and _in_time(trier, first, gateway)):
            break
        following = Following(ids.new_id("attempt", clock.now()), gateway, first.choice.record)
        after = _go_on(trier, first, tried, following)
        if after is None:
            break
        tried = _ask(trier, first, after, following.attempt_id)
    return tried


def _ask(trier: Trier, first: Try, payment: Payment, attempt_id: str) -> Tried:
    outcome = trier.asker.authorize(payment, attempt_id, first.command)
    trier.router.answered(payment.gateway, payment.method, outcome)
    return Tried(payment, attempt_id, outcome)


def _in_time(trier: Trier, first: Try, gateway: str) -> bool:
    within_s, answer_s = trier.settings.failover_within_s, trier.asker.answer_s(gateway)
    return failing_over.in_time(first.began, clock.now(), within_s, answer_s)


def _go_on(trier: Trier, first: Try, tried: Tried, following: Following) -> Payment | None:
    """Write the next attempt; None when the payment did not wait for it."""

    def decide(snapshot: Snapshot | None, context: Context) -> Changes:
        if snapshot is None:
            raise RuntimeError("a payment that was written is not there")
        return failing_over.fail_over(snapshot, tried.attempt_id, tried.outcome, following, context)

    written = trier.writer.submit(
        Write(
            tenant=first.payment.tenant,
            payment_id=first.payment.id,
            decide=decide,
            actor=f"gateway:{tried.payment.gateway}",
            request_id=first.request_id,
        )
    )
    if not isinstance(written, Written):
        raise TypeError("a write without a claim is never a replay")
    begun = any(it.id == following.attempt_id for it in written.after.attempts)
    return written.after.payment if begun else None
