"""Razorpay's answers, as values: every status, every refusal, and whatever else may come."""

import json
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.declines import REASONS
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    AuthorizeRequest,
    BankTransfer,
    CaptureMethod,
    Card,
    Declined,
    NetBanking,
    NotSent,
    Processing,
    RefundRequest,
    Unknown,
    UpiCollect,
    UpiIntent,
    UpiQr,
    Wallet,
)
from rizzpay.gateways.razorpay import answers
from rizzpay.gateways.razorpay.checkout import Checkout, page_of
from rizzpay.gateways.razorpay.requests import Requests
from rizzpay.gateways.razorpay.wire import REASON_OF_ERROR, REASON_OF_REFUND_REFUSAL
from rizzpay.gateways.signing import CallbackSecrets
from rizzpay.infra.http_client import HttpResponse

SECRET = secrets.token_urlsafe(18)
ATTEMPT = "att_01KAF3V1Q0ZSB2Q6M7R1H3D9YW"
REFUND = RefundRequest("rfnd_01KAF3V1Q0ZSB2Q6M7R1H3D9YX", "pay_1", Money(500, "INR"))
CHECKOUT = Checkout("https://api.example", "rzp_test_1", "Shop", CallbackSecrets(Secret(SECRET)))
ORDER = {
    "id": "order_1", "entity": "order", "amount": 10_000, "currency": "INR", "status": "created",
    "receipt": ATTEMPT, "attempts": 0,
    "notes": {"rizzpay_capture": "automatic", "rizzpay_method": "upi"},
}  # fmt: skip
PAYMENT = {
    "id": "pay_1", "entity": "payment", "amount": 10_000, "currency": "INR", "status": "captured",
    "order_id": "order_1", "captured": True, "notes": [], "error_reason": None,
    "acquirer_data": {"rrn": "123456789012"},
}  # fmt: skip
GIVEN_BACK = {
    "id": "rfnd_1", "entity": "refund", "amount": 500, "currency": "INR", "payment_id": "pay_1",
    "receipt": REFUND.refund_id, "status": "processed", "acquirer_data": {"arn": "1" * 23},
}  # fmt: skip


def request(**changes):
    values = {
        "attempt_id": ATTEMPT,
        "payment_id": "pay_01KAF3V1Q0ZSB2Q6M7R1H3D9YZ",
        "money": Money(10_000, "INR"),
        "method": UpiIntent(),
        "capture_method": CaptureMethod.AUTOMATIC,
        "description": "Two books",
        "return_url": "https://shop.example/back",
        "callback_url": "https://bank.example/webhooks/razorpay",
        "expires_at": datetime.now(UTC) + timedelta(minutes=15),
        **changes,
    }
    return AuthorizeRequest(**values)


def answer(body, status=200):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {}, content)


def error(description="no", status=400):
    return answer({"error": {"code": "BAD_REQUEST_ERROR", "description": description}}, status)


def enquired(*payments, **order):
    orders = [{**ORDER, "payments": {"items": list(payments)}, **order}]
    return answers.read_enquiry(answer({"items": orders}), ATTEMPT, CHECKOUT)


def authorized(body, status=200):
    return answers.read_authorize(answer(body, status), request(), CHECKOUT)


# ------------------------------------------------------------------------------------ requests


def test_an_order_says_who_captures_and_carries_our_attempt():
    requests = Requests("https://api.example", "key", Secret(SECRET))
    built = requests.build_authorize(request(capture_method=CaptureMethod.MANUAL), "card")
    body = json.loads(built.body)
    assert (built.method, built.url) == ("POST", "https://api.example/v1/orders")
    assert (body["receipt"], body["amount"], body["currency"]) == (ATTEMPT, 10_000, "INR")
    assert len(body["receipt"]) <= 40
    assert body["payment"]["capture"] == "manual"
    assert "automatic_expiry_period" not in body["payment"]["capture_options"]


def test_a_refund_has_the_header_that_makes_it_once():
    requests = Requests("https://api.example", "key", Secret(SECRET))
    built = requests.build_refund(REFUND)
    assert built.url == "https://api.example/v1/payments/pay_1/refund"
    assert built.headers["X-Refund-Idempotency"] == REFUND.refund_id
    assert json.loads(built.body)["receipt"] == REFUND.refund_id


def test_a_reference_cannot_leave_its_place_in_the_path():
    requests = Requests("https://api.example", "key", Secret(SECRET))
    assert requests.build_look("../orders?x=1").url.endswith("/v1/payments/..%2Forders%3Fx%3D1")


def test_no_secret_is_in_the_text_of_the_requests():
    requests = Requests("https://api.example", "key", Secret(SECRET))
    assert SECRET not in repr(vars(requests))


