"""A gateway says of one payment what it said of another: the same RRN, or the same reference.

Money that has one name is booked once, whoever is first and however many ask at once; the other
payment is kept apart for a person, and what told of it is done.
"""

from dataclasses import replace

import gevent
import pytest

from rizzpay.api.views import Renderer
from rizzpay.core import clock, ids
from rizzpay.core.money import Money
from rizzpay.gateways import port
from rizzpay.infra import jobs
from rizzpay.infra.database import Database, Role
from rizzpay.infra.jobs import Done, NewJob
from rizzpay.ledger import service as ledger
from rizzpay.payments import capturing
from rizzpay.payments.assembly import assemble
from rizzpay.payments.resolving import Resolver
from rizzpay.payments.service import on_existing
from rizzpay.payments.types import CreateCapture
from rizzpay.payments.writes import Write
from tests.store import test_applying_callbacks
from tests.store.test_applying_callbacks import CAPTURES, JOBS, Desk

desk = test_applying_callbacks.desk

RRN = "123456789012"
CASES = "SELECT object_id, reason FROM rizzpay.review_cases"
TOLD = "SELECT payment_id, rrn FROM rizzpay.payment_attempts WHERE status = 'conflicted'"
SAID = "SELECT type, count(*) FROM rizzpay.events GROUP BY type"


SAYS = {"rrn": {"rrn": RRN}, "reference": {"reference": "ch_of_both"}}


class AnswersAlways:
    """A gateway whose every enquiry has one outcome."""

    def __init__(self, outcome):
        self.outcome, self.asked = outcome, []

    def enquire(self, attempt_id, **_):
        self.asked.append(attempt_id)
        return self.outcome


@pytest.fixture
def second_desk(desk, own_database):
    """Another worker on the same database."""
    database, parts = Database(own_database, Role.WORKER, size=4), desk.parts
    payments = assemble(parts.config, database, parts.envelope, parts.gateways, Renderer())
    yield Desk(replace(parts, database=database, resolver=Resolver(payments)), desk.tenant)
    payments.close()
    database.close()


def check_one_has_it(desk, *payment_ids, conflicted):
    """One payment has the money; all others are conflicted, each with a case."""
    statuses = desk.statuses()
    won = [payment_id for payment_id in payment_ids if statuses[payment_id] == "captured"]
    lost = [payment_id for payment_id in payment_ids if statuses[payment_id] == "conflicted"]
    assert (len(won), len(lost)) == (1, conflicted)
    assert desk.count(CAPTURES) == {won[0]: 1}
    assert desk.count(CASES) == dict.fromkeys(lost, "conflicted")
    assert set(desk.count(TOLD)) == set(lost)
    assert desk.count(SAID)["payment.conflicted"] == conflicted
    assert desk.count(JOBS) == {}
    assert set(desk.results().values()) == {"applied"}
    with desk.parts.database.transaction() as conn:
        assert all(f.posted == f.pending == f.drifted_accounts == 0 for f in ledger.prove(conn))


@pytest.mark.parametrize("what", ["rrn", "reference"])
def test_the_second_payment_is_conflicted_and_its_callback_is_done(desk, what):
    (first, one), (second, other) = desk.begin(), desk.begin()
    desk.send(one, **SAYS[what])
    assert desk.work() == []
    desk.send(other, **SAYS[what])
    desk.work()  # as a set, which is taken apart, then alone
    assert desk.work() == []
    assert desk.statuses()[first] == "captured"
    check_one_has_it(desk, first, second, conflicted=1)


@pytest.mark.parametrize("what", ["rrn", "reference"])
def test_many_in_one_set_spoil_nothing_else(desk, what):
    made = [desk.begin() for _ in range(12)]
    good = [desk.begin() for _ in range(8)]
    told = [(attempt_id, SAYS[what]) for _, attempt_id in made]
    desk.send_together([*told[:6], *((attempt_id, {}) for _, attempt_id in good), *told[6:]])
    while desk.count(JOBS):
        assert desk.work() == []
    statuses = desk.statuses()
    assert {statuses[payment_id] for payment_id, _ in good} == {"captured"}
    assert sorted(statuses[payment_id] for payment_id, _ in made) == [
        "captured", *["conflicted"] * 11
    ]  # fmt: skip
    assert sum(desk.count(CAPTURES).values()) == 9


@pytest.mark.parametrize("round_", range(3))
@pytest.mark.parametrize("what", ["rrn", "reference"])
def test_two_callbacks_at_once_book_the_money_once(desk, second_desk, what, round_):
    """Two workers, each with one of the two, in transactions that overlap."""
    made = [desk.begin(), desk.begin()]
    for _, attempt_id in made:
        desk.send(attempt_id, **SAYS[what])
    sets = desk.lease()
    both = [
        gevent.spawn(where.work, [job])
        for where, job in zip((desk, second_desk), sets, strict=True)
    ]
    gevent.joinall(both, timeout=30, raise_error=True)
    assert [greenlet.value for greenlet in both] == [[], []]
    check_one_has_it(desk, *(payment_id for payment_id, _ in made), conflicted=1)


def test_a_callback_that_comes_again_changes_nothing_more(desk):
    (first, one), (second, other) = desk.begin(), desk.begin()
    for attempt_id in (one, other, other, one):
        desk.send(attempt_id, rrn=RRN)
        desk.work()
    check_one_has_it(desk, first, second, conflicted=1)


def test_an_enquiry_that_repeats_it_is_done_as_well(desk):
    (first, one), (second, other) = desk.begin(), desk.begin()
    desk.send(one, rrn=RRN)
    assert desk.work() == []
    outcome = port.Approved("ch_other", Money(10_000, "INR"), captured=True, rrn=RRN)
    answers, gateways = AnswersAlways(outcome), desk.parts.gateways.by_name
    gateways["sandbox"] = replace(gateways["sandbox"], connector=answers)
    with desk.parts.database.transaction() as conn:
        jobs.cancel(conn, [("attempt.resolve", one), ("attempt.resolve", other)])
        jobs.enqueue(conn, [NewJob("attempt.resolve", other, clock.now(), tenant=desk.tenant)])
        (job,) = jobs.lease(conn, clock.now(), {"attempt.resolve": 1}, 60)
    assert desk.parts.resolver.resolve(job) == Done()
    assert answers.asked == [other]
    check_one_has_it(desk, first, second, conflicted=1)


def test_a_capture_under_the_rrn_of_another_payment_is_unknown_and_a_case(desk):
    first, one = desk.begin()
    desk.send(one, rrn=RRN)
    assert desk.work() == []
    held, attempt_id = desk.begin()
    desk.send(attempt_id, captured=False)
    assert desk.work() == []
    assert desk.statuses()[held] == "authorized"
    capture_id = ids.new_id("capture", clock.now())
    command = CreateCapture(None, final=False)
    desk.parts.resolver.parts.writer.submit(
        Write(
            tenant=desk.tenant,
            payment_id=held,
            decide=on_existing(
                lambda snapshot, context: capturing.begin_capture(
                    snapshot, capture_id, command, context
                )
            ),
            actor="test",
        )
    )
    desk.send(capture_id, kind="capture", rrn=RRN)
    assert desk.work() == []
    assert desk.statuses() == {first: "captured", held: "unknown"}
    assert desk.count(CAPTURES) == {first: 1}
    assert desk.count(CASES) == {capture_id: "conflicted"}
