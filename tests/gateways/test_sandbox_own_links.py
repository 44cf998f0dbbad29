"""Links that we make, paid at the acquirer that never saw them: once, told, closable."""

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    Declined,
    Processing,
    RefundRequest,
    Unknown,
    UpiIntent,
    UpiQr,
)
from rizzpay.gateways.sandbox.connector import Keys, read_enquiry
from rizzpay.gateways.upi_links import UpiLinks
from rizzpay.infra.http_client import HttpResponse
from rizzpay.upi.model import Payee
from tests.gateways.acquirer import KEYS, Acquirer, new_id, order
from tests.gateways.conftest import Receiver

PAYEE = Payee("rizzpay.own@rizzpay", "RizzPay Own", "5411")
LINKS = UpiLinks(PAYEE)


@pytest.fixture(scope="module")
def told():
    """Who is called back about own links; tests tell their payments apart by id."""
    with Receiver() as made:
        yield made


@pytest.fixture(scope="module")
def bank(told, tmp_path_factory):
    options = {"--upi-payee-vpa": PAYEE.vpa, "--upi-callback-url": told.url}
    running = Acquirer(tmp_path_factory.mktemp("bank"), options)
    yield running
    assert running.stop() == 0


@pytest.fixture
def connector(bank):
    return bank.gateway()


def invited(amount=50_000, method=None):
    """Return a request and the link that we make of it; nobody is asked."""
    request = order(method or UpiIntent(), amount)
    return request, LINKS.invite(request).next_action["url"]


def pay(bank, link):
    status, _, text = bank.http("POST", "/customer/scan", json.dumps({"upi": link}).encode())
    return status, json.loads(text)


def calls(told, connector, request, count, seconds=5.0):
    """Return the callbacks about a request, as soon as there are so many."""

    def about_it():
        read = [
            connector.read_callback(headers, body, datetime.now(UTC))
            for headers, body in list(told.letters)
        ]
        return [one for one in read if one.attempt_id == request.attempt_id]

    deadline = time.monotonic() + seconds
    while len(about_it()) < max(count, 1) and time.monotonic() < deadline:
        time.sleep(0.01)
    found = about_it()
    assert len(found) == count
    return found


@pytest.mark.parametrize("method", [UpiIntent(), UpiQr()])
def test_a_customer_pays_a_link_that_the_acquirer_never_saw(bank, told, connector, method):
    request, link = invited(method=method)
    status, result = pay(bank, link)
    assert (status, result["status"], result["captured"]) == (200, "approved", True)
    (call,) = calls(told, connector, request, 1)
    assert isinstance(call.outcome, Approved)
    assert call.outcome.money == request.money
    assert call.outcome.captured
    assert len(call.outcome.rrn) == 12
    assert connector.enquire(request.attempt_id) == call.outcome
    reference = call.outcome.gateway_reference
    refund = RefundRequest(new_id("refund"), reference, Money(20_000, "INR"))
    assert isinstance(connector.refund(refund), Approved)


def test_a_tr_is_paid_once(bank, told, connector):
    request, link = invited()
    assert pay(bank, link)[0] == 200
    status, refusal = pay(bank, link)
    assert (status, refusal["error"]) == (409, "duplicate")
    calls(told, connector, request, 1)
    assert [row["kind"] for row in rows(bank, request)] == ["authorized", "captured"]


def test_twenty_customers_at_once_pay_once(bank, told, connector):
    request, link = invited()
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(pay(bank, link)[0])) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 19
    calls(told, connector, request, 1)


def test_what_was_paid_is_told_and_not_what_the_link_said_first(bank, told, connector):
    request, link = invited()
    assert pay(bank, link.replace("am=500.00", "am=5.00"))[0] == 200
    (call,) = calls(told, connector, request, 1)
    assert call.outcome.money == Money(500, "INR")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cu=INR", "cu=USD"),
        ("&am=500.00", ""),
        ("am=500.00", "am=0.00"),
        ("am=500.00", "am=-5.00"),
        ("am=500.00", "am=500"),
        ("am=500.00", "am=90071992547410.00"),
        ("mode=04", "mode=99"),
        ("&tr=att", "&tr=a-t_t"),
        ("&tr=", "&tx="),
        ("upi://pay", "upi://mandate"),
    ],
)
def test_a_broken_link_is_not_paid(bank, connector, old, new):
    request, link = invited()
    assert old in link
    assert pay(bank, link.replace(old, new))[0] == 422
    assert rows(bank, request) == []
    assert isinstance(connector.enquire(request.attempt_id, invited=True), ActionRequired)


def test_money_for_another_payee_is_not_ours(bank, connector):
    request, link = invited()
    assert pay(bank, link.replace("pa=rizzpay.own", "pa=thief"))[0] == 404
    assert rows(bank, request) == []
    assert isinstance(connector.enquire(request.attempt_id, invited=True), ActionRequired)


def test_a_sandbox_without_a_registered_payee_pays_no_own_link(acquirer):
    request, link = invited()
    assert pay(acquirer, link)[0] == 404
    assert rows(acquirer, request) == []


def test_an_enquiry_leaves_open_what_may_still_be_paid(bank, connector):
    request, link = invited()
    for _ in range(2):
        waiting = connector.enquire(request.attempt_id, invited=True)
        assert waiting == ActionRequired(request.attempt_id.replace("_", ""), {})
    assert pay(bank, link)[0] == 200
    assert isinstance(connector.enquire(request.attempt_id, invited=True), Approved)


def test_an_enquiry_after_expiry_closes_the_link_for_good(bank, connector):
    request, link = invited()
    assert connector.enquire(request.attempt_id) == Absent()
    status, refusal = pay(bank, link)
    assert (status, refusal["error"]) == (409, "over")
    assert rows(bank, request) == []
    assert connector.enquire(request.attempt_id) == Absent()
    assert connector.enquire(request.attempt_id, invited=True) == Absent()