@pytest.mark.parametrize(
    ("method", "page"),
    [
        (Card(None), "card"),
        (Card(Secret("tok_1")), None),
        (UpiIntent(), "upi"),
        (UpiQr(), "upi"),
        (UpiCollect(Secret("a@b"), "mcc_6012"), None),
        (NetBanking("HDFC"), "netbanking"),
        (Wallet("paytm"), "wallet"),
        (BankTransfer(), None),
    ],
)
def test_a_method_has_a_page_or_none(method, page):
    assert page_of(method) == page


# ------------------------------------------------------------------------------------ orders


def test_an_order_is_handed_over_as_a_form():
    form = authorized(ORDER).next_action
    assert form["type"] == "form_post"
    assert form["url"] == "https://api.example/v1/checkout/embedded"
    assert (form["order_id"], form["method"], form["amount"]) == ("order_1", "upi", "10000")
    assert form["notes[rizzpay]"].startswith(f"{ATTEMPT}.automatic.")


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 10_001}, {"amount": 100.5}, {"amount": -1}, {"currency": "USD"},
        {"receipt": None}, {"receipt": "att_other"}, {"status": "paid"}, {"status": "new"},
        {"id": "pay_1"}, {"id": "order_1/../x"}, {"entity": "payment"}, {"notes": "x"},
    ],
)  # fmt: skip
def test_an_order_that_is_not_the_one_we_asked_for_is_unknown(change):
    assert isinstance(authorized({**ORDER, **change}), Unknown)


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (400, Declined, "gateway_rejected_request"),
        (401, Declined, "gateway_rejected_credentials"),
        (403, Declined, "gateway_rejected_credentials"),
        (429, NotSent, None),
        (404, Unknown, None),
        (409, Unknown, None),
        (500, Unknown, None),
        (502, Unknown, None),
        (503, Unknown, None),
        (504, Unknown, None),
        (302, Unknown, None),
        (202, Unknown, None),
    ],
)
def test_what_refuses_an_order(status, outcome, reason):
    told = answers.read_authorize(error(status=status), request(), CHECKOUT)
    assert type(told) is outcome
    assert getattr(told, "reason", None) == reason


# ------------------------------------------------------------------------------------ enquiries


@pytest.mark.parametrize(
    ("payment", "capture", "kind"),
    [
        ({"status": "captured"}, "automatic", Approved),
        ({"status": "captured"}, "manual", Approved),
        ({"status": "refunded", "captured": True}, "automatic", Approved),
        ({"status": "refunded", "captured": False}, "manual", Declined),
        ({"status": "authorized", "captured": False}, "manual", Approved),
        ({"status": "authorized", "captured": False}, "automatic", Processing),
        ({"status": "created", "captured": False}, "automatic", ActionRequired),
        ({"status": "failed", "captured": False}, "automatic", Declined),
        ({"status": "disputed", "captured": False}, "automatic", Unknown),
        ({"status": "Captured"}, "automatic", Unknown),
        ({"currency": "XXX"}, "automatic", Unknown),
        ({"order_id": "order_2"}, "automatic", Unknown),
        ({"order_id": None}, "automatic", Unknown),
    ],
)
def test_every_status_of_a_payment(payment, capture, kind):
    notes = {"rizzpay_capture": capture}
    told = enquired({**PAYMENT, **payment}, notes=notes, status="attempted")
    assert type(told) is kind, told
    if isinstance(told, Approved):
        assert told.captured is (payment["status"] != "authorized")


def test_money_of_one_payment_wins_over_the_tries_before_it():
    failed = {**PAYMENT, "id": "pay_0", "status": "failed", "captured": False}
    told = enquired(failed, PAYMENT, {**failed, "id": "pay_2"})
    assert told == Approved("pay_1", Money(10_000, "INR"), captured=True, rrn="123456789012")


def test_two_payments_with_money_are_for_a_person():
    assert isinstance(enquired(PAYMENT, {**PAYMENT, "id": "pay_2"}), Unknown)


def test_while_one_try_is_open_the_others_decide_nothing():
    failed = {**PAYMENT, "status": "failed", "captured": False, "error_reason": "card_expired"}
    trying = {**PAYMENT, "id": "pay_2", "status": "created", "captured": False}
    assert isinstance(enquired(failed, trying), ActionRequired)
    assert enquired(failed) == Declined(
        "expired_card", REASONS["expired_card"], "card_expired", "pay_1"
    )


def test_of_several_declines_the_last_one_counts_however_they_are_listed():
    first = {**PAYMENT, "status": "failed", "captured": False, "error_reason": "card_expired"}
    last = {**first, "id": "pay_2", "error_reason": "insufficient_funds"}
    first["created_at"], last["created_at"] = 1_701_688_684, 1_701_688_721
    told = [enquired(first, last), enquired(last, first)]
    assert {outcome.reason for outcome in told} == {"insufficient_funds"}


