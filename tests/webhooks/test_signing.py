"""Signatures, judged by the public library of Standard Webhooks."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from rizzpay.core import clock
from rizzpay.core.secret import Secret
from rizzpay.webhooks import signing
from rizzpay.webhooks.signing import Finding

BODY = b'{"id":"evt_1","type":"payment.captured","data":{"object":{"amount":50000}}}'


def test_a_secret_is_whsec_and_32_bytes_of_base64_and_never_the_same():
    first, second = signing.new_secret(), signing.new_secret()
    assert first.reveal().startswith("whsec_")
    assert len(base64.b64decode(first.reveal()[6:])) == 32
    assert first.reveal() != second.reveal()
    assert first.reveal() not in repr(first)


def test_the_example_of_the_standard_comes_out_the_same():
    # From the test vectors of the public libraries.
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = signing.sign(
        [secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.text(max_size=200))
def test_the_public_library_accepts_what_we_sign(text):
    body = json.dumps({"text": text}).encode()
    secret = signing.new_secret()
    headers = signing.headers([secret], "evt_1", clock.now(), body)
    assert Webhook(secret.reveal()).verify(body, headers) == {"text": text}


def test_while_secrets_overlap_both_are_accepted_and_no_third():
    new, old, other = (signing.new_secret() for _ in range(3))
    headers = signing.headers([new, old], "evt_1", clock.now(), BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        assert Webhook(secret.reveal()).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other.reveal()).verify(BODY, headers)


def test_the_plain_header_is_the_hex_hmac_of_the_body_under_the_secret_as_shown():
    secret = signing.new_secret()
    expected = hmac.new(secret.reveal().encode(), BODY, hashlib.sha256).hexdigest()
    headers = signing.headers([secret], "evt_1", clock.now(), BODY)
    assert headers["X-RizzPay-Signature"] == expected


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_***", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_what_is_no_secret_is_refused(text):
    with pytest.raises(ValueError, match="whsec_"):
        signing.key_of(Secret(text))


NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
SECRET = signing.new_secret()
HEADERS = signing.headers([SECRET], "evt_1", NOW, BODY)


def finding(body=BODY, now=NOW, secret=SECRET, **changed):
    headers = {name: value for name, value in {**HEADERS, **changed}.items() if value}
    return signing.verify(secret, headers, body, now).finding


def test_a_genuine_webhook_is_found_genuine_whatever_the_case_of_its_headers():
    shouted = {name.upper(): value for name, value in HEADERS.items()}
    assert signing.verify(SECRET, shouted, BODY, NOW).finding is Finding.GENUINE
    assert finding() is Finding.GENUINE


def test_another_secret_body_or_id_does_not_match():
    assert finding(secret=signing.new_secret()) is Finding.NO_MATCH
    assert finding(body=BODY.replace(b"50000", b"50001")) is Finding.NO_MATCH
    assert finding(body=b"amount=50000") is Finding.NO_MATCH
    assert finding(body=b"[1]") is Finding.NO_MATCH
    assert finding(**{"webhook-id": "evt_2"}) is Finding.NO_MATCH
    assert finding(**{"webhook-timestamp": "yesterday"}) is Finding.NO_MATCH
    assert finding(**{"webhook-signature": "v1,%%% v2,abc"}) is Finding.NO_MATCH


def test_a_missing_header_is_named():
    assert finding(**{"webhook-signature": ""}) is Finding.HEADER_MISSING
    assert "webhook-id" in signing.verify(SECRET, {}, BODY, NOW).advice


def test_old_and_future_messages_are_told_apart():
    assert finding(now=NOW + timedelta(seconds=300)) is Finding.GENUINE
    assert finding(now=NOW + timedelta(seconds=301)) is Finding.TOO_OLD
    assert finding(now=NOW - timedelta(seconds=301)) is Finding.TOO_NEW


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: json.dumps(json.loads(body)).encode(),
        lambda body: json.dumps(json.loads(body), indent=2).encode(),
        lambda body: json.dumps(json.loads(body), sort_keys=True).encode(),
        lambda body: body + b"\n",
    ],
)
def test_a_body_that_was_parsed_and_written_again_is_recognised(rewrite):
    assert finding(body=rewrite(BODY)) is Finding.BODY_REWRITTEN
    assert "raw bytes" in signing.verify(SECRET, HEADERS, rewrite(BODY), NOW).advice
