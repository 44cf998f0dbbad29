"""QR codes and the money that comes by them: counted once, sent back when nobody waits for it.

The worker's handler of callbacks on a real database, as in test_applying_callbacks; the API's side
is played by the service.
"""

from collections import Counter
from datetime import timedelta

import gevent
import pytest

from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.core.tenant import Tenant
from rizzpay.gateways.upi_links import reference_of
from rizzpay.idempotency.model import Claim
from rizzpay.infra import jobs
from rizzpay.infra.jobs import Done
from rizzpay.ledger import service as ledger
from rizzpay.merchants.model import Caller, Merchant
from rizzpay.payments.expiry import Sweep
from rizzpay.payments.qr_codes.model import CloseReason, CodeType, CreateQrCode, Usage
from rizzpay.payments.qr_codes.service import QrCodes, queue_over
from tests.store.test_applying_callbacks import CAPTURES, Desk, open_desk

PAYEE = {
    "upi_links": "own",
    "upi_payee_vpa": "shop@bank",
    "upi_payee_name": "Shop",
    "upi_payee_mcc": "5411",
    "upi_payee_city": "Pune",
    "upi_payee_pincode": "411001",
}
CASES = "SELECT payment_id, reason FROM rizzpay.review_cases"
REFUNDS = "SELECT payment_id, reason FROM rizzpay.refunds"
SENT_BACK = "SELECT payment_id, amount FROM rizzpay.refunds WHERE origin = 'auto'"
PAYMENTS = "SELECT id, status || ' ' || funds || ' ' || late FROM rizzpay.payments"
EVENTS = "SELECT sequence, type FROM rizzpay.events ORDER BY sequence"
REFUND_JOBS = "SELECT key, kind FROM rizzpay.jobs WHERE kind = 'refund.send'"
TRAIL = "SELECT action, count(*) FROM rizzpay.audit_log WHERE object_id = %s GROUP BY action"


@pytest.fixture
def desk(own_database, tmp_path):
    with open_desk(own_database, tmp_path, **PAYEE) as made:
        yield made


@pytest.fixture
def shop(desk):
    return Shop(desk)


class Shop:
    """A merchant who makes codes, and customers who pay by them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        merchant = Merchant(
            desk.tenant.merchant_id, "Shop", "5411", "active", "standard", 100, 200, 1800,
            "capture", None, None,
        )  # fmt: skip
        self.caller = Caller(merchant, desk.tenant, "rk_test", frozenset())

    @property
    def codes(self) -> QrCodes:
        return self.desk.parts.qr_codes

    def claim(self, key: str, digest: bytes = b"h" * 32) -> Claim:
        now = clock.now()
        code_id = ids.new_id("qr_code", now)
        return Claim(self.desk.tenant, key, digest, "req_1", code_id, created_at=now)

    def make(self, usage=Usage.MULTIPLE, amount=None, close_by=None, **fields):
        command = CreateQrCode(
            type=fields.get("type", CodeType.UPI),
            usage=usage,
            payment_amount=amount,
            name=fields.get("name"),
            description=fields.get("description"),
            close_by=close_by,
        )
        claim = self.claim(ids.new_id("event", clock.now()))
        self.codes.create(self.caller, command, claim, "req_1")
        return claim.object_id

    def get(self, code_id):
        return self.codes.get(self.desk.tenant, code_id)

    def close(self, code_id):
        return self.codes.close(self.caller, code_id, None, "req_1")

    def paid(self, code_id, amount=10_000, **said):
        """Keep the gateway's callback about a payment by a code, under a name of its own."""
        name = ids.ulid(clock.now())
        told = {"tr": reference_of(code_id), "amount": amount, "reference": f"ch_{name}", **said}
        return self.desk.send(f"{reference_of(code_id)}-{name}", **told)

    def counts(self, code_id):
        code = self.get(code_id)
        return code.payments_count_received, code.payments_amount_received

    def events(self):
        with self.desk.parts.database.transaction() as conn:
            found = conn.execute(EVENTS).fetchall()
        assert [sequence for sequence, _ in found] == list(range(1, len(found) + 1))
        return [kind for _, kind in found]

    def check_books(self):
        with self.desk.parts.database.transaction() as conn:
            assert all(f.posted == f.pending == f.drifted_accounts == 0 for f in ledger.prove(conn))

    def overdue(self, code_id):
        """Let the time of a code be up, as time would."""
        with self.desk.parts.database.transaction() as conn:
            conn.execute(
                "UPDATE rizzpay.qr_codes SET close_by = now() - interval '1 s' WHERE id = %s",
                (code_id,),
            )


def test_a_payment_by_a_code_is_the_merchants(desk, shop):
    code_id = shop.make(description="Counter 3")
    shop.paid(code_id, 12_300, rrn="412345678901")
    assert desk.work() == []
    (payment,) = shop.codes.payments(desk.tenant, code_id, 10, None)
    assert (payment.status.value, payment.rrn) == ("captured", "412345678901")
    assert payment.method == {"type": "upi", "flow": "qr", "qr_code_id": code_id}
    assert (payment.amount_captured, payment.description) == (12_300, "Counter 3")
    assert desk.count(CAPTURES) == {payment.id: 1}
    assert shop.counts(code_id) == (1, 12_300)
    assert shop.events() == ["payment.captured", "qr_code.credited"]
    assert set(desk.results().values()) == {"applied"}
    shop.check_books()


