"""Lives of payments through the front door: every method, every magic outcome, to the end."""

import time

import pytest

NEVER_MIND = {"return_url": "https://shop.example/back"}


def collect(merchant, vpa, amount=5_000):
    body = {"amount": amount, "method": {"type": "upi", "flow": "collect", "vpa": vpa}}
    return merchant.post("/v1/payments", body)


def test_a_card_payment_is_captured_and_its_fee_is_in_the_books(merchant):
    before = merchant.get("/v1/balance").json()
    answer = merchant.pay(100_000)
    assert answer.status == 201
    payment = answer.json()
    assert payment["status"] == "captured"
    assert (payment["object"], payment["livemode"]) == ("payment", False)
    after = merchant.get("/v1/balance").json()
    assert pending(after) - pending(before) == 100_000 - 2_000 - 360  # 2 % and 18 % GST on it


def pending(balance) -> int:
    return sum(row["pending"] for row in balance["balances"] if row["currency"] == "INR")


@pytest.mark.parametrize(
    ("token", "reason"),
    [("tok_decline_insufficient_funds", "insufficient_funds"), ("tok_decline_expired_card", None)],
)
def test_a_decline_is_a_402_with_its_reason(merchant, token, reason):
    answer = merchant.pay(method={"type": "card", "token": token})
    assert answer.status == 402
    error = answer.json()["error"]
    assert error["type"] == "payment_declined"
    assert error["recommended_action"]
    if reason:
        assert error["reason"] == reason
    payment = merchant.get(f"/v1/payments/{error['payment_id']}?expand[]=attempts").json()
    assert payment["status"] == "failed"
    assert len(payment["attempts"]) == 1


def test_a_partial_capture_keeps_the_rest_until_it_is_final(merchant):
    payment = merchant.pay(10_000, capture_method="manual").json()
    path = f"/v1/payments/{payment['id']}/capture"
    assert merchant.post(path, {"amount": 4_000, "final": False}).json()["status"] == (
        "partially_captured"
    )
    last = merchant.post(path, {"amount": 1_000}).json()
    assert (last["status"], last["amount_captured"]) == ("captured", 5_000)
    assert merchant.post(path, {"amount": 1}).status == 409


@pytest.mark.parametrize("amount", [0, 1, 9_999, 10_000, 10_001])
def test_the_borders_of_a_refund(merchant, amount):
    payment = merchant.pay(10_000).json()
    answer = merchant.post("/v1/refunds", {"payment_id": payment["id"], "amount": amount})
    assert answer.status == (422 if amount in {0, 10_001} else 201)


def test_a_time_out_is_unknown_and_a_look_settles_it(merchant):
    answer = merchant.pay(method={"type": "card", "token": "tok_timeout_success"})
    assert answer.status == 504
    error = answer.json()["error"]
    assert error["code"] == "outcome_unknown"
    payment_id = error["payment_id"]
    held = merchant.post("/v1/refunds", {"payment_id": payment_id})
    assert (held.status, held.code) == (409, "unknown_outcome_pending")
    shown = merchant.get(f"/v1/payments/{payment_id}?sync=true").json()
    assert shown["status"] == "captured"
    assert shown["sync"]["state"] in {"resolved", "settled"}


def test_a_time_out_after_which_nothing_happened_fails_only_by_enquiry(merchant):
    answer = merchant.pay(method={"type": "card", "token": "tok_timeout_nothing"})
    payment_id = answer.json()["error"]["payment_id"]
    assert merchant.get(f"/v1/payments/{payment_id}").json()["status"] == "unknown"
    assert merchant.get(f"/v1/payments/{payment_id}?sync=true").json()["status"] == "failed"


def test_an_unknown_capture_blocks_until_it_is_settled(merchant):
    payment = merchant.pay(
        8_000,
        capture_method="manual",
        method={"type": "card", "token": "tok_capture_timeout_success"},
    ).json()
    path = f"/v1/payments/{payment['id']}"
    assert merchant.post(path + "/capture", {}).status == 504
    assert merchant.post(path + "/capture", {}).code == "unknown_outcome_pending"
    assert merchant.post(path + "/cancel", {}).code == "unknown_outcome_pending"
    shown = merchant.get(path + "?sync=true").json()
    assert (shown["status"], shown["amount_captured"]) == ("captured", 8_000)


