"""One key is one effect, told again byte for byte; pages neither repeat nor skip."""

import pytest

KEY = "order-0001:create"
BODY = {"amount": 10_000, "method": {"type": "card", "token": "tok_approve"}}


def create(client, key, body=None, **more):
    return client.send("POST", "/v1/payments", body or BODY, key=key, **more)


def test_the_same_request_is_answered_with_the_same_bytes(client):
    first = create(client, KEY)
    again = create(client, KEY)
    assert (again.status, again.body) == (first.status, first.body)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(client.get("/v1/payments").json()["data"]) == 1


def test_the_order_of_fields_and_blanks_do_not_make_another_request(client):
    first = create(client, KEY)
    other = b'{ "method" : {"token":"tok_approve","type":"card"},\n "amount":10000 }'
    assert create(client, KEY, other).body == first.body


def test_a_quoted_key_is_the_same_key(client):
    first = create(client, KEY)
    assert create(client, f'"{KEY}"').body == first.body


def test_a_decline_is_told_again_too(client):
    body = {**BODY, "method": {"type": "card", "token": "tok_decline_insufficient_funds"}}
    first = create(client, KEY, body)
    again = create(client, KEY, body)
    assert (again.status, again.body) == (402, first.body)


def test_another_body_with_the_same_key_is_a_mismatch(client):
    first = create(client, KEY)
    other = create(client, KEY, {**BODY, "amount": 10_001})
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    assert other.error["original_request_id"] == first.headers["x-request-id"]


def test_another_route_with_the_same_key_is_a_mismatch(client):
    payment = create(client, KEY, {**BODY, "capture_method": "manual"}).json()
    other = client.send("POST", f"/v1/payments/{payment['id']}/capture", {}, key=KEY)
    assert (other.status, other.code) == (422, "idempotency_mismatch")


def test_a_refused_request_does_not_use_the_key_up(client):
    assert create(client, KEY, {**BODY, "amount": 0}).status == 422
    assert create(client, KEY, {**BODY, "currency": "JPY"}).status == 422
    assert create(client, KEY).status == 201


def test_a_key_belongs_to_a_merchant(client, new_client):
    first = create(client, KEY).json()
    second = create(new_client(), KEY)
    assert second.status == 201
    assert second.json()["id"] != first["id"]


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/payments/pay_x/capture", "/v1/refunds"])
def test_a_route_that_moves_money_needs_a_key(client, path):
    answer = client.send("POST", path, {})
    assert (answer.status, answer.code) == (400, "idempotency_key_required")
    assert answer.error["param"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "key", ["short", "x" * 256, "with space", '"unclosed', "ünicode-key", '""']
)
def test_a_key_that_is_none_is_refused(client, key):
    answer = create(client, key.encode().decode("latin-1"))
    assert (answer.status, answer.code) == (400, "idempotency_key_invalid")


def test_captures_cancellations_and_refunds_are_done_once(client):
    payment = create(client, KEY, {**BODY, "capture_method": "manual"}).json()
    path = f"/v1/payments/{payment['id']}/capture"
    part = {"amount": 4_000, "final": False}
    captures = [client.send("POST", path, part, key="capture-1") for _ in range(2)]
    assert captures[0].body == captures[1].body
    cancel = f"/v1/payments/{payment['id']}/cancel"
    cancels = [client.send("POST", cancel, {}, key="cancel-01") for _ in range(2)]
    assert cancels[0].body == cancels[1].body
    wanted = {"payment_id": payment["id"], "amount": 1_000}
    refunds = [client.send("POST", "/v1/refunds", wanted, key="refund-01") for _ in range(2)]
    assert refunds[0].body == refunds[1].body
    after = client.get(f"/v1/payments/{payment['id']}").json()
    assert (after["status"], after["amount_captured"]) == ("captured", 4_000)
    assert after["amount_refunded"] == 1_000


def test_a_refund_takes_the_key_under_razorpays_name_too(client):
    wanted = {"payment_id": client.pay().json()["id"], "amount": 1_000}
    headers = {"X-Refund-Idempotency": "refund-0001"}
    first = client.send("POST", "/v1/refunds", wanted, headers=headers)
    assert first.status == 201
    assert client.send("POST", "/v1/refunds", wanted, key="refund-0001").body == first.body


def pages(client, path, **filters):
    """Read a list to its end, two at a time."""
    found, cursor = [], None
    while True:
        query = {"limit": "2", **filters, **({"cursor": cursor} if cursor else {})}
        text = "&".join(f"{name}={value}" for name, value in query.items())
        page = client.get(f"{path}?{text}").json()
        assert page["object"] == "list"
        assert page["url"] == path
        found += page["data"]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            return found


def test_pages_of_payments_are_whole_while_others_are_made(client):
    made = [client.pay(100 + n, reference=f"r{n % 2}").json()["id"] for n in range(5)]
    first = client.get("/v1/payments?limit=2").json()
    client.pay()
    second = client.get(f"/v1/payments?limit=2&cursor={first['next_cursor']}").json()
    seen = [payment["id"] for payment in (*first["data"], *second["data"])]
    assert seen == made[:0:-1]
    assert [p["id"] for p in pages(client, "/v1/payments", reference="r1")] == [made[3], made[1]]


def test_payments_are_found_by_status_time_and_customer(client):
    payment = client.pay(customer={"email": "Asha@Example.com", "phone": "9876543210"}).json()
    client.pay(method={"type": "card", "token": "tok_decline_insufficient_funds"})
    at = payment["created_at"]

    def found(query):
        return [row["id"] for row in client.get(f"/v1/payments?{query}").json()["data"]]

    assert found("status=captured") == [payment["id"]]
    assert len(found("status=failed")) == 1
    assert found("customer_email=asha@example.com") == [payment["id"]]
    assert found("customer_phone=%2B919876543210") == [payment["id"]]
    assert found("customer_email=asha@example.com&customer_phone=9000000000") == []
    assert len(found(f"created[gte]={at}")) == 2
    assert found(f"created[lt]={at}") == []


def test_pages_of_refunds_are_whole(client):
    payment = client.pay().json()
    wanted = {"payment_id": payment["id"], "amount": 1_000}
    made = [client.post("/v1/refunds", wanted).json()["id"] for _ in range(3)]
    assert [refund["id"] for refund in pages(client, "/v1/refunds")] == made[::-1]


def test_a_cursor_opens_only_where_it_was_made(client, new_client):
    for _ in range(3):
        client.pay(reference="r")
    cursor = client.get("/v1/payments?limit=1").json()["next_cursor"]
    stranger = new_client()
    live = new_client(merchant=client.merchant, livemode=True)
    flipped = cursor[:-3] + ("A" if cursor[-3] != "A" else "B") + cursor[-2:]
    answers = [
        client.get(f"/v1/payments?reference=r&cursor={cursor}"),
        client.get(f"/v1/refunds?cursor={cursor}"),
        client.get(f"/v1/payments?cursor={flipped}"),
        client.get("/v1/payments?cursor=AAAA"),
        stranger.get(f"/v1/payments?cursor={cursor}"),
        live.get(f"/v1/payments?cursor={cursor}"),
    ]
    assert [(a.status, a.code) for a in answers] == [(422, "invalid_cursor")] * len(answers)
    assert client.get(f"/v1/payments?limit=2&cursor={cursor}").status == 200
