"""UPI links that we make: from the merchant's request to the books, over HTTPS, all parts real."""

import json
import os
import secrets
import signal
import threading
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from appliance.embedded.settings import PAYEE_VPA
from rizzpay import config
from rizzpay.audit import service as audit
from rizzpay.core import clock
from rizzpay.gateways.upi_links import reference_of
from rizzpay.infra.database import Database, Role
from rizzpay.ledger import service as ledger
from tests.appliance.running import IMPATIENT, Appliance
from tests.flows.merchant import Merchant, together
from tests.flows.test_crashes import kill, wait_for_new
from tests.flows.test_life_of_a_payment import events_of
from tests.flows.test_what_the_worker_does import bring_forward

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CLIENTS = 50
LOAD_S = 5.0
HALF_DONE = """
SELECT p.id, p.status, p.next_action IS NOT NULL,
    (SELECT count(*) FROM rizzpay.payment_attempts a WHERE a.payment_id = p.id),
    (SELECT count(*) FROM rizzpay.jobs j WHERE j.kind = 'payment.expire' AND j.key = p.id),
    (SELECT count(*) FROM rizzpay.jobs j JOIN rizzpay.payment_attempts a ON j.key = a.id
     WHERE j.kind = 'attempt.resolve' AND a.payment_id = p.id),
    (SELECT string_agg(e.type, ' ' ORDER BY e.sequence) FROM rizzpay.events e
     WHERE e.object_id = p.id)
FROM rizzpay.payments p WHERE p.reference = %s
"""
WAITING = ("requires_action", True, 1, 0, 0, "payment.created")
CALLBACKS = "SELECT result FROM rizzpay.gateway_callbacks ORDER BY id DESC LIMIT 1"
SUSPENSE = "SELECT count(*) FROM rizzpay.review_cases WHERE payment_id = %s AND closed_at IS NULL"
GAPS = """
SELECT merchant_id FROM rizzpay.events GROUP BY merchant_id, livemode
HAVING count(*) <> max(sequence) OR min(sequence) <> 1
"""


@pytest.fixture(scope="module")
def appliance():
    """One that makes links itself, beside the one that the other flows share."""
    running = Appliance.start(None, "--upi-links", "own", *IMPATIENT)
    yield running
    running.stop()
    running.remove()


@pytest.fixture(scope="module")
def merchant(appliance):
    return Merchant(appliance.credentials)


@pytest.fixture(scope="module")
def database(appliance):
    settings = config.load(appliance.data / "rizzpay.toml")
    database = Database(settings.database, Role.WORKER, size=2)
    yield database
    database.close()


class App:
    """The customer's UPI app: opens a link and pays."""

    def __init__(self, sandbox_url):
        self.sandbox_url = sandbox_url
        self.pool = urllib3.PoolManager(retries=False, maxsize=32)

    def pay(self, link):
        answer = self.pool.request("POST", f"{self.sandbox_url}/customer/scan", json={"upi": link})
        return answer.status, json.loads(answer.data)


@pytest.fixture(scope="module")
def app(appliance):
    return App(appliance.credentials["sandbox_url"])


def ask(merchant, amount=50_000, flow="intent", **fields):
    method = {"type": "upi", "flow": flow}
    return merchant.post("/v1/payments", {"amount": amount, "method": method, **fields})


def link_of(payment):
    return payment["next_action"]["url"]


def types_of(merchant, payment):
    return [event["type"] for event in events_of(merchant, payment["id"])]


def check_books(appliance, database):
    with database.transaction() as conn:
        for found in ledger.prove(conn):
            assert (found.posted, found.pending, found.drifted_accounts) == (0, 0, 0)
        assert conn.execute(GAPS).fetchall() == []
    assert audit.verify(database, appliance.audit_public_keys(), clock.now()).ok


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(("flow", "mode"), [("intent", "04"), ("qr", "22")])
def test_a_customer_pays_and_the_money_is_in_the_books(
    appliance, merchant, database, app, flow, mode
):
    answer = ask(merchant, flow=flow)
    payment = answer.json()
    assert (answer.status, payment["status"]) == (201, "requires_action")
    assert payment["next_action"]["type"] == f"upi_{flow}"
    fields = {name: one for name, (one,) in parse_qs(urlsplit(link_of(payment)).query).items()}
    shown = merchant.get(f"/v1/payments/{payment['id']}?expand[]=attempts").json()
    (attempt,) = shown["attempts"]
    assert fields["tr"] == reference_of(attempt["id"])
    assert (fields["pa"], fields["am"], fields["mode"]) == (PAYEE_VPA, "500.00", mode)
    assert app.pay(link_of(payment))[0] == 200
    captured = merchant.wait(payment["id"], "captured")
    assert captured["amount_captured"] == 50_000
    assert captured["late_authorization"] is False
    assert types_of(merchant, payment) == [
        "payment.created",
        "payment.captured",
    ]
    refund = merchant.post("/v1/refunds", {"payment_id": payment["id"], "amount": 20_000})
    assert (refund.status, refund.json()["status"]) == (201, "processed")
    check_books(appliance, database)


