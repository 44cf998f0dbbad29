"""The way of a payment at Cashfree: our API, its conformance server, its webhooks, our worker."""

import json

import pytest

from tests.gateways.contract.faults import hang_after
from tests.gateways.contract.row import Held
from tests.gateways.contract.rows.cashfree import Row

NAME, ROW = "cashfree_retail", Row


@pytest.fixture
def shop(new_shop):
    return new_shop()


def upi(shop, **more):
    return shop.pay(method={"type": "upi"}, **more)


def test_a_customer_pays_on_the_page_and_the_webhook_tells(shop):
    answer = upi(shop, return_url="https://shop.example/back")
    payment = answer.json()
    assert (answer.status, payment["status"]) == (201, "requires_action")
    assert payment["next_action"]["type"] == "form_post"
    order = shop.row.act(shop.asked(payment), "success")
    assert order["order_meta"]["return_url"] == "https://shop.example/back"
    assert shop.webhooks(1) == [200]
    told = shop.get(payment)
    assert (told["status"], told["amount_captured"]) == ("captured", 10_000)
    assert told["gateway"]["reference"] == order["order_id"]
    headers, body = shop.receiver.letters[-1]
    assert shop.deliver(headers, body.replace(b"100.00", b"900.00")) == 401
    assert shop.deliver(headers, body) == 200
    shop.work()
    assert shop.booked(payment) == (1, 10_000)


def test_a_declined_try_is_not_the_end_and_a_closed_order_is(shop):
    payment = upi(shop).json()
    shop.row.act(shop.asked(payment), "failure?reason=bank_rejected")
    shop.webhooks(1)
    assert shop.sync(payment)["status"] == "requires_action"
    shop.row.act(shop.asked(payment), "expire")
    failed = shop.sync(payment)
    assert (failed["status"], failed["failure"]["reason"]) == ("failed", "do_not_honour")


def test_a_lost_order_is_found_and_handed_over(shop):
    shop.proxy.fault = hang_after
    answer = upi(shop)
    shop.proxy.fault = None
    assert answer.status == 504
    found = shop.sync({"id": answer.error["payment_id"]})
    assert found["status"] == "requires_action"
    shop.row.act(shop.asked(found), "success")
    assert shop.sync(found)["status"] == "captured"
    shop.webhooks(1)
    assert shop.booked(found) == (1, 10_000)


def test_a_card_cannot_be_held_here(shop):
    answer = shop.pay(capture_method="manual")
    assert answer.status == 422


@pytest.mark.parametrize(("amount", "first"), [(4_000, "processed"), (4_002, "processing")])
def test_money_goes_back_once(shop, amount, first):
    payment = upi(shop).json()
    shop.row.act(shop.asked(payment), "success")
    shop.webhooks(1)
    body = {"payment_id": payment["id"], "amount": amount}
    refund = shop.client.post("/v1/refunds", body).json()
    assert refund["status"] == first
    shop.webhooks(1)
    refund = shop.client.get(f"/v1/refunds/{refund['id']}").json()
    assert refund["status"] == "processed"
    assert shop.held(payment) == Held(10_000, amount)


def test_no_secret_is_shown(shop):
    shown = json.dumps(upi(shop).json())
    assert shop.row.secret not in shown
    assert shop.row.callback_secret not in shown
