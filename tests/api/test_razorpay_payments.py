"""The way of a payment at Razorpay: our API, its conformance server, its webhooks, our worker."""

import json

import pytest

from rizzpay.gateways.port import ActionRequired
from rizzpay.gateways.razorpay.checkout import NOTE
from tests.api.shop import Shop
from tests.gateways.contract.faults import hang_after
from tests.gateways.contract.row import Held
from tests.gateways.contract.rows.razorpay import Row

NAME, ROW = "razorpay_retail", Row
CARD = {"type": "card"}


class RazorpayShop(Shop):
    def pay(self, **more):
        return super().pay(method=more.pop("method", {"type": "upi"}), **more)

    def customer(self, payment, act="success", **fields):
        """Go through the checkout and press a button of the bank's page; returns the payment."""
        form = {**payment["next_action"], **fields}
        reference = self.row.begin(ActionRequired(form["order_id"], form))
        self.row.act(reference, act)
        return reference


@pytest.fixture
def shop(new_shop):
    return new_shop(RazorpayShop)


def test_a_customer_pays_at_the_checkout_and_the_webhooks_tell(shop):
    answer = shop.pay(return_url="https://shop.example/back")
    payment = answer.json()
    assert (answer.status, payment["status"]) == (201, "requires_action")
    assert payment["next_action"]["type"] == "form_post"
    assert payment["next_action"]["callback_url"] == "https://shop.example/back"
    reference = shop.customer(payment)
    assert shop.webhooks(3) == [200, 200, 200]
    paid = shop.get(payment)
    assert (paid["status"], paid["amount_captured"]) == ("captured", 10_000)
    assert paid["gateway"]["reference"] == reference
    assert shop.booked(payment) == (1, 10_000)


def test_webhooks_that_come_again_book_nothing_again(shop):
    payment = shop.pay().json()
    shop.customer(payment)
    shop.webhooks(3)
    for headers, body in shop.receiver.letters[-3:]:
        assert shop.deliver(headers, body) == 200
        assert shop.deliver({**headers, "x-razorpay-event-id": "evt_another"}, body) == 200
    shop.work()
    assert shop.booked(payment) == (1, 10_000)


def test_a_forged_webhook_is_refused_and_a_strange_one_is_kept(shop):
    payment = shop.pay().json()
    shop.customer(payment)
    shop.webhooks(3)
    headers, body = shop.receiver.letters[-1]
    assert shop.deliver(headers, body.replace(b"10000", b"90000")) == 401
    before = shop.results().get("unknown_object", 0)
    other = shop.pay().json()
    field = f"notes[{NOTE}]"
    shop.customer(other, **{field: payment["next_action"][field]})
    assert shop.webhooks(3) == [200, 200, 200]
    assert shop.results()["unknown_object"] == before + 2  # its order.paid is known all the same
    assert shop.get(other)["status"] == "captured"
    assert (shop.booked(payment), shop.booked(other)) == ((1, 10_000), (1, 10_000))


def test_a_decline_and_then_a_bank_that_says_yes_too_late(shop):
    payment = shop.pay().json()
    reference = shop.customer(payment, "failure?reason=insufficient_funds")
    shop.webhooks(1)
    failed = shop.get(payment)
    assert (failed["status"], failed["failure"]["reason"]) == ("failed", "insufficient_funds")
    shop.row.act(reference, "success")
    shop.webhooks(3)
    late = shop.get(payment)
    assert (late["status"], late["late_authorization"]) == ("captured", True)
    assert shop.booked(payment) == (1, 10_000)


def test_a_lost_order_is_found_and_handed_over(shop):
    shop.proxy.fault = hang_after
    answer = shop.pay()
    shop.proxy.fault = None
    assert answer.status == 504
    payment_id = answer.error["payment_id"]
    found = shop.client.get(f"/v1/payments/{payment_id}?sync=true").json()
    assert (found["status"], found["sync"]["state"]) == ("requires_action", "resolved")
    shop.customer(found)
    shop.webhooks(3)
    assert shop.get(found)["status"] == "captured"


def test_a_held_card_is_captured_whole_and_cannot_be_released(shop):
    payment = shop.pay(method=CARD, capture_method="manual").json()
    shop.customer(payment)
    shop.webhooks(1)
    assert shop.get(payment)["status"] == "authorized"
    path = f"/v1/payments/{payment['id']}"
    assert shop.client.post(f"{path}/cancel", {}).status == 402
    assert shop.client.post(f"{path}/capture", {"amount": 4_000}).status == 402
    assert shop.get(payment)["status"] == "authorized"
    assert shop.client.post(f"{path}/capture", {}).json()["status"] == "captured"
    shop.webhooks(2)
    assert shop.booked(payment) == (1, 10_000)


def test_a_capture_whose_answer_is_lost_is_asked_for_again(shop):
    payment = shop.pay(method=CARD, capture_method="manual").json()
    shop.customer(payment)
    shop.webhooks(1)
    shop.proxy.fault = hang_after
    path = f"/v1/payments/{payment['id']}"
    assert shop.client.post(f"{path}/capture", {}).status == 504
    shop.proxy.fault = None
    assert shop.client.get(f"{path}?sync=true").json()["status"] == "captured"
    shop.webhooks(2)
    assert shop.booked(payment) == (1, 10_000)


@pytest.mark.parametrize(("amount", "first"), [(4_000, "processed"), (4_002, "processing")])
def test_money_goes_back_once(shop, amount, first):
    payment = shop.pay().json()
    shop.customer(payment)
    shop.webhooks(3)
    body = {"payment_id": payment["id"], "amount": amount}
    refund = shop.client.post("/v1/refunds", body).json()
    assert refund["status"] == first
    shop.webhooks(2)  # created, and how it ended
    refund = shop.client.get(f"/v1/refunds/{refund['id']}").json()
    assert refund["status"] == "processed"
    assert len(refund["acquirer_reference"]["value"]) == 23
    assert shop.held(payment) == Held(10_000, amount)


def test_what_is_shown_and_kept_of_the_form_is_no_secret(shop):
    with open(shop.row.callback_secret_file) as file:  # noqa: PTH123
        secret = file.read()
    assert secret not in json.dumps(shop.pay().json())
