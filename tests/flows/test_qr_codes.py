"""QR codes: from the merchant's request over the image to the books, over HTTPS, all parts real.

The customers' app is the sandbox's; the image is decoded by zxing-cpp.
"""

import io
import json
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest
import urllib3
import zxingcpp
from PIL import Image

from rizzpay.core.errors import Unavailable
from rizzpay.ledger import service as ledger
from tests.flows.merchant import open_shop, together
from tests.flows.test_crashes import kill, wait_for_new
from tests.flows.test_own_upi_links import GAPS, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

URL = "/v1/qr_codes"
LOAD_S = 6.0
OPEN_REFUNDS = """
SELECT count(*) FROM rizzpay.refunds WHERE merchant_id = %s AND status <> 'processed'
"""
ONCE = """
SELECT count(*), count(DISTINCT gateway_reference), count(DISTINCT rrn),
       sum(amount_captured)::bigint
FROM rizzpay.payments WHERE merchant_id = %s AND status = 'captured'
"""


@pytest.fixture
def shop(appliance):
    return open_shop(appliance, "Counter", "--tier", "enterprise", "--requests-per-minute", "60000")


class App:
    """A customer's UPI app."""

    def __init__(self, sandbox_url):
        self.url = f"{sandbox_url}/customer/scan"
        self.pool = urllib3.PoolManager(retries=False, maxsize=32)

    def pay(self, text, **how):
        answer = self.pool.request("POST", self.url, json={"upi": text, **how})
        return answer.status, json.loads(answer.data)


@pytest.fixture
def app(appliance):
    return App(appliance.credentials["sandbox_url"])


def make(shop, **fields):
    answer = shop.post(URL, {"type": "upi_qr", "usage": "multiple_use", **fields})
    assert answer.status == 201, answer.body
    return answer.json()


def scanned(shop, code):
    """Return what a camera reads of the code's image."""
    image = Image.open(io.BytesIO(shop.get(code["image_url"]).body))
    (found,) = zxingcpp.read_barcodes(image)
    return found.bytes.decode("utf-8")


def read(shop, path):
    """Read until there is an answer: right after a kill there may be none."""
    end = time.monotonic() + 60
    while (answer := shop.get(path)).status != 200:
        assert time.monotonic() < end, answer.body
        time.sleep(0.2)
    return answer.json()


def counts(shop, code):
    shown = read(shop, f"{URL}/{code['id']}")
    return shown["payments_count_received"], shown["payments_amount_received"]


def payments(shop, code):
    """Return all payments that came by a code, page by page."""
    url, found = f"{URL}/{code['id']}/payments?limit=100", []
    page = read(shop, url)
    found += page["data"]
    while page["has_more"]:
        page = read(shop, f"{url}&cursor={page['next_cursor']}")
        found += page["data"]
    return found


def check_books(database, shop):
    with database.transaction() as conn:
        assert all(f.posted == f.pending == f.drifted_accounts == 0 for f in ledger.prove(conn))
        assert conn.execute(GAPS).fetchall() == []
    assert shop.get("/v1/events?limit=1").json()["data"][0]["sequence"] == 1


def end_leases(database):
    """Let the jobs of a killed worker be taken up again, as a minute would."""
    with suppress(Unavailable), database.transaction() as conn:
        conn.execute("UPDATE rizzpay.jobs SET lease_until = now() WHERE lease_until > now()")


def wait_for_all(database, shop, codes, count):
    """Wait until so many payments came by these codes."""
    end = time.monotonic() + 150
    while (came := sum(len(payments(shop, code)) for code in codes)) != count:
        assert time.monotonic() < end, f"{came} of {count} came"
        end_leases(database)
        time.sleep(1)


def all_sent_back(database, shop):
    with database.transaction() as conn:
        return conn.execute(OPEN_REFUNDS, (shop.merchant_id,)).fetchone() == (0,)