def test_another_amount_is_conflicted_and_cannot_be_moved(merchant):
    payment = merchant.pay(method={"type": "card", "token": "tok_wrong_amount"}).json()
    assert payment["status"] == "conflicted"
    assert merchant.post("/v1/refunds", {"payment_id": payment["id"]}).status == 409


def test_a_duplicate_callback_changes_nothing(merchant):
    payment = merchant.pay(method={"type": "card", "token": "tok_duplicate_callback"}).json()
    time.sleep(1.5)
    after = merchant.get(f"/v1/payments/{payment['id']}").json()
    assert (after["status"], after["amount_captured"]) == ("captured", payment["amount"])
    types = [event["type"] for event in events_of(merchant, payment["id"])]
    assert types == ["payment.created", "payment.captured"]


def events_of(merchant, object_id):
    found, after = [], 0
    while True:
        page = merchant.get(f"/v1/events?after_sequence={after}&limit=100").json()
        found += [e for e in page["data"] if e["data"]["object"]["id"] == object_id]
        if not page["has_more"]:
            return found
        after = page["data"][-1]["sequence"]


def test_a_collect_is_approved_in_the_customers_app(merchant):
    answer = collect(merchant, "success@rizzpay")
    assert answer.status == 201
    payment = merchant.wait(answer.json()["id"], "captured")
    assert len(payment["gateway"]["rrn"]) == 12


def test_a_collect_is_declined_in_the_customers_app(merchant):
    answer = collect(merchant, "failure@rizzpay")
    body = answer.json()
    payment_id = body["error"]["payment_id"] if answer.status == 402 else body["id"]
    assert merchant.wait(payment_id, "failed")["failure"]["reason"]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ({"type": "upi", "flow": "intent"}, "upi_intent"),
        ({"type": "upi", "flow": "qr"}, "upi_qr"),
        ({"type": "netbanking", "bank": "HDFC"}, "redirect"),
        ({"type": "wallet", "wallet": "paytm"}, "redirect"),
        ({"type": "bank_transfer"}, "bank_transfer"),
    ],
)
def test_a_method_that_needs_its_customer_says_what_to_do(merchant, method, kind):
    payment = merchant.pay(method=method).json()
    assert payment["status"] == "requires_action"
    assert payment["next_action"]["type"] == kind
    assert payment["expires_at"] > payment["created_at"]
    cancelled = merchant.post(f"/v1/payments/{payment['id']}/cancel", {"reason": "changed mind"})
    assert cancelled.json()["status"] == "cancelled"


def test_money_that_comes_after_a_cancellation_goes_back_by_itself(merchant, customer):
    payment = merchant.pay(6_000, method={"type": "upi", "flow": "qr"}).json()
    merchant.post(f"/v1/payments/{payment['id']}/cancel", {})
    customer.approve(payment)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        shown = merchant.get(f"/v1/payments/{payment['id']}").json()
        if shown["refund_status"] == "full":
            break
        time.sleep(0.2)
    assert (shown["status"], shown["refund_status"]) == ("captured", "full")
    assert shown["late_authorization"] is True
    refund = merchant.get(f"/v1/refunds?payment_id={payment['id']}").json()["data"][0]
    assert refund["origin"] == "auto"


def test_a_customer_who_scans_the_qr_pays(merchant, customer):
    payment = merchant.pay(6_100, method={"type": "upi", "flow": "qr"}).json()
    customer.approve(payment)
    assert merchant.wait(payment["id"], "captured")["amount_captured"] == 6_100


def test_the_balance_adds_up_with_every_payment_of_this_merchant(merchant, database):
    from rizzpay.ledger import service as ledger

    with database.transaction() as conn:
        found = ledger.prove(conn)
    assert found
    assert all((f.posted, f.pending, f.drifted_accounts) == (0, 0, 0) for f in found)
    assert merchant.get("/v1/balance").status == 200
