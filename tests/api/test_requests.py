"""What may not come in: malformed, hostile and merely wrong requests get one typed error."""

import json

import pytest

from rizzpay.api import bodies, schemas

GOOD = {"amount": 10_000, "method": {"type": "card", "token": "tok_approve"}}
CARD = "4111111111111111"


def amount(text: str) -> bytes:
    return json.dumps(GOOD).replace("10000", text).encode()


MALFORMED = [
    b"{",
    b"{}x",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"a": "\xff"}',
    b"{'amount': 1}",
    b'{"amount": 01}',
    b'{"amount": NaN}',
    b'{"amount": -Infinity}',
    b'{"amount": ' + b"9" * 5_000 + b"}",
    b'{"amount": 1, "amount": 1}',
    b'{"method": {"type": "upi", "type": "upi"}}',
    b'{"description": "\\ud800"}',
    b'{"description": "\\udc00\\ud800"}',
    b'{"description": "a\nb"}',
    b"[" * 100_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"a":' * 17 + b"1" + b"}" * 17,
]


@pytest.mark.parametrize("body", [b"", *MALFORMED], ids=lambda body: repr(body[:30]))
def test_malformed_json_is_a_400(client, body):
    answer = client.post("/v1/payments", body)
    assert (answer.status, answer.code) == (400, "malformed_json")
    assert answer.error["doc"] == "/docs/errors#malformed_json"


@pytest.mark.parametrize("text", ["100.0", "1e3", "1E+2", '"100"', "true", "null", "[1]", "{}"])
def test_an_amount_that_is_no_integer_says_so(client, text):
    answer = client.post("/v1/payments", amount(text))
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert answer.error["param"] == "amount"
    assert answer.error["message"] == "The amount must be an integer in minor units (paise)."


@pytest.mark.parametrize("text", ["0", "-1", "9007199254740992", "1" * 40])
def test_an_amount_out_of_range_is_a_422(client, text):
    answer = client.post("/v1/payments", amount(text))
    assert (answer.status, answer.error["param"]) == (422, "amount")


def test_the_largest_amount_is_not_too_large(client):
    assert schemas.check(bodies.decode(amount("9007199254740991")), schemas.PaymentBody)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"surprise": 1}, "surprise"),
        ({"method": {"type": "cheque"}}, "method.type"),
        ({"method": {"type": "card", "token": 5}}, "method.token"),
        ({"method": {"type": "card", "token": "tok_a\n"}}, "method.token"),
        ({"method": {"type": "card", "token": "card_1"}}, "method.token"),
        ({"method": "card"}, "method"),
        ({"method": {"type": "netbanking", "bank": "hdfc"}}, "method.bank"),
        ({"currency": "inr"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"capture_method": "later"}, "capture_method"),
        ({"reference": "r" * 41}, "reference"),
        ({"reference": ""}, "reference"),
        ({"description": "d" * 256}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"description": "\u202egnp.exe"}, "description"),
        ({"customer": {"name": "\u2066x"}}, "customer.name"),
        ({"customer": {"email": "not an address"}}, "customer.email"),
        ({"customer": {"phone": "call me"}}, "customer.phone"),
        ({"customer": {"age": 7}}, "customer.age"),
        ({"metadata": {str(n): "v" for n in range(16)}}, "metadata"),
        ({"metadata": {"a b": "v"}}, "metadata"),
        ({"metadata": {"k" * 41: "v"}}, "metadata"),
        ({"metadata": {"k": "v" * 257}}, "metadata"),
        ({"metadata": {"k": 7}}, "metadata"),
        ({"metadata": {"k": {"l": "v"}}}, "metadata"),
        ({"metadata": {"k": 1.5}}, "metadata.k"),
        ({"return_url": "ftp://x"}, "return_url"),
        ({"livemode": True}, "livemode"),
        ({"status": "captured"}, "status"),
        ({"merchant_id": "mer_1"}, "merchant_id"),
    ],
    ids=str,
)
def test_a_field_that_is_not_right_is_named(client, fields, param):
    answer = client.post("/v1/payments", {**GOOD, **fields})
    assert (answer.status, answer.code) == (422, "invalid_request"), answer.body
    assert answer.error["param"] == param
    assert answer.error["message"]


def test_a_message_never_repeats_the_value(client):
    for fields in (
        {"currency": "ZQXJK"},
        {"reference": "ZQXJK" * 20},
        {"method": {"type": "ZQXJK"}},
        {"customer": {"email": "ZQXJK"}},
        {"metadata": {"ZQXJK 1": "x"}},
    ):
        answer = client.post("/v1/payments", {**GOOD, **fields})
        assert answer.status == 422
        assert b"ZQXJK" not in answer.body


@pytest.mark.parametrize("written", [CARD, "4111 1111 1111 1111", "4111-1111-1111-1111"])
@pytest.mark.parametrize(
    "fields",
    [
        {"description": "for CARD please"},
        {"reference": "CARD"},
        {"customer": {"name": "CARD"}},
        {"metadata": {"note": "CARD"}},
        {"metadata": {"CARD": "note"}},
        {"method": {"type": "card", "number": "CARD"}},
        {"a": [{"b": {"c": ["CARD"]}}]},
        {"CARD": 1},
    ],
    ids=str,
)
def test_a_card_number_is_refused_wherever_it_stands_and_not_repeated(client, fields, written):
    body = json.dumps({**GOOD, **fields}).replace("CARD", written)
    answer = client.post("/v1/payments", body.encode())
    assert (answer.status, answer.code) == (422, "pan_not_accepted"), answer.body
    assert written.encode() not in answer.body


