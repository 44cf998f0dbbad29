"""Whatever comes in ends in a refusal or in a struct; and the schemas agree with the domain."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.api import bodies, query_string, schemas
from rizzpay.api.catalog import CATALOG
from rizzpay.core import sensitive
from rizzpay.core.errors import Refused
from rizzpay.core.money import EXPONENTS
from rizzpay.merchants.model import ADMIN_SCOPES, SCOPES
from rizzpay.payments.states import Status
from rizzpay.upi.model import is_vpa

FIELDS = ["amount", "method", "customer", "metadata", "x"]


def told(refused: Refused) -> None:
    """Check that a refusal is one of ours."""
    assert refused.code in CATALOG


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_no_bytes_break_the_parser(raw):
    try:
        schemas.check(bodies.decode(raw), schemas.PaymentBody)
    except Refused as refused:
        told(refused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_json_breaks_the_schemas(value):
    for struct in (schemas.PaymentBody, schemas.RefundBody, schemas.ApiKeyBody):
        try:
            schemas.check(bodies.decode(json.dumps(value).encode()), struct)
        except Refused as refused:
            told(refused)


@given(st.text(max_size=200))
def test_no_text_breaks_the_query(text):
    try:
        schemas.check_query(query_string.parse(text), schemas.PaymentsQuery)
    except Refused as refused:
        told(refused)


def test_the_walk_finds_a_card_number_at_every_depth():
    for depth in range(1, bodies.DEPTH_MAX):
        raw = b'{"a":' * depth + b'"4111111111111111"' + b"}" * depth
        with pytest.raises(Refused) as caught:
            bodies.decode(raw)
        assert caught.value.code == "pan_not_accepted"


def test_the_schemas_say_the_same_as_the_domain():
    def values(hint):
        return set(hint.__args__)

    assert values(schemas.Currency) == set(EXPONENTS)
    assert values(schemas.Scope) == SCOPES | ADMIN_SCOPES
    status = schemas.PaymentsQuery.__annotations__["status"]
    assert {v for part in status.__args__ for v in getattr(part, "__args__", ())} == set(Status)


@pytest.mark.parametrize("vpa", ["a@b", "ab@cd", "a.b-c_d@okhdfc1", "ab@1x", "@x", "ab@", "a b@cd"])
def test_a_vpa_is_the_same_to_the_schema_and_to_upi(vpa):
    try:
        schemas.check({"type": "upi", "flow": "collect", "vpa": vpa}, schemas.UpiMethod)
    except Refused:
        assert not is_vpa(vpa)
    else:
        assert is_vpa(vpa)


def test_the_ordinary_names_are_those_of_the_schemas():
    names = set()
    for value in vars(schemas).values():
        if isinstance(value, type) and issubclass(value, msgspec.Struct):
            names |= {field.encode_name for field in msgspec.structs.fields(value)}
            names |= {value.__struct_config__.tag_field or "type"}
    assert names >= bodies.ORDINARY
    assert not any(sensitive.is_cvv_name(name) for name in bodies.ORDINARY)


@given(
    st.dictionaries(
        st.sampled_from(["description", "reference", "amount"]),
        st.text("0123456789 -.=;%B^cvv:", max_size=40) | st.integers(0, 10**20),
    )
)
def test_the_quick_look_lets_nothing_pass_that_the_close_look_refuses(value):
    raw = json.dumps(value).encode()
    if bodies._plainly_fine(raw):
        for node in bodies._walk(json.loads(raw)):
            bodies._refuse_card_data(node)
            bodies._refuse_bad_text(node)
