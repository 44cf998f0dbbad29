"""HMAC with a prepared key is HMAC: as RFC 4231 says, and as the standard library does it."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.secret import Secret
from rizzpay.gateways.signing import CallbackSecrets, HmacSha256

# RFC 4231, test case 2
CASES = [
    (
        "Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
]


@pytest.mark.parametrize(("key", "message", "expected"), CASES)
def test_the_rfcs_examples_come_out(key, message, expected):
    assert HmacSha256(Secret(key)).hexdigest(message) == expected


@given(st.text(min_size=1, max_size=200), st.lists(st.binary(), min_size=1, max_size=3))
def test_it_signs_as_the_standard_library_does_and_again_and_again(key, messages):
    signer = HmacSha256(Secret(key))
    for message in messages:
        expected = hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
        assert signer.hexdigest(message) == expected


def test_the_old_secret_is_believed_beside_the_new_one_and_signs_nothing():
    new, old = HmacSha256(Secret("new")), HmacSha256(Secret("old"))
    both = CallbackSecrets(Secret("new"), Secret("old"))
    for signer in (new, old):
        assert both.signed(b"told", signer.hexdigest(b"told"))
        assert both.signed_base64(b"told", signer.base64(b"told"))
        assert not both.signed(b"other", signer.hexdigest(b"told"))
    assert both.signers[0].hexdigest(b"told") == new.hexdigest(b"told")
    for wrong in ("", "é", new.hexdigest(b"told").upper(), new.base64(b"told")):
        assert not both.signed(b"told", wrong)


def test_base64_is_of_the_same_signature():
    digest = hmac.new(b"key", b"told", hashlib.sha256).digest()
    assert HmacSha256(Secret("key")).base64(b"told") == base64.b64encode(digest).decode()


def test_the_key_is_not_shown():
    signer = HmacSha256(Secret("a secret key"))
    assert "a secret" not in repr(signer)
    assert "a secret" not in repr([getattr(signer, name) for name in ("_inner", "_outer")])