def test_fees_are_as_agreed_on_the_day_of_the_payment(desk, shop):
    code_id = shop.make()
    with desk.parts.database.transaction() as conn:
        conn.execute("UPDATE rizzpay.merchants SET fee_basis_points = 100")
    shop.paid(code_id, 10_000)
    assert desk.work() == []
    (payment,) = shop.codes.payments(desk.tenant, code_id, 10, None)
    assert payment.fee_basis_points == 100


def test_what_the_gateway_tells_again_is_booked_once(desk, shop):
    code_id = shop.make()
    for _ in range(3):
        shop.paid(code_id, reference="ch_same", rrn="412345678901")
        assert desk.work() == []
    assert shop.counts(code_id) == (1, 10_000)
    assert sum(desk.count(CAPTURES).values()) == 1
    assert set(desk.results().values()) == {"applied"}


def test_a_single_use_code_takes_one_payment_and_the_next_goes_back(desk, shop):
    code_id = shop.make(Usage.SINGLE, 10_000)
    shop.paid(code_id)
    assert desk.work() == []
    code = shop.get(code_id)
    assert (code.status.value, code.close_reason) == ("closed", CloseReason.PAID)
    shop.paid(code_id)
    assert desk.work() == []
    second, first = shop.codes.payments(desk.tenant, code_id, 10, None)
    assert (first.funds, second.funds, second.late) == ("merchant_pending", "suspense", True)
    assert desk.count(SENT_BACK) == {second.id: 10_000}
    assert desk.count(REFUNDS) == {second.id: "qr_code_closed"}
    assert len(desk.count(REFUND_JOBS)) == 1
    assert shop.counts(code_id) == (1, 10_000)
    assert shop.events() == [
        "payment.captured", "qr_code.credited", "qr_code.closed",
        "payment.late_authorized", "payment.captured", "refund.created",
    ]  # fmt: skip
    shop.check_books()


def test_money_after_the_close_goes_back(desk, shop):
    code_id = shop.make()
    shop.close(code_id)
    shop.paid(code_id, 700)
    assert desk.work() == []
    (payment,) = shop.codes.payments(desk.tenant, code_id, 10, None)
    assert desk.count(SENT_BACK) == {payment.id: 700}
    assert shop.counts(code_id) == (0, 0)
    shop.check_books()


def test_money_after_its_time_goes_back_though_nobody_closed_it_yet(desk, shop):
    code_id = shop.make(close_by=clock.now() + timedelta(minutes=16))
    shop.overdue(code_id)
    shop.paid(code_id, 700)
    assert desk.work() == []
    code = shop.get(code_id)
    assert (code.close_reason, shop.counts(code_id)) == (CloseReason.EXPIRED, (0, 0))
    assert len(desk.count(SENT_BACK)) == 1
    assert shop.events()[-1] == "qr_code.closed"


def test_another_amount_than_the_fixed_one_is_kept_apart(desk, shop):
    code_id = shop.make(Usage.SINGLE, 10_000)
    for amount in (9_999, 0):
        shop.paid(code_id, amount)
        assert desk.work() == []
    found = shop.codes.payments(desk.tenant, code_id, 10, None)
    assert [payment.status.value for payment in found] == ["conflicted", "conflicted"]
    assert desk.count(CASES) == {payment.id: "conflicted" for payment in found}
    assert (shop.counts(code_id), shop.get(code_id).status.value) == ((0, 0), "active")
    shop.check_books()
    shop.paid(code_id)  # and the right one still comes through
    assert desk.work() == []
    assert shop.counts(code_id) == (1, 10_000)


@pytest.mark.parametrize("said", [{"captured": False}, {"currency": "USD"}])
def test_money_that_is_none_of_ours_is_a_case(desk, shop, said):
    code_id = shop.make()
    shop.paid(code_id, **said)
    assert desk.work() == []
    assert len(desk.count(CASES)) == 1
    assert desk.count(CAPTURES) == {}
    assert shop.counts(code_id) == (0, 0)
    shop.check_books()


def test_a_customer_who_was_declined_leaves_no_payment(desk, shop):
    code_id = shop.make()
    shop.paid(code_id, status="declined", decline_code="insufficient_funds")
    assert desk.work() == []
    assert desk.statuses() == {}
    assert (shop.events(), set(desk.results().values())) == ([], {"applied"})


def test_one_rrn_is_one_payments_whatever_came_by_which_code(desk, shop):
    first, second = shop.make(), shop.make()
    payment_id, attempt_id = desk.begin()
    for code_id in (first, second, first):
        shop.paid(code_id, rrn="412345678901")
        assert desk.work() == []
    desk.send(attempt_id, rrn="412345678901")
    assert desk.work() == []
    assert Counter(desk.statuses().values()) == {"captured": 1, "conflicted": 3}
    assert desk.statuses()[payment_id] == "conflicted"
    assert [shop.counts(code_id) for code_id in (first, second)] == [(1, 10_000), (0, 0)]
    assert set(desk.count(CASES).values()) == {"conflicted"}
    shop.check_books()


