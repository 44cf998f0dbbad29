"""A sealed value opens for its purpose, its context and its key, and for nothing else."""

import hashlib
import hmac
import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.errors import Unavailable
from rizzpay.core.secret import Secret
from rizzpay.infra.envelope import DataKey, Envelope, Keys, Unreadable
from rizzpay.infra.hsm.inventory import Purpose

HERE = "payers|email|cus_1|mer_1"
MIGRATION = Path(__file__).parents[2] / "sql" / "migrations" / "0001_platform.sql"


def key(purpose, *, active=True, key_id=None):
    value = secrets.token_bytes(32)
    return DataKey(key_id or f"dek_{purpose}", purpose, active, Secret(value), AESGCM(value))


def keys(*more):
    made = [*(key(purpose) for purpose in Purpose), *more]
    active = {one.purpose: one for one in made if one.active}
    return Keys({one.id: one for one in made}, active)


@pytest.fixture
def envelope():
    return Envelope(lambda known: known or keys())


@given(plain=st.binary(max_size=2000), context=st.text(max_size=200))
def test_what_was_sealed_opens(plain, context):
    envelope = Envelope(lambda known: known or keys())
    for purpose in Purpose:
        sealed = envelope.seal(purpose, plain, context)
        assert envelope.open(purpose, sealed, context) == plain
        assert len(sealed) == 2 + len(f"dek_{purpose}") + 12 + len(plain) + 16
        assert len(plain) < 4 or plain not in sealed


@pytest.mark.parametrize(
    "there",
    [
        "payers|email|cus_2|mer_1",
        "payers|phone|cus_1|mer_1",
        "payers|email|cus_1|mer_2",
        "",
        HERE + "|",
    ],
)
def test_a_value_that_was_moved_does_not_open(envelope, there):
    sealed = envelope.seal("personal", b"asha@example.in", HERE)
    with pytest.raises(Unreadable, match="altered or moved"):
        envelope.open("personal", sealed, there)


def test_a_value_of_another_purpose_does_not_open(envelope):
    sealed = envelope.seal("personal", b"asha@example.in", HERE)
    with pytest.raises(Unreadable, match="a value of personal stands where answer is expected"):
        envelope.open("answer", sealed, HERE)


def test_no_byte_of_a_sealed_value_can_be_changed(envelope):
    sealed = envelope.seal("answer", b"{}", HERE)
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(Unreadable):
            envelope.open("answer", bytes(altered), HERE)
    for size in range(len(sealed)):
        with pytest.raises(Unreadable):
            envelope.open("answer", sealed[:size], HERE)


def test_a_value_cannot_be_given_to_another_key_of_the_same_purpose():
    other = key("personal", active=False, key_id="dek_personax")
    envelope = Envelope(lambda known: known or keys(other))
    sealed = envelope.seal("personal", b"asha", HERE)
    with pytest.raises(Unreadable):
        envelope.open("personal", sealed.replace(b"dek_personal", b"dek_personax"), HERE)


@given(noise=st.binary(max_size=100))
def test_noise_is_unreadable_and_nothing_else(noise):
    envelope = Envelope(lambda known: known or keys())
    with pytest.raises(Unreadable):
        envelope.open("personal", noise, HERE)


def test_values_that_are_sealed_together_open_one_by_one(envelope):
    values = [(f"value {n}".encode(), f"{HERE}|{n}") for n in range(50)]
    sealed = envelope.seal_all("personal", values)
    assert [
        envelope.open("personal", one, context)
        for one, (_, context) in zip(sealed, values, strict=True)
    ] == [plain for plain, _ in values]
    start = 2 + len("dek_personal")
    assert len({one[start : start + 12] for one in sealed}) == 50  # a nonce of its own
    with pytest.raises(Unreadable):
        envelope.open("personal", sealed[0], values[1][1])
    assert envelope.seal_all("personal", []) == []


def test_equal_values_are_sealed_differently(envelope):
    assert len({envelope.seal("personal", b"asha", HERE) for _ in range(100)}) == 100


