"""Payments through the application: shapes of answers, outcomes, what may be asked of them."""

import msgspec
import pytest

from rizzpay import app as composition
from rizzpay.core import clock

UPI = {"type": "upi", "flow": "intent"}


def test_a_card_payment_is_shown_whole(client):
    customer = {"name": "Asha Rao", "email": "asha@example.com", "phone": "+919876543210"}
    answer = client.pay(
        50_000,
        reference="order-1",
        description="two books",
        customer=customer,
        metadata={"shelf": "7"},
        return_url="https://shop.example/back",
    )
    assert answer.status == 201
    payment = answer.json()
    assert payment["object"] == "payment"
    assert payment["status"] == "captured"
    assert payment["merchant_id"] == client.merchant.id
    assert (payment["livemode"], payment["currency"]) == (False, "INR")
    amounts = [payment[f"amount{part}"] for part in ("", "_authorized", "_captured", "_refunded")]
    assert amounts == [50_000, 50_000, 50_000, 0]
    assert payment["method"] == {"type": "card", "token_last4": "rove"}
    assert {name: payment["customer"][name] for name in customer} == customer
    assert payment["metadata"] == {"shelf": "7"}
    assert payment["gateway"]["name"] == "sandbox"
    assert payment["refund_status"] is payment["failure"] is payment["next_action"] is None
    assert payment["late_authorization"] is False
    assert abs(payment["created_at"] - clock.unix_s(clock.now())) < 30
    assert "attempts" not in payment
    assert client.get(f"/v1/payments/{payment['id']}").json() == payment


def test_notes_are_metadata(client):
    assert client.pay(notes={"shelf": "7"}).json()["metadata"] == {"shelf": "7"}


def test_metadata_and_notes_together_are_refused(client):
    answer = client.pay(notes={}, metadata={})
    assert (answer.status, answer.code, answer.error["param"]) == (422, "invalid_request", "notes")


def test_attempts_are_shown_when_they_are_asked_for(client):
    payment = client.pay().json()
    shown = client.get(f"/v1/payments/{payment['id']}?expand[]=attempts").json()
    [attempt] = shown["attempts"]
    assert (attempt["kind"], attempt["status"], attempt["amount"]) == (
        "authorize",
        "approved",
        10_000,
    )
    [listed] = client.get("/v1/payments?expand[]=attempts").json()["data"]
    assert listed["attempts"] == [attempt]


def test_a_decline_is_one_error_object_that_says_what_to_do(client):
    answer = client.pay(method={"type": "card", "token": "tok_decline_insufficient_funds"})
    assert answer.status == 402
    error = answer.error
    assert error["type"] == "payment_declined"
    assert error["code"] == error["reason"] == "insufficient_funds"
    assert error["recommended_action"] == "retry_other_method"
    assert error["source"] == "customer"
    assert error["connector"]["name"] == "sandbox"
    assert error["legacy_code"] == "PAY_002"
    assert error["doc"] == "/docs/errors#insufficient_funds"
    assert error["request_id"] == answer.headers["x-request-id"]
    payment = client.get(f"/v1/payments/{error['payment_id']}").json()
    assert (payment["status"], payment["failure"]["reason"]) == ("failed", "insufficient_funds")


def test_a_time_out_is_504_with_the_payment_to_ask_about(client):
    answer = client.pay(method={"type": "card", "token": "tok_timeout_success"})
    assert (answer.status, answer.code) == (504, "outcome_unknown")
    assert answer.error["status"] == "unknown"
    payment_id = answer.error["payment_id"]
    assert client.get(f"/v1/payments/{payment_id}").json()["status"] == "unknown"
    asked = client.get(f"/v1/payments/{payment_id}?sync=true").json()
    assert asked["status"] == "captured"
    assert asked["sync"]["state"] == "resolved"


def test_a_manual_capture_may_come_in_parts(client):
    payment = client.pay(capture_method="manual").json()
    assert payment["status"] == "authorized"
    assert payment["authorization_expires_at"] > payment["created_at"]
    path = f"/v1/payments/{payment['id']}/capture"
    part = client.post(path, {"amount": 4_000, "final": False})
    assert (part.status, part.json()["status"]) == (200, "partially_captured")
    much = client.post(path, {"amount": 6_001})
    assert (much.status, much.code, much.error["param"]) == (
        422,
        "amount_exceeds_authorized",
        "amount",
    )
    rest = client.post(path)
    assert (rest.json()["status"], rest.json()["amount_captured"]) == ("captured", 10_000)