def test_an_enquiry_that_does_not_say_so_is_not_taken_for_an_open_link(bank):
    request, _ = invited()
    status, refusal = bank.call(
        "POST", "/v1/enquiries", {"attempt_id": request.attempt_id, "keep_open": True}
    )
    assert (status, refusal["error"]) == (404, "absent")
    assert "closed" not in refusal


@pytest.mark.parametrize(
    ("status", "body", "is_invited", "kind"),
    [
        (404, b'{"error": "absent", "closed": true}', True, Absent),
        (404, b'{"error": "absent", "closed": false}', True, ActionRequired),
        (404, b'{"error": "absent"}', True, ActionRequired),
        (404, b'{"error": "absent"}', False, Unknown),
        (404, b'{"error": "not_found"}', True, Unknown),
        (404, b"", True, Unknown),
        (404, b'{"error": "absent", "closed": "no"}', True, Unknown),
        (500, b'{"error": "absent"}', True, Unknown),
        (200, b'{"error": "absent"}', True, Unknown),
    ],
)
def test_only_one_answer_means_that_the_customer_may_still_pay(status, body, is_invited, kind):
    response = HttpResponse(status, {}, body)
    assert isinstance(read_enquiry(response, "att_1", invited=is_invited), kind)


def test_an_enquiry_that_fails_tells_nothing(bank):
    lost = bank.gateway(keys=Keys(KEYS.key_id, Secret("another"), KEYS.callback_secret))
    request, _ = invited()
    assert isinstance(lost.enquire(request.attempt_id, invited=True), Unknown)


@pytest.mark.parametrize(
    ("amount", "reason"), [(10_002, "declined"), (10_011, "insufficient_funds")]
)
def test_a_magic_amount_is_declined_and_told(bank, told, connector, amount, reason):
    request, link = invited(amount)
    assert pay(bank, link)[1]["status"] == "declined"
    (call,) = calls(told, connector, request, 1)
    assert isinstance(call.outcome, Declined)
    assert call.outcome.reason == reason
    assert rows(bank, request) == []


def test_a_magic_amount_is_told_twice(bank, told, connector):
    request, link = invited(10_004)
    pay(bank, link)
    first, second = calls(told, connector, request, 2)
    assert first == second


def test_a_magic_amount_is_declined_first_and_approved_later(bank, told, connector):
    request, link = invited(10_005)
    pay(bank, link)
    first, second = calls(told, connector, request, 2)
    assert isinstance(first.outcome, Declined)
    assert isinstance(second.outcome, Approved)


def test_a_magic_amount_takes_more_than_was_asked(bank, told, connector):
    request, link = invited(10_006)
    pay(bank, link)
    (call,) = calls(told, connector, request, 1)
    assert call.outcome.money == Money(10_106, "INR")


def test_a_magic_amount_is_paid_and_never_told(bank, told, connector):
    request, link = invited(10_003)
    assert pay(bank, link)[1]["status"] == "approved"
    assert isinstance(connector.enquire(request.attempt_id, invited=True), Approved)
    calls(told, connector, request, 0, seconds=0.3)


def test_a_magic_amount_never_arrives(bank, connector):
    request, link = invited(10_007)
    assert pay(bank, link)[0] == 503
    assert isinstance(connector.enquire(request.attempt_id, invited=True), ActionRequired)


def test_a_magic_amount_is_slow(bank, told, connector):
    request, link = invited(10_008)
    assert pay(bank, link)[1]["status"] == "processing"
    assert isinstance(connector.enquire(request.attempt_id), Processing)
    (call,) = calls(told, connector, request, 1)
    assert isinstance(call.outcome, Approved)


def test_a_reference_that_is_no_attempt_of_ours_is_told_as_it_is(bank, told, connector):
    link = f"upi://pay?ver=01&mode=04&pa={PAYEE.vpa}&tr=Counter7&am=1.00&cu=INR"
    assert pay(bank, link)[1]["attempt_id"] == "Counter7"


def test_a_payment_survives_the_death_of_the_acquirer(told, tmp_path):
    options = {"--upi-payee-vpa": PAYEE.vpa, "--upi-callback-url": told.url}
    bank = Acquirer(tmp_path / "own", options)
    paid, paid_link = invited()
    closed, closed_link = invited()
    assert pay(bank, paid_link)[0] == 200
    assert bank.gateway().enquire(closed.attempt_id) == Absent()
    bank.kill()
    bank.start()
    assert pay(bank, paid_link)[1]["error"] == "duplicate"
    assert pay(bank, closed_link)[1]["error"] == "over"
    assert isinstance(bank.gateway().enquire(paid.attempt_id), Approved)
    bank.stop()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--upi-payee-vpa", "a@b"], "belong together"),
        (["--upi-callback-url", "http://127.0.0.1:9/x"], "belong together"),
        (
            ["--upi-payee-vpa", "shop@okbank", "--upi-callback-url", "http://example.com/x"],
            "may call",
        ),
        (
            ["--upi-payee-vpa", "rizzpay.sandbox@rizzpay", "--upi-callback-url", "http://[::1]/x"],
            "own payee",
        ),
    ],
)
def test_half_a_registration_is_refused_at_the_start(tmp_path, options, says):
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("a secret")
    command = [sys.executable, "-m", "rizzpay", "sandbox", "--listen", "127.0.0.1:0"]
    command += ["--data", str(tmp_path / "data"), "--secret-file", str(secret)]
    command += ["--callback-secret-file", str(secret), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def rows(bank, request):
    return [row for row in bank.ledger() if row["attempt_id"] == request.attempt_id]
