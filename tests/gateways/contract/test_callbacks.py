"""Contract: callbacks are signed, repeated and out of order, and the money is booked once."""

import secrets
from datetime import timedelta
from itertools import permutations

import pytest

from rizzpay.gateways.port import Approved, BadCallback
from tests.gateways.contract.row import Letter
from tests.gateways.contract.story import Story


@pytest.fixture
def paid(bench, connector):
    """A payment, what `authorize` answered, and every callback about it."""
    request = bench.row.waiting(bench.receiver.url)
    asked = connector.authorize(request)
    bench.row.pay(asked)
    letters = bench.letters(connector, request.attempt_id, bench.row.letters)
    return request, asked, letters


def read(bench, connector, letter, seconds=0):
    return connector.read_callback(
        dict(letter.headers), letter.body, bench.now() + timedelta(seconds=seconds)
    )


def test_a_callback_says_what_an_enquiry_says(bench, connector, paid):
    request, _, letters = paid
    told = [read(bench, connector, letter) for letter in letters]
    assert {callback.attempt_id for callback in told} == {request.attempt_id}
    assert bench.approved(connector, request) in [callback.outcome for callback in told]
    assert len({callback.provider_event_id for callback in told}) == len(letters)


def test_in_any_order_and_again_the_money_is_booked_once(bench, connector, paid):
    request, asked, letters = paid
    told = [read(bench, connector, letter).outcome for letter in letters]
    for order in permutations(told):
        story = Story(request).tell(asked, *order, *reversed(order))
        assert (story.status, story.captured) == ("captured", request.money.minor)


def test_a_callback_may_come_before_the_response(bench, connector, paid):
    request, asked, letters = paid
    for letter in letters:
        outcome = read(bench, connector, letter).outcome
        if isinstance(outcome, Approved):
            story = Story(request).tell(outcome, asked)
            assert (story.status, story.captured) == ("captured", request.money.minor)


def test_a_copy_has_the_same_number(bench, connector, paid):
    for letter in paid[2]:
        assert read(bench, connector, letter) == read(bench, connector, letter)


def test_a_callback_names_its_own_payment_and_no_other(bench, connector, paid):
    other = bench.row.waiting(bench.receiver.url)
    bench.row.pay(connector.authorize(other))
    letters = bench.letters(connector, other.attempt_id)
    assert {read(bench, connector, one).attempt_id for one in letters} == {other.attempt_id}
    assert paid[0].attempt_id != other.attempt_id


def forgeries(bench, letters):
    """Return letters that nobody sent."""
    genuine, name = letters[0], bench.row.signature
    signature = genuine.headers[name]
    for wrong in ("", "0" * 64, signature[:-1], signature.upper() + "0", "é" * 64, signature * 2):
        yield Letter({**genuine.headers, name: wrong}, genuine.body)
    yield Letter({k: v for k, v in genuine.headers.items() if k != name}, genuine.body)
    for place in (0, len(genuine.body) // 2, len(genuine.body) - 1):
        body = bytearray(genuine.body)
        body[place] ^= 1
        yield Letter(genuine.headers, bytes(body))
    yield Letter(genuine.headers, genuine.body + b" ")
    for amount, more in ((b"50000", b"90000"), (b"500.00", b"900.00")):
        if amount in genuine.body:
            yield Letter(genuine.headers, genuine.body.replace(amount, more))
    yield Letter(genuine.headers, b"")
    yield Letter({}, genuine.body)


def test_a_forged_callback_is_not_believed(bench, connector, paid):
    for forged in forgeries(bench, paid[2]):
        with pytest.raises(BadCallback):
            read(bench, connector, forged)


def test_the_signature_of_one_callback_is_not_that_of_another(bench, connector, paid):
    other = bench.row.waiting(bench.receiver.url)
    bench.row.pay(connector.authorize(other))
    theirs = bench.letters(connector, other.attempt_id)[0]
    mixed = Letter(paid[2][0].headers, theirs.body)
    with pytest.raises(BadCallback):
        read(bench, connector, mixed)


def test_a_callback_signed_with_another_secret_is_not_believed(bench, paid):
    others = bench.connector(callback_secret_file=bench.file(secrets.token_urlsafe(18)))
    with pytest.raises(BadCallback):
        read(bench, others, paid[2][0])


def test_both_secrets_are_believed_until_the_old_one_is_taken_away(bench, paid):
    """The server's secret is the old one first, then the new one."""
    letter, servers = paid[2][0], bench.row.callback_secret_file
    other = bench.file(secrets.token_urlsafe(18))
    overlap = bench.connector(callback_secret_file=other, old_callback_secret_file=servers)
    assert read(bench, overlap, letter).attempt_id == paid[0].attempt_id
    afterwards = bench.connector(callback_secret_file=other)
    with pytest.raises(BadCallback):
        read(bench, afterwards, letter)
    moved = bench.connector(callback_secret_file=servers, old_callback_secret_file=other)
    assert read(bench, moved, letter).attempt_id == paid[0].attempt_id


def test_clocks_may_differ_by_minutes(bench, connector, paid):
    for seconds in (-200, 200):
        read(bench, connector, paid[2][0], seconds)


@pytest.mark.parametrize("seconds", [-3_600, 3_600])
def test_a_replay_is_refused_by_its_age_or_known_by_its_number(bench, connector, paid, seconds):
    letter = paid[2][0]
    first = read(bench, connector, letter)
    if bench.row.signs_time:
        with pytest.raises(BadCallback):
            read(bench, connector, letter, seconds)
    else:
        assert read(bench, connector, letter, seconds) == first