def test_a_cancellation_needs_no_key_and_no_body(client):
    payment = client.pay(capture_method="manual").json()
    answer = client.send("POST", f"/v1/payments/{payment['id']}/cancel")
    assert (answer.status, answer.json()["status"]) == (200, "cancelled")
    again = client.send("POST", f"/v1/payments/{payment['id']}/cancel", {"reason": "again"})
    assert (again.status, again.code) == (409, "illegal_transition")
    assert again.error["payment_id"] == payment["id"]


def test_a_refund_is_shown_whole(client):
    payment = client.pay().json()
    body = {"payment_id": payment["id"], "amount": 3_000, "reason": "torn", "reference": "r-1"}
    answer = client.post("/v1/refunds", body)
    assert answer.status == 201
    refund = answer.json()
    assert (refund["object"], refund["status"], refund["origin"]) == ("refund", "processed", "api")
    assert refund["acquirer_reference"]["type"] == "rrn"
    assert [change["status"] for change in refund["status_history"]] == ["created", "processed"]
    assert client.get(f"/v1/refunds/{refund['id']}").json() == refund
    assert client.get(f"/v1/refunds?payment_id={payment['id']}").json()["data"] == [refund]
    after = client.get(f"/v1/payments/{payment['id']}").json()
    assert (after["amount_refunded"], after["refund_status"]) == (3_000, "partial")
    client.post("/v1/refunds", {"payment_id": payment["id"]})
    after = client.get(f"/v1/payments/{payment['id']}").json()
    assert (after["amount_refunded"], after["refund_status"]) == (10_000, "full")


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        (UPI, UPI),
        ({"type": "upi"}, UPI),
        ({"type": "upi", "flow": "qr"}, {"type": "upi", "flow": "qr"}),
        (
            {"type": "upi", "flow": "collect", "vpa": "asha@okhdfc"},
            {"type": "upi", "flow": "collect", "handle": "okhdfc"},
        ),
        ({"type": "netbanking", "bank": "HDFC"}, {"type": "netbanking", "bank": "HDFC"}),
        ({"type": "wallet", "wallet": "paytm"}, {"type": "wallet", "wallet": "paytm"}),
        ({"type": "bank_transfer"}, {"type": "bank_transfer"}),
    ],
    ids=str,
)
def test_every_method_is_taken_and_shown_without_what_could_be_used_again(client, method, shown):
    answer = client.pay(method=method)
    assert answer.status == 201, answer.body
    assert answer.json()["method"] == shown
    assert b"asha@okhdfc" not in answer.body


def test_collect_without_an_exemption_is_refused_by_law(new_client):
    client = new_client(collect_exemption=None)
    answer = client.pay(method={"type": "upi", "flow": "collect", "vpa": "asha@okhdfc"})
    assert (answer.status, answer.code) == (422, "upi_collect_not_permitted")
    assert answer.error["type"] == "regulatory"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"capture_method": "manual", "method": UPI}, "capture_method"),
        ({"method": {**UPI, "vpa": "asha@okhdfc"}}, "method.vpa"),
        ({"method": {"type": "upi", "flow": "collect"}}, "method.vpa"),
        ({"return_url": "http://shop.example/back"}, "return_url"),
        ({"return_url": "https://user@shop.example/"}, "return_url"),
        ({"return_url": "https://[::1"}, "return_url"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
    ],
    ids=str,
)
def test_what_a_schema_cannot_say_is_refused_with_its_field(client, fields, param):
    answer = client.pay(**fields)
    assert (answer.status, answer.code) == (422, "invalid_request"), answer.body
    assert answer.error["param"] == param


def test_an_aadhaar_number_in_metadata_is_refused(client):
    answers = [client.pay(metadata={"uid": f"23632363000{digit}"}) for digit in range(10)]
    assert sorted(answer.status for answer in answers) == [201] * 9 + [422]
    [refused] = [answer for answer in answers if answer.status == 422]
    assert (refused.code, refused.error["param"]) == ("aadhaar_not_accepted", "metadata")


def test_a_return_to_loopback_is_for_test_mode(client):
    assert client.pay(return_url="http://127.0.0.1:3000/back").status == 201


def test_a_card_without_a_token_needs_a_gateway_with_a_page(client):
    answer = client.pay(method={"type": "card"})
    assert (answer.status, answer.code) == (422, "method_not_supported")


