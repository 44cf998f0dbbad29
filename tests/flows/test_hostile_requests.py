"""Hostile bodies, headers and queries get a typed error: no 5xx, no echo, nothing done."""

import json
import secrets

import pytest
import urllib3

PATH = "/v1/payments"
GOOD = {"amount": 10_000, "method": {"type": "card", "token": "tok_approve"}}


def with_amount(text: str) -> bytes:
    return json.dumps(GOOD).replace("10000", text).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"amount": 1, "amount": 2, "method": {"type": "card", "token": "tok_a"}}',
        with_amount("1" * 5_000),
        with_amount("100.0"),
        with_amount("1e3"),
        with_amount("-1"),
        with_amount("0"),
        with_amount("true"),
        with_amount('"100"'),
        with_amount("NaN"),
        with_amount("9007199254740992"),
        json.dumps({**GOOD, "description": "a\x00b"}).encode(),
        json.dumps({**GOOD, "description": "\u202eevil"}).encode(),
        b'{"amount": 1, "description": "\\ud800", "method": {"type": "card", "token": "tok_a"}}',
        json.dumps({**GOOD, "surprise": 1}).encode(),
        json.dumps({**GOOD, "metadata": {"k" * 41: "v"}}).encode(),
        json.dumps({**GOOD, "metadata": {str(n): "v" for n in range(16)}}).encode(),
        json.dumps({**GOOD, "currency": "XXX"}).encode(),
        json.dumps({**GOOD, "method": {"type": "cheque"}}).encode(),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_bad_body_is_a_typed_client_error(merchant, body):
    answer = merchant.send("POST", PATH, body, key=secrets.token_hex(12))
    assert answer.status in {400, 422}, answer.body
    error = answer.json()["error"]
    assert error["type"] == "invalid_request"
    assert error["request_id"]
    assert error["doc"].startswith("/docs/errors#")


@pytest.mark.parametrize(
    "secret",
    ["4111111111111111", "4111 1111 1111 1111", "5555-5555-5555-4444", "\\u0034111111111111111"],
)
@pytest.mark.parametrize(
    "place", ["description", "reference", "token", "metadata", "name", "unknown", "query", "key"]
)
def test_a_card_number_anywhere_is_refused_without_an_echo(merchant, secret, place):
    fields = {
        "description": {**GOOD, "description": "x SECRET y"},
        "reference": {**GOOD, "reference": "SECRET"},
        "token": {**GOOD, "method": {"type": "card", "token": "SECRET"}},
        "metadata": {**GOOD, "metadata": {"note": "SECRET"}},
        "name": {**GOOD, "customer": {"name": "SECRET"}},
        "unknown": {**GOOD, "card_number": "SECRET"},
    }
    key, path, body = secrets.token_hex(12), PATH, GOOD
    plain = secret.replace("\\u0034", "4")
    if place == "key":
        key = plain
    elif place == "query":
        path = PATH + "?reference=" + plain.replace(" ", "%20")
    else:
        body = fields[place]
    data = json.dumps(body).replace("SECRET", secret).encode()
    answer = merchant.send("POST", path, data, key=key)
    assert answer.status in {400, 422}, answer.body
    if place not in {"key", "query"}:
        assert answer.code == "pan_not_accepted"
    assert plain.encode() not in answer.body


@pytest.mark.parametrize("name", ["cvv", "cvc", "CVV2", "security_code"])
def test_a_cvv_is_refused_without_an_echo(merchant, name):
    body = {**GOOD, "method": {"type": "card", "token": "tok_approve", name: "917"}}
    answer = merchant.post(PATH, body)
    assert (answer.status, answer.code) == (422, "cvv_not_accepted")
    error = answer.json()["error"]
    del error["request_id"]  # random digits
    assert "917" not in json.dumps(error)


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ({"Content-Type": "text/plain"}, {415}),
        ({"Content-Type": "application/xml"}, {415}),
        ({"Authorization": "Basic !!!"}, {401}),
        ({"Authorization": "Bearer x"}, {401}),
        ({"Authorization": "Basic " + "QQ" * 3_000}, {400, 401, 431}),
        ({"Idempotency-Key": "short"}, {400}),
        ({"Idempotency-Key": "x" * 300}, {400}),
        ({"Idempotency-Key": "with space here"}, {400}),
        ({"X-Request-Id": "<script>" * 30}, {201}),
        ({"X-Forwarded-For": "127.0.0.1, 10.0.0.1, '; DROP TABLE"}, {201}),
    ],
    ids=str,
)
def test_a_bad_header_is_a_typed_client_error(merchant, headers, statuses):
    key = None if "Idempotency-Key" in headers else secrets.token_hex(12)
    answer = merchant.send("POST", PATH, GOOD, key=key, headers=headers)
    assert answer.status in statuses, answer.body
    assert b"<script>" not in answer.body
    if answer.status != 201:
        assert answer.json()["error"]["code"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=abc",
        "limit=-1",
        "cursor=abc",
        "cursor=" + "A" * 2_000,
        "status=nonsense",
        "created[gte]=yesterday",
        "created[gte]=99999999999999999999",
        "created[lt]=-5",
        "unknown=1",
        "status=captured&status=failed",
        "reference=%00",
        "expand[]=secrets",
    ],
)
def test_a_bad_query_is_a_typed_client_error(merchant, query):
    answer = merchant.get(f"{PATH}?{query}")
    assert answer.status in {400, 422}, answer.body
    assert answer.json()["error"]["type"] == "invalid_request"


@pytest.mark.parametrize(
    "injection", ["' OR '1'='1", "'; DROP TABLE rizzpay.payments;--", "\\'", "%27%20OR%201=1"]
)
def test_sql_in_a_filter_finds_nothing_and_breaks_nothing(merchant, injection):
    answer = merchant.send("GET", PATH + "?reference=" + injection.replace(" ", "%20"))
    assert answer.status in {200, 400, 422}
    if answer.status == 200:
        assert answer.json()["data"] == []


def test_a_body_of_ten_megabytes_is_refused(merchant):
    body = json.dumps({**GOOD, "description": "x" * 10_000_000}).encode()
    try:
        answer = merchant.send("POST", PATH, body, key=secrets.token_hex(12))
    except urllib3.exceptions.ProtocolError:
        return  # the proxy closed before the client had finished sending
    assert answer.status == 413
    assert answer.json()["error"]["code"] == "body_too_large"


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/payments/pay_x/nothing", "/", "/v1"])
def test_an_unknown_path_is_a_typed_404(merchant, path):
    answer = merchant.get(path)
    assert answer.status == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_a_wrong_method_is_a_typed_405(merchant):
    answer = merchant.send("PUT", PATH, GOOD)
    assert answer.status == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"