def test_an_order_that_is_not_there_is_absent_and_two_are_unknown():
    read = answers.read_enquiry
    assert read(answer({"items": []}), ATTEMPT, CHECKOUT) == Absent()
    stranger = {**ORDER, "receipt": ATTEMPT + "2", "payments": {"items": []}}
    assert read(answer({"items": [stranger]}), ATTEMPT, CHECKOUT) == Absent()
    twice = {**ORDER, "payments": {"items": []}}
    assert isinstance(read(answer({"items": [twice, twice]}), ATTEMPT, CHECKOUT), Unknown)


@pytest.mark.parametrize(
    "order",
    [{"payments": None}, {"notes": []}, {"notes": {"rizzpay_capture": "never"}},
     {"status": "paid"}, {"currency": "XXX"}],
)  # fmt: skip
def test_an_order_that_cannot_be_ours_is_unknown(order):
    assert isinstance(enquired(**order), Unknown)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 502])
def test_an_enquiry_that_is_refused_tells_nothing(status):
    told = answers.read_enquiry(error(status=status), ATTEMPT, CHECKOUT)
    assert isinstance(told, Unknown)


@pytest.mark.parametrize(("code", "reason"), [*REASON_OF_ERROR.items(), ("new_one", "declined")])
def test_every_error_reason_is_one_of_ours(code, reason):
    told = enquired({**PAYMENT, "status": "failed", "captured": False, "error_reason": code})
    assert (told.reason, told.recommended_action) == (reason, REASONS[reason])


@pytest.mark.parametrize(
    ("data", "rrn"),
    [({"rrn": "123456789012"}, "123456789012"), ({"rrn": "0125836177"}, None), ([], None),
     (None, None), ({"bank_transaction_id": "0125836177"}, None), ({"rrn": None}, None)],
)  # fmt: skip
def test_only_a_real_rrn_is_one(data, rrn):
    assert enquired({**PAYMENT, "acquirer_data": data}).rrn == rrn


# ------------------------------------------------------------------------------------ operations


def test_a_capture_is_of_the_payment_that_was_asked_for():
    read = answers.read_capture
    assert isinstance(read(answer(PAYMENT), "pay_1"), Approved)
    assert isinstance(read(answer(PAYMENT), "pay_2"), Unknown)
    assert isinstance(read(answer({**PAYMENT, "status": "authorized"}), "pay_1"), Unknown)


@pytest.mark.parametrize(
    ("status", "kind"), [("processed", Approved), ("pending", Processing), ("failed", Declined),
                         ("queued", Unknown)],
)  # fmt: skip
def test_every_status_of_a_refund(status, kind):
    assert type(answers.read_refund(answer({**GIVEN_BACK, "status": status}), REFUND)) is kind


@pytest.mark.parametrize(
    "change", [{"receipt": None}, {"receipt": "rfnd_other"}, {"payment_id": "pay_2"},
               {"currency": "XXX"}, {"id": "x"}],
)  # fmt: skip
def test_a_refund_that_is_not_the_one_we_asked_for_is_unknown(change):
    assert isinstance(answers.read_refund(answer({**GIVEN_BACK, **change}), REFUND), Unknown)


@pytest.mark.parametrize(("sentence", "reason"), list(REASON_OF_REFUND_REFUSAL.items()))
def test_a_refund_that_was_certainly_not_made_is_declined(sentence, reason):
    told = answers.read_refund(error(sentence.capitalize() + "."), REFUND)
    assert (type(told), told.reason) == (Declined, reason)


@pytest.mark.parametrize(
    ("sentence", "status"),
    [("Different request with the same idempotency key has already been processed.", 400),
     ("Different request with the same idempotency key has already been processed.", 409),
     ("Another request with the same idempotency key is still in progress.", 409),
     ("A sentence that is new", 400)],
)  # fmt: skip
def test_a_refusal_that_leaves_a_refund_open_is_unknown(sentence, status):
    assert isinstance(answers.read_refund(error(sentence, status), REFUND), Unknown)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
HARMS = st.dictionaries(st.sampled_from(sorted({*ORDER, *PAYMENT, *GIVEN_BACK})), JSON)


@given(body=st.binary() | JSON, harm=HARMS, status=st.sampled_from([200, 201, 400, 409, 500]))
def test_no_reader_raises_or_invents_money(body, harm, status):
    for whole in (body, {**ORDER, **harm}, {**PAYMENT, **harm}, {**GIVEN_BACK, **harm}):
        response = answer(whole, status)
        told = [
            answers.read_authorize(response, request(), CHECKOUT),
            answers.read_enquiry(response, ATTEMPT, CHECKOUT),
            answers.read_capture(response, "pay_9"),
            answers.read_refund(response, RefundRequest("rfnd_9", "pay_9", Money(5, "INR"))),
        ]
        assert not any(isinstance(outcome, Approved) for outcome in told)
