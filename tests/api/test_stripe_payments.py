"""The way of a payment at Stripe: our API, its conformance server, its webhooks, our worker."""

import json

import pytest

from tests.gateways.contract.faults import hang_after
from tests.gateways.contract.row import Held
from tests.gateways.contract.rows.stripe import Row

NAME, ROW = "stripe_cards", Row


@pytest.fixture
def shop(new_shop):
    return new_shop()


def paid(shop, **more):
    """Return a payment after its customer went to the page and paid."""
    payment = shop.pay(**more).json()
    shop.row.act(shop.asked(payment), "success")
    shop.webhooks(2)
    return shop.get(payment)


def test_a_customer_pays_on_the_page_and_the_webhooks_tell(shop):
    answer = shop.pay(return_url="https://shop.example/back")
    payment = answer.json()
    assert (answer.status, payment["status"]) == (201, "requires_action")
    assert payment["next_action"]["type"] == "redirect"
    session = shop.row.act(shop.asked(payment), "success")
    assert session["success_url"] == "https://shop.example/back"
    assert shop.webhooks(2) == [200, 200]
    told = shop.get(payment)
    assert (told["status"], told["amount_captured"]) == ("captured", 10_000)
    assert told["gateway"]["reference"] == session["payment_intent"]["id"]
    assert shop.booked(payment) == (1, 10_000)
    for headers, body in shop.receiver.letters[-2:]:
        assert shop.deliver(headers, body) == 200
    shop.work()
    assert shop.booked(payment) == (1, 10_000)


def test_without_webhooks_an_enquiry_finds_the_payment_by_its_session(shop):
    payment = shop.pay().json()
    assert shop.sync(payment)["status"] == "requires_action"
    shop.row.act(shop.asked(payment), "success")
    assert shop.sync(payment)["status"] == "captured"
    shop.webhooks(2)
    assert shop.booked(payment) == (1, 10_000)


def test_a_forged_webhook_is_refused(shop):
    payment = shop.pay().json()
    shop.row.act(shop.asked(payment), "success")
    headers, body = shop.receiver.wait(shop.delivered + 1)[shop.delivered]
    assert shop.deliver(headers, body.replace(b"10000", b"90000")) == 401
    shop.webhooks(2)
    assert shop.booked(payment) == (1, 10_000)


def test_a_declined_try_is_not_the_end_and_a_closed_page_is(shop):
    payment = shop.pay().json()
    shop.row.act(shop.asked(payment), "decline?code=insufficient_funds")
    shop.webhooks(1)
    assert shop.get(payment)["status"] == "requires_action"
    shop.row.act(shop.asked(payment), "expire")
    failed = shop.sync(payment)
    assert (failed["status"], failed["failure"]["reason"]) == ("failed", "insufficient_funds")
    shop.webhooks(1)
    assert shop.get(payment)["failure"]["reason"] == "insufficient_funds"


def test_a_session_whose_answer_was_lost_was_handed_to_nobody(shop):
    shop.proxy.fault = hang_after
    answer = shop.pay()
    shop.proxy.fault = None
    assert answer.status == 504
    lost = shop.sync({"id": answer.error["payment_id"]})
    assert (lost["status"], lost["failure"]["reason"]) == ("failed", "gateway_never_received_it")
    assert shop.held(lost) == Held()


@pytest.mark.parametrize("lost", [False, True])
def test_a_part_of_a_held_card_is_captured_once(shop, lost):
    payment = paid(shop, capture_method="manual")
    assert payment["status"] == "authorized"
    path = f"/v1/payments/{payment['id']}"
    shop.proxy.fault = hang_after if lost else None
    taken = shop.client.post(f"{path}/capture", {"amount": 4_000})
    shop.proxy.fault = None
    assert taken.status == (504 if lost else 200)
    assert shop.sync(payment)["amount_captured"] == 4_000
    shop.webhooks(1)
    assert shop.held(payment) == Held(4_000)
    assert shop.booked(payment) == (1, 4_000)


def test_a_second_part_is_not_taken_for_the_first(shop):
    payment = paid(shop, capture_method="manual")
    path = f"/v1/payments/{payment['id']}/capture"
    assert shop.client.post(path, {"amount": 4_000, "final": False}).status == 200
    assert shop.client.post(path, {"amount": 4_000, "final": False}).status == 402
    assert shop.booked(payment) == (1, 4_000)
    assert shop.held(payment) == Held(4_000)
    shop.webhooks(1)


def test_a_held_card_is_released(shop):
    payment = paid(shop, capture_method="manual")
    answer = shop.client.post(f"/v1/payments/{payment['id']}/cancel", {})
    assert (answer.status, answer.json()["status"]) == (200, "cancelled")
    shop.webhooks(1)
    assert (shop.held(payment), shop.booked(payment)) == (Held(), (0, 0))


@pytest.mark.parametrize(("amount", "first"), [(4_000, "processed"), (4_002, "processing")])
def test_money_goes_back_once(shop, amount, first):
    payment = paid(shop)
    body = {"payment_id": payment["id"], "amount": amount}
    refund = shop.client.post("/v1/refunds", body).json()
    assert refund["status"] == first
    shop.webhooks(1 if first == "processed" else 2)
    refund = shop.client.get(f"/v1/refunds/{refund['id']}").json()
    assert refund["status"] == "processed"
    assert shop.held(payment) == Held(10_000, amount)


def test_no_secret_is_shown(shop):
    shown = json.dumps(shop.pay().json())
    assert shop.row.secret not in shown
    assert shop.row.callback_secret not in shown