@pytest.mark.parametrize("currency", ["JPY", "USD"])
def test_a_currency_that_no_gateway_takes_is_refused(client, currency):
    answer = client.pay(currency=currency)
    assert answer.status == 422
    assert answer.code == "method_not_supported"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/payments/pay_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
        "/v1/payments/pay_x",
        "/v1/refunds/rfnd_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
        "/v1/refunds/pay_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
        "/v1/events/evt_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
        "/v1/webhook_endpoints/whe_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
        "/v1/webhook_endpoints/x/deliveries",
        "/v1/api_keys/rk_test_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
    ],
)
def test_what_is_not_there_is_a_typed_404(client, path):
    answer = client.get(path)
    assert answer.status == 404
    assert answer.code.endswith("not_found")
    assert answer.error["request_id"] == answer.headers["x-request-id"]


def test_another_merchants_payment_is_not_there(client, new_client):
    payment = client.pay(capture_method="manual").json()
    stranger = new_client()
    path = f"/v1/payments/{payment['id']}"
    answers = [
        stranger.get(path),
        stranger.get(path + "?sync=true"),
        stranger.post(path + "/capture", {}),
        stranger.post(path + "/cancel", {}),
        stranger.post("/v1/refunds", {"payment_id": payment["id"]}),
    ]
    assert [(answer.status, answer.code) for answer in answers] == [
        (404, "payment_not_found")
    ] * len(answers)
    assert stranger.get("/v1/payments").json()["data"] == []


def test_a_key_of_one_mode_does_not_see_the_other(client, new_client):
    payment = client.pay().json()
    live = new_client(merchant=client.merchant, livemode=True)
    assert live.get(f"/v1/payments/{payment['id']}").status == 404
    assert live.get("/v1/payments").json()["data"] == []
    assert live.pay().code == "method_not_supported"  # the sandbox takes no live payments


def held(client, token):
    method = {"type": "card", "token": token}
    return client.pay(capture_method="manual", method=method).json()["id"]


@pytest.mark.parametrize(
    ("token", "operation", "status", "code"),
    [
        ("tok_capture_declined", "capture", 402, "capture_declined"),
        ("tok_capture_timeout_success", "capture", 504, "outcome_unknown"),
        ("tok_void_declined", "cancel", 402, "void_declined"),
        ("tok_void_timeout_success", "cancel", 504, "outcome_unknown"),
    ],
)
def test_an_operation_that_does_not_succeed_says_how(client, token, operation, status, code):
    payment_id = held(client, token)
    answer = client.post(f"/v1/payments/{payment_id}/{operation}", {})
    assert (answer.status, answer.code) == (status, code)
    assert answer.error["payment_id"] == payment_id
    assert answer.error["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("tok_rate_limited", 502, "gateway_unreachable"),
        ("tok_error_success", 504, "outcome_unknown"),
        ("tok_decline_lost_stolen", 402, "card_lost_or_stolen"),
        ("tok_decline_limit_exceeded", 402, "payment_declined"),  # a 422 of ours has that name
    ],
)
def test_an_outcome_has_one_status_and_one_code(client, token, status, code):
    answer = client.pay(method={"type": "card", "token": token})
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("amount", "status", "code", "left"),
    [(102, 402, "refund_declined", "failed"), (103, 504, "outcome_unknown", "unknown")],
)
def test_a_refund_that_does_not_succeed_says_how(client, amount, status, code, left):
    wanted = {"payment_id": client.pay().json()["id"], "amount": amount}
    answer = client.post("/v1/refunds", wanted)
    assert (answer.status, answer.code) == (status, code)
    assert answer.error["payment_id"] == wanted["payment_id"]
    refund = client.get(f"/v1/refunds/{answer.error['refund_id']}").json()
    assert (refund["status"], answer.error["status"]) == (left, left)


def test_a_gateway_that_cannot_be_reached_is_a_502_and_degraded(client, settings, parts):
    [(name, gateway)] = settings.gateways.items()
    gone = msgspec.structs.replace(gateway, base_url="http://127.0.0.1:9")
    changed = msgspec.structs.replace(settings, gateways={name: gone})
    others = composition.collaborators(changed)
    try:
        elsewhere = client.at(composition.create_app(changed, others))
        answer = elsewhere.pay()
        ready = elsewhere.get("/health/ready")
    finally:
        others.close()
    assert (answer.status, answer.code) == (502, "gateway_unreachable")
    assert answer.error["recommended_action"] == "retry_later"
    failed = client.get(f"/v1/payments/{answer.error['payment_id']}?expand[]=attempts").json()
    assert (failed["status"], failed["attempts"][0]["status"]) == ("failed", "not_sent")
    assert (ready.status, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["gateways"][name]["state"] == "down"