def test_a_blind_index_is_equal_for_equal_values_of_one_column(envelope):
    index = envelope.blind_index("email", "asha@example.in")
    assert len(index) == 16
    assert index == envelope.blind_index("email", "asha@example.in")
    assert index != envelope.blind_index("phone", "asha@example.in")
    assert index != envelope.blind_index("email", "asha@example.im")


def test_a_blind_index_cannot_be_made_without_the_key(envelope):
    assert envelope.blind_index("email", "a") != Envelope(lambda _: keys()).blind_index(
        "email", "a"
    )


def test_a_value_is_found_under_the_index_of_an_older_key_too():
    before = keys()
    old = before.active["blind_index"]
    index = Envelope(lambda _: before).blind_index("email", "asha@example.in")
    rest = [one for one in before.by_id.values() if one is not old]
    new = key("blind_index", key_id="dek_new")
    stepped_down = DataKey(old.id, old.purpose, False, old.secret, old.cipher)
    after = Keys(
        {one.id: one for one in (*rest, stepped_down, new)}, {**before.active, "blind_index": new}
    )
    envelope = Envelope(lambda _: after)
    candidates = envelope.blind_indexes("email", "asha@example.in")
    assert candidates == [envelope.blind_index("email", "asha@example.in"), index]


def test_a_pepper_digest_is_an_hmac_under_the_named_pepper():
    old = key("api_pepper", active=False, key_id="dek_old")
    envelope = Envelope(lambda known: known or keys(old))
    pepper_id, digest = envelope.pepper_digest(None, "secret")
    assert (pepper_id, len(digest)) == ("dek_api_pepper", 32)
    assert envelope.pepper_digest(pepper_id, "secret") == (pepper_id, digest)
    expected = hmac.new(old.secret.reveal(), b"secret", hashlib.sha256).digest()
    assert envelope.pepper_digest("dek_old", "secret") == ("dek_old", expected)
    for wrong in ("dek_personal", "dek_none", ""):
        with pytest.raises(Unreadable):
            envelope.pepper_digest(wrong, "secret")


def test_an_unknown_key_is_looked_for_once_in_a_while():
    known_keys, reads = keys(), []

    def read(known):
        reads.append(known)
        return known_keys

    envelope = Envelope(read)
    stranger = key("personal", key_id="dek_stranger")
    sealed = Envelope(lambda _: keys(stranger)).seal("personal", b"asha", HERE)
    for _ in range(50):
        with pytest.raises(Unreadable, match="gone"):
            envelope.open("personal", sealed, HERE)
    assert reads == [None, known_keys]


def test_a_key_made_by_another_process_is_found():
    stranger = key("personal", active=False, key_id="dek_stranger")
    before, after = keys(), None
    after = Keys({**before.by_id, stranger.id: stranger}, before.active)
    envelope = Envelope(lambda known: after if known else before)
    sealer = Keys(after.by_id, {**after.active, "personal": stranger})
    sealed = Envelope(lambda _: sealer).seal("personal", b"asha", HERE)
    assert envelope.key_ids() == set(before.by_id)
    assert envelope.open("personal", sealed, HERE) == b"asha"
    assert envelope.key_ids() == set(after.by_id)


def test_a_token_that_is_away_stops_only_unknown_keys():
    def read(known):
        if known:
            raise Unavailable("hsm", "away")
        return keys()

    envelope = Envelope(read)
    sealed = envelope.seal("personal", b"asha", HERE)
    stranger = Envelope(lambda _: keys(key("personal", key_id="dek_x"))).seal("personal", b"", HERE)
    with pytest.raises(Unavailable):
        envelope.open("personal", stranger, HERE)
    with pytest.raises(Unavailable):
        envelope.reload()
    assert envelope.open("personal", sealed, HERE) == b"asha"


def test_a_key_does_not_print_its_value(envelope):
    one = key("personal")
    assert one.secret.reveal().hex() not in repr(one)
    assert str(one.secret.reveal()) not in repr(one)
    assert "0x" not in repr(one)


def test_the_database_knows_the_same_purposes():
    listed = ", ".join(f"'{purpose}'" for purpose in Purpose)
    assert listed in " ".join(MIGRATION.read_text().split())
