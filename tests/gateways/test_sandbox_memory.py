"""It charges an id once, whatever happens, and remembers it whatever happens."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    CaptureRequest,
    Declined,
    RefundRequest,
    Unknown,
    UpiCollect,
    UpiIntent,
)
from tests.gateways.acquirer import KEYS, Acquirer, card, held, new_id, order

CLIENTS = 50


def at_once(work, items):
    """Run `work` of all items at the same time, as far as threads can."""
    barrier = threading.Barrier(len(items))

    def one(item):
        barrier.wait()
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(one, items))


def test_fifty_requests_with_one_id_are_one_charge(acquirer):
    gateway = acquirer.gateway(answer_timeout_s=10)
    request = card("tok_approve")
    outcomes = at_once(gateway.authorize, [request] * CLIENTS)
    assert len(set(outcomes)) == 1
    assert isinstance(outcomes[0], Approved)
    assert len(acquirer.ledger(request.payment_id)) == 2  # authorized, captured


def test_fifty_captures_never_take_more_than_is_held(acquirer):
    gateway = acquirer.gateway(answer_timeout_s=10)
    request = held()
    reference = gateway.authorize(request).gateway_reference
    captures = [
        CaptureRequest(new_id("capture"), reference, Money(3_000, "INR"), final=False)
        for _ in range(CLIENTS)
    ]
    outcomes = at_once(gateway.capture, captures)
    assert sum(isinstance(outcome, Approved) for outcome in outcomes) == 16
    assert acquirer.moved(request.payment_id)["captured"] == 48_000


def test_fifty_refunds_never_give_back_more_than_was_taken(acquirer):
    gateway = acquirer.gateway(answer_timeout_s=10)
    request = card("tok_approve")
    reference = gateway.authorize(request).gateway_reference
    refunds = [
        RefundRequest(new_id("refund"), reference, Money(3_000, "INR")) for _ in range(CLIENTS)
    ]
    outcomes = at_once(gateway.refund, refunds)
    assert sum(isinstance(outcome, Approved) for outcome in outcomes) == 16
    assert acquirer.moved(request.payment_id)["refunded"] == 48_000


# ------------------------------------------------------------------------- the closing enquiry


def test_an_id_that_was_enquired_about_never_charges(gateway, acquirer):
    request = card("tok_approve")
    assert gateway.enquire(request.attempt_id) == Absent()
    outcome = gateway.authorize(request)
    assert isinstance(outcome, Declined)
    assert outcome.gateway_code == "attempt_closed"
    assert gateway.enquire(request.attempt_id) == Absent()
    assert acquirer.ledger(request.payment_id) == []


def test_a_closed_id_stays_closed_after_a_crash(own_acquirer):
    gateway = own_acquirer.gateway()
    request = card("tok_approve")
    assert gateway.enquire(request.attempt_id) == Absent()
    own_acquirer.kill()
    own_acquirer.start()
    assert gateway.authorize(request).gateway_code == "attempt_closed"


def test_an_enquiry_and_its_late_request_never_both_win(acquirer):
    gateway = acquirer.gateway(answer_timeout_s=10)
    seen = set()
    for _ in range(12):
        request = card("tok_approve")
        charged, enquired = at_once(
            lambda step: step(), [lambda r=request: gateway.authorize(r),
                                  lambda r=request: gateway.enquire(r.attempt_id)]
        )  # fmt: skip
        really = bool(acquirer.ledger(request.payment_id))
        assert really is isinstance(charged, Approved)
        assert really is not isinstance(enquired, Absent)
        seen.add(really)
    assert seen  # whichever came first


def test_a_slow_request_that_was_enquired_about_is_refused_when_it_arrives(acquirer):
    gateway = acquirer.gateway(answer_timeout_s=10)
    request = card("tok_slow")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(gateway.authorize, request)
        time.sleep(0.1)
        assert gateway.enquire(request.attempt_id) == Absent()
        assert slow.result().gateway_code == "attempt_closed"
    assert acquirer.ledger(request.payment_id) == []


def test_looking_at_an_id_does_not_close_it(gateway, acquirer):
    request = card("tok_approve")
    status, _ = acquirer.call("GET", f"/v1/attempts/{request.attempt_id}")
    assert status == 404
    assert isinstance(gateway.authorize(request), Approved)
    status, seen = acquirer.call("GET", f"/v1/attempts/{request.attempt_id}")
    assert (status, seen["status"]) == (200, "approved")


# -------------------------------------------------------------------------------- crash, restart


def test_a_crash_under_load_loses_no_answered_charge(own_acquirer):
    gateway = own_acquirer.gateway(answer_timeout_s=5)
    requests = [card("tok_approve") for _ in range(300)]
    outcomes = {}

    def charge(request):
        outcomes[request.attempt_id] = gateway.authorize(request)

    with ThreadPoolExecutor(8) as pool:
        pool.map(charge, requests)
        while len(outcomes) < 100:
            time.sleep(0.001)
        own_acquirer.kill()
    own_acquirer.start()
    charged = [row["attempt_id"] for row in own_acquirer.ledger() if row["kind"] == "captured"]
    assert len(charged) == len(set(charged))
    for request in requests:
        match outcomes[request.attempt_id]:
            case Approved() as approved:
                assert gateway.enquire(request.attempt_id) == approved
            case Unknown():
                known = request.attempt_id in charged
                assert isinstance(gateway.enquire(request.attempt_id), Approved) is known
            case _:
                assert request.attempt_id not in charged


def test_what_was_due_is_done_after_a_crash(tmp_path):
    acquirer = Acquirer(tmp_path / "own", {"--approve-after-ms": "1500"})
    gateway = acquirer.gateway()
    request = order(UpiCollect(Secret("success@rizzpay"), "mcc_6012"))
    gateway.authorize(request)
    acquirer.kill()
    acquirer.start()
    while isinstance(outcome := gateway.enquire(request.attempt_id), ActionRequired):
        time.sleep(0.05)
    assert isinstance(outcome, Approved)
    acquirer.stop()


def test_a_payment_in_the_customers_hands_survives_a_restart(own_acquirer):
    gateway = own_acquirer.gateway()
    request = order(UpiIntent())
    asked = gateway.authorize(request)
    assert own_acquirer.stop() == 0
    own_acquirer.start()
    assert gateway.enquire(request.attempt_id) == asked


def test_one_data_directory_has_one_server(own_acquirer):
    done = run(own_acquirer, "127.0.0.1:0")
    assert done.returncode == 2
    assert "another sandbox is running" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_one_sentence(own_acquirer, tmp_path):
    own_acquirer.data = tmp_path / "other"
    done = run(own_acquirer, f"127.0.0.1:{own_acquirer.port}")
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:", "127.0.0.1:99999"])
def test_a_wrong_address_is_one_sentence(own_acquirer, listen):
    done = run(own_acquirer, listen)
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr


def test_no_secret_is_in_the_command_line_or_the_data(own_acquirer):
    own_acquirer.gateway().authorize(card("tok_approve"))
    arguments = " ".join(own_acquirer.process.args)
    kept = b"".join(file.read_bytes() for file in own_acquirer.data.iterdir())
    for secret in (KEYS.secret.reveal(), KEYS.callback_secret.reveal()):
        assert secret not in arguments
        assert secret.encode() not in kept


def run(acquirer, listen):
    command = [sys.executable, "-m", "rizzpay", "sandbox", "--data", str(acquirer.data)]
    command += ["--listen", listen, *acquirer._secrets]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