@pytest.mark.parametrize(
    "body",
    [
        amount(CARD),
        amount(CARD + ".0"),
        b'{"description": "\\u0034111111111111111"}',
        '{"description": "４１１１１１１１１１１１１１１１"}'.encode(),
        b'{"description": ";4111111111111111=27121010000"}',
    ],
)
def test_a_card_number_in_disguise_is_refused(client, body):
    assert client.post("/v1/payments", body).code == "pan_not_accepted"


def test_a_card_number_in_query_path_and_key_is_refused(client):
    answers = [
        client.get(f"/v1/payments?reference={CARD}"),
        client.get(f"/v1/payments?{CARD}=1"),
        client.get("/v1/payments?reference=4111%201111%201111%201111"),
        client.get(f"/v1/payments/{CARD}"),
        client.send("POST", "/v1/payments", GOOD, key=CARD),
    ]
    for answer in answers:
        assert (answer.status, answer.code) == (422, "pan_not_accepted"), answer.body
        assert CARD.encode() not in answer.body


def test_a_card_number_as_request_id_is_not_taken_over(client):
    answer = client.get("/v1/balance", headers={"X-Request-Id": CARD})
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "fields",
    [
        {"cvv": "917"},
        {"method": {"type": "card", "token": "tok_a", "CVV2": "917"}},
        {"card": {"security_code": 917}},
        {"metadata": {"pin": "9174"}},
        {"description": "cvv: 917"},
    ],
    ids=str,
)
def test_a_cvv_is_refused_and_not_repeated(client, fields):
    answer = client.post("/v1/payments", {**GOOD, **fields})
    assert (answer.status, answer.code) == (422, "cvv_not_accepted")
    assert "917" not in str({**answer.error, "request_id": ""})


def test_a_cvv_in_the_query_is_refused(client):
    answer = client.get("/v1/payments?cvv=917")
    assert (answer.status, answer.code) == (422, "cvv_not_accepted")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_another_media_type_is_a_415(client, headers):
    answer = client.post("/v1/payments", GOOD, headers=headers)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_by_another_spelling_is_json(client, kind):
    answer = client.post("/v1/payments", GOOD, headers={"Content-Type": kind})
    assert answer.status == 201


def test_a_body_of_more_than_256_kib_is_a_413(client):
    fits = json.dumps({**GOOD, "x": 1}).encode()
    padded = fits + b" " * (262_144 - len(fits))
    assert client.post("/v1/payments", padded).error["param"] == "x"
    answer = client.post("/v1/payments", padded + b" ")
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 100_000 + b"1]",
        b'{"a": "' + b"x" * 200_000 + b'"}',
        json.dumps({str(n): n for n in range(10_000)}).encode(),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_with_more_in_it_than_any_request_needs_is_refused(client, body):
    answer = client.post("/v1/payments", body)
    assert (answer.status, answer.code) == (422, "invalid_request")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=1.0",
        "limit=1e1",
        "limit=",
        "limit=ten",
        "limit=1&limit=2",
        "status=nonsense",
        "created[gte]=yesterday",
        "created[gte]=99999999999999999999",
        "created[lt]=-5",
        "surprise=1",
        "reference=%00",
        "reference=%E2%80%AEx",
        "expand[]=secrets",
        "expand=attempts",
        "sync=true",
    ],
)
def test_a_query_that_is_not_right_is_a_422(client, query):
    answer = client.get(f"/v1/payments?{query}")
    assert (answer.status, answer.code) == (422, "invalid_request"), answer.body


@pytest.mark.parametrize("query", ["reference=%FF", "a=1&" * 60, "reference=" + "x" * 9_000])
def test_a_query_that_cannot_be_read_is_a_400(client, query):
    answer = client.get(f"/v1/payments?{query}")
    assert (answer.status, answer.code) == (400, "malformed_request")


def test_a_route_without_parameters_takes_none(client):
    assert client.get("/v1/balance?x=1").error["param"] == "x"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/payments/x/y"])
def test_an_unknown_path_is_a_typed_404(client, path):
    answer = client.get(path)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "HEAD"])
def test_a_method_that_a_route_does_not_have_is_a_typed_405(client, method):
    answer = client.send(method, "/v1/payments")
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}
    if method != "HEAD":
        assert answer.code == "method_not_allowed"


def test_options_say_which_methods_a_route_has(client):
    answer = client.send("OPTIONS", "/v1/payments/pay_1/capture")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["allow"] == "POST"
    assert answer.headers["content-length"] == "0"


def test_every_answer_carries_its_headers(client):
    for answer in (client.get("/v1/balance"), client.get("/nowhere"), client.post("/v1/refunds")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["rizzpay-version"]
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"].startswith("req_")


def test_a_request_id_of_the_client_is_taken_over_when_it_is_sane(client):
    taken = client.get("/v1/balance", headers={"X-Request-Id": "trace-1234_ab"})
    assert taken.headers["x-request-id"] == "trace-1234_ab"
    for odd in ("short", "x" * 65, "a b c d e f", "<script>alert(1)"):
        answer = client.get("/v1/balance", headers={"X-Request-Id": odd})
        assert answer.headers["x-request-id"].startswith("req_")
