"""Payments by one QR code that come together: in one set, in two workers, beside its close."""

from collections import Counter
from dataclasses import replace

import gevent
import pytest

from rizzpay.api.views import Renderer
from rizzpay.core import clock, ids
from rizzpay.gateways.upi_links import reference_of
from rizzpay.infra.database import Database, Role
from rizzpay.payments.assembly import assemble
from rizzpay.payments.qr_codes.model import Usage
from rizzpay.payments.qr_codes.service import QrCodes
from rizzpay.payments.resolving import Resolver
from tests.store import test_qr_codes
from tests.store.test_applying_callbacks import CAPTURES, JOBS, Desk
from tests.store.test_qr_codes import SENT_BACK

desk, shop = test_qr_codes.desk, test_qr_codes.shop


@pytest.fixture
def second_desk(desk, own_database):
    """Another worker on the same database."""
    database, parts = Database(own_database, Role.WORKER, size=4), desk.parts
    payments = assemble(parts.config, database, parts.envelope, parts.gateways, Renderer())
    yield Desk(replace(parts, database=database, resolver=Resolver(payments)), desk.tenant)
    payments.close()
    database.close()


def test_a_set_with_everything_in_it(desk, shop):
    """Payments by codes beside others, one bad: decided in one transaction, counted right."""
    many, once = shop.make(), shop.make(Usage.SINGLE, 10_000)
    told = [(desk.begin()[1], {}) for _ in range(5)]
    for number in range(60):
        code_id, rrn = (many, f"5{number:011d}") if number % 3 else (once, None)
        name = ids.ulid(clock.now())
        said = {"tr": reference_of(code_id), "reference": f"ch_{name}", "rrn": rrn}
        told.append((f"{reference_of(code_id)}-{name}", said))
    told.append((f"{reference_of(many)}-again", told[-1][1] | {"reference": "ch_other"}))
    desk.send_together(told)
    while desk.count(JOBS):
        assert desk.work() == []
    assert (shop.counts(many), shop.counts(once)) == ((40, 400_000), (1, 10_000))
    assert Counter(desk.statuses().values()) == {"captured": 65, "conflicted": 1}
    assert len(desk.count(SENT_BACK)) == 19
    assert shop.events().count("qr_code.credited") == 41
    shop.check_books()


@pytest.mark.parametrize("round_", range(3))
def test_two_workers_credit_each_payment_once(desk, second_desk, shop, round_):
    """Each has half of the callbacks, and both were told of the same payments."""
    many, once = shop.make(), shop.make(Usage.SINGLE, 10_000)
    for number in range(20):
        rrn = f"5{number:011d}"
        for _ in range(2):
            shop.paid(many, 100, reference=f"ch_{number}", rrn=rrn)
        shop.paid(once, rrn=f"6{number:011d}")
    leased = desk.lease()
    both = [
        gevent.spawn(where.work, leased[half::2]) for half, where in enumerate((desk, second_desk))
    ]
    gevent.joinall(both, timeout=60, raise_error=True)
    assert [greenlet.value for greenlet in both] == [[], []]
    assert (shop.counts(many), shop.counts(once)) == ((20, 2_000), (1, 10_000))
    assert Counter(desk.statuses().values()) == {"captured": 40}
    assert len(desk.count(SENT_BACK)) == 19
    assert sum(desk.count(CAPTURES).values()) == 40
    assert set(desk.results().values()) == {"applied"}
    shop.check_books()


@pytest.mark.parametrize("round_", range(3))
def test_money_and_the_close_at_once_agree(desk, second_desk, shop, round_):
    code_id = shop.make()
    for _ in range(12):
        shop.paid(code_id, 100)
    other = QrCodes(second_desk.parts.resolver.parts, desk.parts.hsm)
    closing = gevent.spawn(other.close, shop.caller, code_id, None, "req_1")
    working = gevent.spawn(desk.work)
    gevent.joinall([closing, working], timeout=60, raise_error=True)
    assert working.value == []
    count, amount = shop.counts(code_id)
    assert amount == 100 * count
    assert len(desk.count(SENT_BACK)) == 12 - count
    events = shop.events()
    assert events.count("qr_code.closed") == 1
    assert events.count("qr_code.credited") == count
    assert "qr_code.credited" not in events[events.index("qr_code.closed") :]
    shop.check_books()