def test_creating_needs_no_acquirer(appliance, merchant, app):
    sandbox = appliance.pids()["sandbox"]
    os.kill(sandbox, signal.SIGSTOP)
    try:
        began_s = time.monotonic()
        payment = ask(merchant).json()
        assert time.monotonic() - began_s < 2
        assert payment["status"] == "requires_action"
    finally:
        os.kill(sandbox, signal.SIGCONT)
    assert app.pay(link_of(payment))[0] == 200
    merchant.wait(payment["id"], "captured")


def test_a_payment_is_one_commit_and_has_nothing_to_enquire_about(merchant, database):
    reference = secrets.token_hex(8)
    payment = ask(merchant, reference=reference).json()
    with database.transaction() as conn:
        (row,) = conn.execute(HALF_DONE, (reference,)).fetchall()
    assert row == (payment["id"], *WAITING)


def test_a_merchant_may_ask_while_the_customer_has_not_paid(merchant, app):
    payment = ask(merchant).json()
    for _ in range(3):
        shown = merchant.get(f"/v1/payments/{payment['id']}?sync=true").json()
        assert shown["status"] == "requires_action"
        assert link_of(shown) == link_of(payment)
    assert app.pay(link_of(payment))[0] == 200
    merchant.wait(payment["id"], "captured")


def test_what_was_paid_but_never_told_is_found_by_asking(merchant, app):
    payment = ask(merchant, 10_003).json()
    assert app.pay(link_of(payment))[1]["status"] == "approved"
    shown = merchant.get(f"/v1/payments/{payment['id']}?sync=true").json()
    assert shown["status"] == "captured"


def test_what_was_paid_but_never_told_is_found_before_it_expires(merchant, database, app):
    payment = ask(merchant, 10_003).json()
    app.pay(link_of(payment))
    bring_forward(database, "payment.expire", payment["id"])
    assert merchant.wait(payment["id"], "captured", "expired")["status"] == "captured"


def test_an_expired_link_cannot_be_paid_any_more(merchant, database, app):
    payment = ask(merchant).json()
    bring_forward(database, "payment.expire", payment["id"])
    assert merchant.wait(payment["id"], "expired")["next_action"] is None
    status, refusal = app.pay(link_of(payment))
    assert (status, refusal["error"]) == (409, "over")
    assert types_of(merchant, payment)[-1] == "payment.expired"


def test_a_payment_does_not_expire_while_the_acquirer_cannot_close_its_link(
    appliance, merchant, database, app
):
    payment = ask(merchant).json()
    sandbox = appliance.pids()["sandbox"]
    answer_timeout_s = appliance.settings.gateways["sandbox"].answer_timeout_s
    os.kill(sandbox, signal.SIGSTOP)
    try:
        bring_forward(database, "payment.expire", payment["id"])
        time.sleep(answer_timeout_s + 2)  # longer than the enquiry waits for its answer
        shown = merchant.get(f"/v1/payments/{payment['id']}").json()
        assert shown["status"] == "requires_action"
    finally:
        os.kill(sandbox, signal.SIGCONT)
    bring_forward(database, "payment.expire", payment["id"])
    merchant.wait(payment["id"], "expired")
    assert app.pay(link_of(payment))[0] == 409


