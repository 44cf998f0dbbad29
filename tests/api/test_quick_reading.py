"""The quick way to read a body reads what the close look reads, or leaves it to the close look."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rizzpay.api import bodies
from rizzpay.core.errors import Refused

NAMES = st.sampled_from(["amount", "a", "description", "cvv", "p-i-n", "cid", "", "x:"])
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**13), 10**13) | st.floats(0, 9) | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3),
    max_leaves=8,
)


def written(value) -> str:
    """Write JSON by hand: a list of pairs is an object, in which a name may come twice."""
    if isinstance(value, list) and value and all(isinstance(part, tuple) for part in value):
        parts = ",".join(f"{json.dumps(name)} : {written(part)}" for name, part in value)
        return "{" + parts + "}"
    if isinstance(value, list):
        return "[" + " , ".join(map(written, value)) + "]"
    return json.dumps(value)


def closely(raw: bytes):
    """Read a body by the close look alone."""
    reader = bodies._Reader()
    value = bodies._loads(raw, reader)
    nodes = bodies._walk(value)
    for node in nodes:
        bodies._refuse_card_data(node)
    for node in nodes:
        bodies._refuse_bad_text(node)
    if not isinstance(value, dict):
        raise Refused("invalid_request", "The body must be a JSON object.")
    return value


def told(read, raw: bytes):
    """Return what a reader makes of a body: the object, or what it says against it."""
    try:
        return read(raw)
    except Refused as refused:
        return (refused.code, refused.message, refused.param)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4).map(written))
@example('{"a":1,"a":1}')
@example('{"a":{"b":[],"b":[]}}')
@example('{"a":1.0}')
@example('{"a":"x","":":pin"}')
@example('{"a":[":","pin:"],":pin":1}')
def test_both_ways_to_read_say_the_same(text):
    raw = text.encode()
    assert told(bodies.decode, raw) == told(closely, raw)


@given(st.text('{}[]":,0123456789.eE-truefalsn \\\t\n\x0b', max_size=30))
def test_both_ways_say_the_same_of_what_is_hardly_json(text):
    raw = text.encode()
    assert told(bodies.decode, raw) == told(closely, raw)


def test_a_body_as_merchants_send_it_is_read_quickly():
    raw = b'{"amount": 5, "method": {"type": "upi", "flow": "intent"}, "reference": "order-1"}'
    assert bodies._plainly_fine(raw)
    assert bodies._quick(raw) == json.loads(raw)


@pytest.mark.parametrize(
    "raw", [b'{"a":1,"a":2}', b'{"cvv":1}', b'{"a":1.5}', b'{"a":NaN}', b"[1]", b"{"]
)
def test_what_asks_for_a_closer_look_is_not_read_quickly(raw):
    assert bodies._quick(raw) is None