def test_a_contradiction_that_is_told_again_is_one_payment(desk, shop):
    code_id = shop.make(amount=500)
    for _ in range(3):
        shop.paid(code_id, 400, reference="ch_same")
        assert desk.work() == []
    assert list(desk.statuses().values()) == ["conflicted"]


def test_a_code_that_we_never_made_is_kept_in_sight(desk, shop):
    shop.paid(ids.new_id("qr_code", clock.now()))
    desk.send("att_nobodys", tr="CH123456")
    assert desk.work() == []
    assert set(desk.results().values()) == {"unknown_object"}


def test_a_gateway_is_believed_about_its_own_objects_only(desk, shop):
    code_id = shop.make()
    payment_id, attempt_id = desk.begin()
    with desk.parts.database.transaction() as conn:
        conn.execute("UPDATE rizzpay.qr_codes SET gateway = 'another'")
        conn.execute("UPDATE rizzpay.payment_attempts SET gateway = 'another'")
    shop.paid(code_id)
    desk.send(attempt_id)
    assert desk.work() == []
    assert set(desk.results().values()) == {"unknown_object"}
    assert (desk.statuses(), shop.counts(code_id)) == ({payment_id: "processing"}, (0, 0))


def test_a_code_whose_time_is_up_is_closed_by_the_worker(desk, shop):
    later = clock.now() + timedelta(minutes=16)
    over, not_over, closed = (shop.make(close_by=later) for _ in range(3))
    shop.make()  # never over
    shop.overdue(over)
    shop.overdue(closed)
    shop.close(closed)
    look = Sweep(desk.parts.database, queue_over)
    assert [look.queue_expired(), look.queue_expired()] == [1, 0]
    with desk.parts.database.transaction() as conn:
        (job,) = jobs.lease(conn, clock.now(), {"qr_code.expire": 10}, 60)
    for _ in range(2):  # at least once
        assert shop.codes.expire(job) == Done()
    assert shop.get(over).close_reason is CloseReason.EXPIRED
    assert shop.get(not_over).status.value == "active"
    assert shop.events() == ["qr_code.closed", "qr_code.closed"]


def test_a_key_makes_one_code_and_says_the_same_again(desk, shop):
    command = CreateQrCode(CodeType.UPI, Usage.MULTIPLE, None, None, None, None)
    both = [
        gevent.spawn(shop.codes.create, shop.caller, command, shop.claim("key"), "req_1")
        for _ in range(10)
    ]
    gevent.joinall(both, timeout=30, raise_error=True)
    served = [greenlet.value for greenlet in both]
    assert len({one.answer.body for one in served}) == 1
    assert Counter(one.replayed for one in served) == {True: 9, False: 1}
    assert len(shop.codes.page(desk.tenant, 10, None)) == 1
    with pytest.raises(Refused, match="mismatch"):
        shop.codes.create(shop.caller, command, shop.claim("key", b"i" * 32), "req_1")


def test_a_refused_close_leaves_its_key_free(desk, shop):
    claim, code_id = shop.claim("key"), shop.make()
    for missing in (ids.new_id("qr_code", clock.now()), "qr_x"):
        with pytest.raises(Refused, match="qr_code_not_found"):
            shop.codes.close(shop.caller, missing, claim, "req_1")
    assert shop.codes.close(shop.caller, code_id, claim, "req_1").replayed is False
    assert shop.codes.close(shop.caller, code_id, claim, "req_1").replayed is True
    with pytest.raises(Refused, match="illegal_transition"):
        shop.close(code_id)
    assert shop.events() == ["qr_code.closed"]


def test_lists_are_newest_first_and_go_on(desk, shop):
    made = [shop.make() for _ in range(5)]
    for amount in (100, 200, 300):
        shop.paid(made[0], amount)
        assert desk.work() == []
    first = shop.codes.page(desk.tenant, 2, None)
    rest = shop.codes.page(desk.tenant, 9, (first[-1].created_at, first[-1].id))
    assert [code.id for code in first + rest] == made[::-1]
    two = shop.codes.payments(desk.tenant, made[0], 2, None)
    last = shop.codes.payments(desk.tenant, made[0], 9, (two[-1].created_at, two[-1].id))
    assert [payment.money.minor for payment in two + last] == [300, 200, 100]
    assert shop.codes.payments(desk.tenant, made[1], 9, None) == []
    nobody = Tenant(ids.new_id("merchant", clock.now()), livemode=False)
    assert shop.codes.page(nobody, 9, None) == []


def test_the_trail_says_who_made_and_closed_a_code(desk, shop):
    code_id = shop.make()
    shop.close(code_id)
    with desk.parts.database.transaction() as conn:
        found = dict(conn.execute(TRAIL, (code_id,)).fetchall())
    assert found == {"qr_code.created": 1, "qr_code.closed": 1}
