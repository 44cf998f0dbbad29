"""The next gateway: after which outcomes, in what time, and what an old one may say afterwards."""

from datetime import timedelta

import pytest

from rizzpay.core import ids
from rizzpay.core.money import Money
from rizzpay.gateways import port
from rizzpay.gateways.declines import REASONS
from rizzpay.payments import authorizing, failing_over
from rizzpay.payments.failing_over import LEADS_ON, Following
from rizzpay.payments.states import AttemptStatus, Status
from tests.unit.test_payment_decisions import AT, approved, begun, context, new_payment, told

NOT_SENT = port.NotSent("refused")


def declined(reason):
    return port.Declined(reason, REASONS[reason], "x")


def failed_over(outcome=NOT_SENT):
    """Return a payment that went on to the gateway `next`, and its two attempts."""
    snapshot, first = begun(new_payment())
    following = Following(ids.new_id("attempt", AT), "next", None)
    changes = failing_over.fail_over(snapshot, first, outcome, following, context())
    return snapshot.after(changes), first, following.attempt_id, changes


@pytest.mark.parametrize(
    "outcome",
    [
        port.Unknown("time-out"),
        port.Processing("gw_1"),
        port.ActionRequired("gw_1", {}),
        approved(),
        *(declined(reason) for reason in REASONS if reason not in LEADS_ON),
    ],
    ids=lambda it: f"{type(it).__name__} {getattr(it, 'reason', '')}",
)
def test_nothing_else_leads_to_another_gateway(outcome):
    assert not failing_over.leads_on(outcome)


@pytest.mark.parametrize("outcome", [NOT_SENT, *(declined(reason) for reason in LEADS_ON)])
def test_what_certainly_came_to_nothing_leads_on(outcome):
    assert failing_over.leads_on(outcome)


def test_a_gateway_has_to_answer_while_the_customer_waits():
    for after_s, fits in ((0, True), (3, True), (4, False)):
        now = AT + timedelta(seconds=after_s)
        assert failing_over.in_time(AT, now, within_s=10, answer_s=7) is fits


def test_one_attempt_is_closed_and_the_next_begun_in_one_change():
    after, first, second, changes = failed_over()
    assert after.attempt(first).status is AttemptStatus.NOT_SENT
    assert after.attempt(second).status is AttemptStatus.CREATED
    assert after.attempt(second).gateway == after.payment.gateway == "next"
    assert after.payment.status is Status.PROCESSING
    assert [later.key for later in changes.later] == [second]
    assert changes.not_any_more == (("attempt.resolve", first),)


@pytest.mark.parametrize(
    "meanwhile", [approved(), port.Unknown("lost"), declined("do_not_honour"), port.Absent()]
)
def test_what_was_concluded_meanwhile_is_not_gone_on_with(meanwhile):
    snapshot, first = begun(new_payment())
    snapshot = told(snapshot, first, meanwhile)
    following = Following(ids.new_id("attempt", AT), "next", None)
    after = snapshot.after(failing_over.fail_over(snapshot, first, NOT_SENT, following, context()))
    assert len(after.attempts) == 1
    assert after.payment.gateway == "sandbox"


def test_the_second_gateway_pays_and_the_books_name_it():
    after, _, second, _ = failed_over()
    changes = authorizing.conclude(after, second, approved(), context())
    assert changes.payment.status is Status.CAPTURED
    assert changes.transfers[0].debit.endswith("next")


@pytest.mark.parametrize("paid_before", [True, False])
def test_a_gateway_that_says_yes_after_its_no_is_kept_apart(paid_before):
    after, first, second, _ = failed_over(declined("issuer_unavailable"))
    if paid_before:
        after = told(after, second, approved())
    changes = authorizing.conclude(after, first, approved(), context())
    assert changes.payment.status is after.payment.status
    assert changes.payment.amount_captured == after.payment.amount_captured
    assert changes.attempts[0].status is AttemptStatus.CONFLICTED
    [transfer] = changes.transfers
    assert (transfer.credit, transfer.amount) == ("suspense", 10_000)
    assert transfer.debit.endswith("sandbox")
    assert [case.reason for case in changes.cases] == ["late_authorization"]
    again = authorizing.conclude(after.after(changes), first, approved(), context())
    assert again.nothing


@pytest.mark.parametrize(
    "outcome",
    [port.Unknown("x"), declined("declined"), port.Processing("gw_2"), port.Absent()],
)
def test_nothing_else_that_the_first_gateway_says_changes_anything(outcome):
    after, first, _, _ = failed_over()
    assert authorizing.conclude(after, first, outcome, context()).nothing


def test_money_of_another_currency_is_not_booked():
    after, first, _, _ = failed_over()
    said = port.Approved("gw_1", Money(5, "USD"), captured=True)
    changes = authorizing.conclude(after, first, said, context())
    assert changes.transfers == ()
    assert changes.cases
