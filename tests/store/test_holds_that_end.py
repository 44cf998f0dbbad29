"""A hold that has run out is released; a gateway that does not do so at once is asked again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rizzpay.core import clock
from rizzpay.core.money import Money
from rizzpay.gateways import port
from rizzpay.gateways.declines import declined
from rizzpay.infra import jobs
from rizzpay.infra.jobs import Again, Done
from tests.store import test_applying_callbacks

desk = test_applying_callbacks.desk

HOLDS = "SELECT id, hold_amount FROM rizzpay.payments"
RELEASED = port.Approved("ch_1", Money(10_000, "INR"), captured=False)
LOST = port.Unknown("no answer")
NOT_YET = declined("operation_not_possible", "authorized", "ch_1")


class Voids:
    """A gateway whose voids have these outcomes, one after the other; what was lost never came."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)

    def void(self, _):
        return self.outcomes.pop(0)

    def enquire(self, _, **__):
        return port.Absent()


@pytest.fixture
def hold(desk):
    """A payment whose hold has run out; returns its id and its job."""
    payment_id, attempt_id = desk.begin()
    desk.send(attempt_id, captured=False)
    assert desk.work() == []
    with desk.parts.database.transaction() as conn:
        conn.execute("UPDATE rizzpay.jobs SET run_at = now() WHERE kind = 'authorization.expire'")
        (job,) = jobs.lease(conn, clock.now(), {"authorization.expire": 1}, 60)
    return payment_id, job


def expire(desk, job, *outcomes):
    gateways = desk.parts.gateways.by_name
    gateways["sandbox"] = replace(gateways["sandbox"], connector=Voids(*outcomes))
    return [desk.parts.resolver.expire_authorization(job) for _ in outcomes]


def test_what_is_released_is_expired(desk, hold):
    payment_id, job = hold
    assert expire(desk, job, RELEASED) == [Done()]
    assert (desk.statuses(), desk.count(HOLDS)) == ({payment_id: "expired"}, {payment_id: 0})


def test_what_is_not_released_yet_is_tried_again_until_it_is(desk, hold):
    payment_id, job = hold
    (again,) = expire(desk, job, NOT_YET)
    assert isinstance(again, Again)
    assert desk.count(HOLDS) == {payment_id: 10_000}
    assert desk.statuses() == {payment_id: "authorized"}
    verdicts = expire(desk, job, NOT_YET, RELEASED)
    assert [type(verdict) for verdict in verdicts] == [Again, Done]
    assert (desk.statuses(), desk.count(HOLDS)) == ({payment_id: "expired"}, {payment_id: 0})


def test_a_void_that_was_lost_is_asked_for_again_and_soon(desk, hold):
    payment_id, job = hold
    (again,) = expire(desk, job, LOST)
    assert desk.statuses() == {payment_id: "unknown"}
    assert again.run_at < clock.now() + timedelta(minutes=1)
    (still_open,) = expire(desk, job, RELEASED)  # nothing is sent while the outcome is open
    assert (type(still_open), desk.statuses()) == (Again, {payment_id: "unknown"})
    with desk.parts.database.transaction() as conn:
        conn.execute("UPDATE rizzpay.jobs SET run_at = now() WHERE kind = 'attempt.resolve'")
        enquiries = jobs.lease(conn, clock.now(), {"attempt.resolve": 9}, 60)
    for enquiry in enquiries:
        desk.parts.resolver.resolve(enquiry)
    assert desk.statuses() == {payment_id: "authorized"}
    assert expire(desk, job, RELEASED) == [Done()]
    assert (desk.statuses(), desk.count(HOLDS)) == ({payment_id: "expired"}, {payment_id: 0})


def test_a_void_that_was_not_sent_is_asked_for_again_and_soon(desk, hold):
    payment_id, job = hold
    (again,) = expire(desk, job, port.NotSent("refused"))
    assert again.run_at < clock.now() + timedelta(minutes=1)
    assert expire(desk, job, RELEASED) == [Done()]
    assert desk.statuses() == {payment_id: "expired"}