def test_money_that_comes_after_expiry_goes_back(appliance, merchant, database, app):
    payment = ask(merchant, 10_008).json()  # decided two seconds after the customer paid
    assert app.pay(link_of(payment))[1]["status"] == "processing"
    bring_forward(database, "payment.expire", payment["id"])
    merchant.wait(payment["id"], "expired")
    merchant.wait(payment["id"], "captured")
    read = f"/v1/payments/{payment['id']}"
    until(lambda: merchant.get(read).json()["refund_status"] == "full")
    assert merchant.get(read).json()["late_authorization"] is True
    assert "payment.late_authorized" in types_of(merchant, payment)
    check_books(appliance, database)


def test_money_for_a_cancelled_payment_goes_back(merchant, app):
    payment = ask(merchant).json()
    read = f"/v1/payments/{payment['id']}"
    assert merchant.post(f"{read}/cancel", {}).json()["status"] == "cancelled"
    assert app.pay(link_of(payment))[0] == 200
    until(lambda: merchant.get(read).json()["refund_status"] == "full")
    assert merchant.get(read).json()["late_authorization"] is True


def test_a_decline_at_the_bank_ends_the_payment(merchant, app):
    payment = ask(merchant, 10_011).json()
    assert app.pay(link_of(payment))[1]["status"] == "declined"
    failed = merchant.wait(payment["id"], "failed")
    assert failed["failure"]["reason"] == "insufficient_funds"
    assert failed["next_action"] is None


def test_another_amount_than_we_asked_for_is_kept_apart(appliance, merchant, database, app):
    payment = ask(merchant).json()
    assert app.pay(link_of(payment).replace("am=500.00", "am=1.00"))[0] == 200
    merchant.wait(payment["id"], "conflicted")
    with database.transaction() as conn:
        assert conn.execute(SUSPENSE, (payment["id"],)).fetchone() == (1,)
    check_books(appliance, database)


def test_a_link_paid_by_twenty_apps_is_paid_once(merchant, app):
    payment = ask(merchant, 10_004).json()  # and its callback comes twice
    statuses = together(20, lambda _: app.pay(link_of(payment))[0])
    assert Counter(statuses) == {200: 1, 409: 19}
    assert merchant.wait(payment["id"], "captured")["amount_captured"] == 10_004
    assert types_of(merchant, payment).count("payment.captured") == 1


def test_money_for_a_reference_that_we_never_gave_out_is_kept_in_sight(merchant, database, app):
    payment = ask(merchant).json()
    link = link_of(payment)
    reference = parse_qs(urlsplit(link).query)["tr"][0]
    forged = link.replace(reference, reference[:-5] + "ZZZZZ")
    assert app.pay(forged)[0] == 200

    def is_kept():
        with database.transaction() as conn:
            return conn.execute(CALLBACKS).fetchone() == ("unknown_object",)

    until(is_kept)
    assert merchant.get(f"/v1/payments/{payment['id']}").json()["status"] == "requires_action"


def test_fifty_clients_with_one_key_make_one_payment(merchant, database):
    key, reference = secrets.token_hex(12), secrets.token_hex(8)
    body = {"amount": 700, "method": {"type": "upi", "flow": "intent"}, "reference": reference}
    answers = together(CLIENTS, lambda _: merchant.persist("/v1/payments", body, key))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    replayed = [a.headers.get("idempotency-replayed") == "true" for a in answers]
    assert replayed.count(False) == 1
    with database.transaction() as conn:
        (row,) = conn.execute(HALF_DONE, (reference,)).fetchall()
    assert row[1:] == WAITING


def test_killed_workers_leave_nothing_half_done(appliance, merchant, database, app):
    stop, answers = time.monotonic() + LOAD_S, {}

    def client():
        while time.monotonic() < stop:
            key = secrets.token_hex(12)
            body = {"amount": 900, "method": {"type": "upi", "flow": "qr"}, "reference": key}
            answers[key] = merchant.persist("/v1/payments", body, key)

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(1.2)
        old = appliance.pids()["api"]
        for pid in old:
            kill(pid)
        wait_for_new(appliance, "api", old)
    for thread in threads:
        thread.join(100)
    assert len(answers) > 20
    with database.transaction() as conn:
        for key, answer in answers.items():
            assert answer.status == 201, answer.body
            (row,) = conn.execute(HALF_DONE, (key,)).fetchall()
            assert row == (answer.json()["id"], *WAITING)
    last = answers[key].json()
    assert app.pay(link_of(last))[0] == 200
    merchant.wait(last["id"], "captured")
    check_books(appliance, database)