@pytest.mark.parametrize("kind", ["upi_qr", "bharat_qr"])
def test_a_customer_scans_the_image_and_pays(shop, app, database, kind):
    code = make(shop, type=kind, name="आशा 😀")
    text = scanned(shop, code)
    assert app.pay(text, amount=12_300)[1]["status"] == "approved"
    until(lambda: counts(shop, code) == (1, 12_300))
    (payment,) = payments(shop, code)
    assert (payment["status"], payment["amount_captured"]) == ("captured", 12_300)
    assert payment["method"] == {"type": "upi", "flow": "qr", "qr_code_id": code["id"]}
    types = [event["type"] for event in shop.get("/v1/events?limit=100").json()["data"]]
    assert types == ["payment.captured", "qr_code.credited"]
    refund = shop.post("/v1/refunds", {"payment_id": payment["id"], "amount": 300})
    assert (refund.status, refund.json()["status"]) == (201, "processed")
    check_books(database, shop)


def test_a_fixed_amount_is_not_typed(shop, app):
    code = make(shop, fixed_amount=True, payment_amount=5_000)
    assert app.pay(code["content"], amount=100)[0] == 422
    assert app.pay(code["content"])[1]["amount"] == 5_000
    until(lambda: counts(shop, code) == (1, 5_000))


def test_a_customer_who_declines_leaves_nothing(shop, app):
    code = make(shop)
    assert app.pay(code["content"], amount=100, act="decline")[1]["status"] == "declined"
    assert app.pay(code["content"], amount=200, after_ms=1500)[1]["status"] == "processing"
    assert counts(shop, code) == (0, 0)
    until(lambda: counts(shop, code) == (1, 200))
    assert [payment["amount"] for payment in payments(shop, code)] == [200]


def test_what_is_paid_twice_goes_back_once(shop, app, database):
    code = make(shop, usage="single_use", fixed_amount=True, payment_amount=700)
    paid = app.pay(code["content"], times=2)[1]["results"]
    assert [one["status"] for one in paid] == ["approved", "approved"]
    until(lambda: len(payments(shop, code)) == 2 and all_sent_back(database, shop))
    late, first = payments(shop, code)
    assert (first["refund_status"], late["refund_status"]) == (None, "full")
    assert (first["late_authorization"], late["late_authorization"]) == (False, True)
    shown = shop.get(f"{URL}/{code['id']}").json()
    assert (shown["status"], shown["close_reason"]) == ("closed", "paid")
    assert counts(shop, code) == (1, 700)
    check_books(database, shop)


def test_twenty_customers_at_once_pay_a_single_use_code_once(shop, app, database):
    code = make(shop, usage="single_use")
    statuses = together(20, lambda _: app.pay(code["content"], amount=400)[1]["status"])
    assert set(statuses) == {"approved"}
    until(lambda: len(payments(shop, code)) == 20 and all_sent_back(database, shop), 60)
    found = payments(shop, code)
    assert Counter(payment["refund_status"] for payment in found) == {None: 1, "full": 19}
    assert counts(shop, code) == (1, 400)
    check_books(database, shop)


@pytest.mark.alone
def test_killed_workers_lose_no_payment_and_credit_none_twice(appliance, shop, app, database):
    many, once = make(shop), make(shop, usage="single_use")
    approved, stop = [], time.monotonic() + LOAD_S

    def customer(number):
        while time.monotonic() < stop:
            code = once if len(approved) % 5 == 0 else many
            _, result = app.pay(code["content"], amount=1_000 + 100 * number)
            approved.append((code["id"], result["rrn"], result["amount"]))

    threads = [threading.Thread(target=customer, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(1.5)
        for part in ("worker", "api"):
            old = appliance.pids()[part]
            for pid in old if isinstance(old, list) else [old]:
                kill(pid)
            wait_for_new(appliance, part, old)
    for thread in threads:
        thread.join(60)
    wait_for_all(database, shop, [many, once], len(approved))
    until(lambda: all_sent_back(database, shop), 60)
    told = Counter(
        (code["id"], payment["gateway"]["rrn"], payment["amount"])
        for code in (many, once)
        for payment in payments(shop, code)
    )
    assert told == Counter(approved)
    amounts = [amount for code_id, _, amount in approved if code_id == many["id"]]
    assert counts(shop, many) == (len(amounts), sum(amounts))
    assert counts(shop, once)[0] == 1
    with database.transaction() as conn:
        found = conn.execute(ONCE, (shop.merchant_id,)).fetchone()
    assert found == (*[len(approved)] * 3, sum(amount for *_, amount in approved))
    check_books(database, shop)
