"""Fifty clients at once: the sums hold and exactly the right number succeed."""

import secrets
from collections import Counter

from rizzpay.ledger import service as ledger
from tests.flows.merchant import together

CLIENTS = 50


def test_fifty_refunds_at_once_never_exceed_the_captured_amount(merchant, database):
    payment = merchant.pay(10_000).json()
    assert payment["status"] == "captured"
    answers = together(
        CLIENTS,
        lambda _: merchant.post("/v1/refunds", {"payment_id": payment["id"], "amount": 1_000}),
    )
    assert Counter(answer.status for answer in answers) == {201: 10, 422: 40}
    assert {answer.code for answer in answers if answer.status == 422} == {
        "amount_exceeds_captured"
    }
    after = merchant.get(f"/v1/payments/{payment['id']}").json()
    assert (after["amount_refunded"], after["refund_status"]) == (10_000, "full")
    listed = merchant.get(f"/v1/refunds?payment_id={payment['id']}&limit=100").json()["data"]
    assert sum(refund["amount"] for refund in listed) == 10_000
    with database.transaction() as conn:
        assert all(
            (found.posted, found.pending, found.drifted_accounts) == (0, 0, 0)
            for found in ledger.prove(conn)
        )


def test_fifty_captures_at_once_never_exceed_the_authorization(merchant):
    payment = merchant.pay(10_000, capture_method="manual").json()
    assert payment["status"] == "authorized"
    answers = together(
        CLIENTS,
        lambda _: merchant.post(
            f"/v1/payments/{payment['id']}/capture", {"amount": 1_000, "final": False}
        ),
    )
    counted = Counter(answer.status for answer in answers)
    assert counted[200] == 10
    assert counted[200] + counted[409] + counted[422] == CLIENTS
    after = merchant.get(f"/v1/payments/{payment['id']}").json()
    assert (after["status"], after["amount_captured"]) == ("captured", 10_000)


def test_fifty_final_captures_at_once_are_one(merchant):
    payment = merchant.pay(10_000, capture_method="manual").json()
    answers = together(
        CLIENTS, lambda _: merchant.post(f"/v1/payments/{payment['id']}/capture", {"amount": 7_000})
    )
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 49}
    after = merchant.get(f"/v1/payments/{payment['id']}").json()
    assert (after["status"], after["amount_captured"]) == ("captured", 7_000)


def test_one_idempotency_key_has_one_effect_and_equal_replays(merchant):
    key = secrets.token_hex(12)
    reference = f"ref-{key[:8]}"
    body = {
        "amount": 12_300,
        "method": {"type": "card", "token": "tok_approve"},
        "reference": reference,
    }
    answers = together(CLIENTS, lambda _: merchant.persist("/v1/payments", body, key))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    firsts = [a for a in answers if a.headers.get("idempotency-replayed") != "true"]
    assert len(firsts) == 1
    listed = merchant.get(f"/v1/payments?reference={reference}").json()["data"]
    assert len(listed) == 1


def test_a_key_in_flight_is_a_409_and_with_another_body_a_422(merchant):
    key = secrets.token_hex(12)
    body = {"amount": 10_008, "method": {"type": "card", "token": "tok_slow"}}
    answers = together(
        2,
        lambda index: merchant.send(
            "POST", "/v1/payments", {**body, "amount": 10_008 + index}, key=key
        ),
    )
    assert sorted(answer.status for answer in answers) == [201, 422]
    again = merchant.send("POST", "/v1/payments", body, key=key)
    other = merchant.send("POST", "/v1/payments", {**body, "amount": 1}, key=key)
    assert {again.status, other.status} <= {201, 422}
    assert other.code == "idempotency_mismatch"


def test_the_same_request_in_flight_is_a_409_that_says_when_to_come_back(merchant):
    key = secrets.token_hex(12)
    body = {"amount": 10_000, "method": {"type": "card", "token": "tok_slow"}}
    answers = together(10, lambda _: merchant.send("POST", "/v1/payments", body, key=key))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 9}
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.code == "idempotency_in_progress"
    assert refused.headers["retry-after"] == "1"


def test_cancel_and_capture_at_once_have_one_winner(merchant):
    payment = merchant.pay(5_000, capture_method="manual").json()
    path = f"/v1/payments/{payment['id']}"
    answers = together(
        20, lambda index: merchant.post(path + ("/capture" if index % 2 else "/cancel"), {})
    )
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 19}
    after = merchant.get(path).json()
    assert after["status"] in {"captured", "cancelled"}
