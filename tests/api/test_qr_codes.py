"""QR codes through the application: what may be asked for, what is shown, images that decode."""

import base64
import dataclasses
import io

import msgspec
import pytest
import zxingcpp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from PIL import Image

from rizzpay import app as composition
from rizzpay.api.views import Renderer
from rizzpay.core import clock
from rizzpay.gateways import catalog
from rizzpay.infra.hsm.inventory import UPI_SIGNER
from rizzpay.merchants.model import NewMerchant
from rizzpay.payments.assembly import assemble
from tests.unit.test_qr_contents import read_emv, read_upi, tlv

URL = "/v1/qr_codes"
MANY = {"type": "upi_qr", "usage": "multiple_use"}
NAMES = ["Asha Stores", "आशा", "குமார்", "☕ 😀"]
DOCUMENTED = {"id", "content", "image_url", "created_at", "updated_at"}


def in_minutes(minutes):
    return clock.unix_s(clock.now()) + 60 * minutes


def decode(png):
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    return found.bytes.decode("utf-8")


def test_a_code_is_shown_whole(client):
    close_by = in_minutes(60)
    body = {
        **MANY, "usage": "single_use", "fixed_amount": True, "payment_amount": 12_345,
        "name": "Asha Stores", "description": "Table 4", "close_by": close_by,
    }  # fmt: skip
    answer = client.post(URL, body)
    assert answer.status == 201
    made = answer.json()
    assert {name: value for name, value in made.items() if name not in DOCUMENTED} == {
        "object": "qr_code", "livemode": False, "type": "upi_qr", "usage": "single_use",
        "status": "active", "close_reason": None, "fixed_amount": True, "payment_amount": 12_345,
        "name": "Asha Stores", "description": "Table 4", "payments_count_received": 0,
        "payments_amount_received": 0, "close_by": close_by, "closed_at": None,
    }  # fmt: skip
    assert read_upi(made["content"]) == {
        "ver": "01", "mode": "22", "purpose": "00", "pa": "shops@testbank", "pn": "Asha Stores",
        "mc": "5411", "tr": made["id"].replace("_", ""), "am": "123.45", "cu": "INR",
        "qrMedium": "04",
    }  # fmt: skip
    assert client.get(f"{URL}/{made['id']}").json() == made


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        (MANY, "19"),
        ({**MANY, "fixed_amount": True, "payment_amount": 100}, "15"),
        ({**MANY, "usage": "single_use"}, "22"),
    ],
)
def test_the_mode_says_what_kind_of_code_it_is(client, body, mode):
    fields = read_upi(client.post(URL, body).json()["content"])
    assert fields["mode"] == mode
    assert fields["pn"] == "Test Shops"
    assert ("am" in fields) is ("payment_amount" in body)


@pytest.mark.parametrize("kind", ["upi_qr", "bharat_qr"])
@pytest.mark.parametrize("name", NAMES)
def test_the_image_says_what_the_object_says(client, kind, name):
    made = client.post(URL, {**MANY, "type": kind, "name": name}).json()
    answer = client.get(made["image_url"])
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    text = decode(answer.body)
    assert text == made["content"]
    if kind == "upi_qr":
        assert read_upi(text)["pn"] == name
    else:
        found = read_emv(text)
        assert found["59"].decode("utf-8") == name
        assert (found["01"], found["60"], found["61"]) == (b"11", b"Pune", b"411001")
        assert tlv(found["26"])["01"] == b"shops@testbank"
        assert tlv(found["27"])["01"].decode() == made["id"].replace("_", "")
    svg = client.get(made["image_url"].replace(".png", ".svg"))
    assert (svg.status, svg.headers["content-type"]) == (200, "image/svg+xml")
    assert svg.body.startswith(b"<?xml")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"type": "paper"}, "type"),
        ({"usage": "twice"}, "usage"),
        ({"fixed_amount": True}, "payment_amount"),
        ({"payment_amount": 100}, "payment_amount"),
        ({"fixed_amount": True, "payment_amount": 0}, "payment_amount"),
        ({"fixed_amount": True, "payment_amount": 1.5}, "payment_amount"),
        ({"fixed_amount": True, "payment_amount": "100"}, "payment_amount"),
        ({"fixed_amount": "yes", "payment_amount": 100}, "fixed_amount"),
        ({"type": "bharat_qr", "fixed_amount": True, "payment_amount": 10**15}, "payment_amount"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "n" * 100}, "name"),
        ({"name": "आ" * 34}, "name"),
        ({"name": "Asha\u200eStores"}, "name"),
        ({"type": "bharat_qr", "name": "आशा स्टोर"}, "name"),
        ({"type": "bharat_qr", "name": "A" * 24}, "name"),
        ({"description": ""}, "description"),
        ({"description": "d" * 256}, "description"),
        ({"close_by": True}, "close_by"),
        ({"close_by": -1}, "close_by"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_what_a_code_cannot_be_names_the_field(client, change, param):
    answer = client.post(URL, {**MANY, **change})
    assert (answer.status, answer.code, answer.error["param"]) == (422, "invalid_request", param)
    assert client.get(URL).json()["data"] == []


@pytest.mark.parametrize("minutes", [-1, 0, 14])
def test_a_code_lives_for_fifteen_minutes_at_least(client, minutes):
    answer = client.post(URL, {**MANY, "close_by": in_minutes(minutes)})
    assert (answer.code, answer.error["param"]) == ("invalid_request", "close_by")
    assert client.post(URL, {**MANY, "close_by": in_minutes(16)}).status == 201


def test_an_aadhaar_number_is_not_printed_on_a_code(client):
    for field in ("name", "description"):
        answer = client.post(URL, {**MANY, field: "2345 6789 0124"})
        assert (answer.code, answer.error["param"]) == ("aadhaar_not_accepted", field)


def test_a_game_for_money_gets_no_code(new_client, operator):
    casino = NewMerchant("Casino", "7995", "standard")
    gamer = new_client(merchant=operator.create(casino, "operator:test", clock.now()))
    assert gamer.post(URL, MANY).code == "gaming_not_permitted"


def test_a_key_makes_one_code(client):
    first, again = (client.post(URL, MANY, key="the-same-key") for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body)
    assert again.headers["idempotency-replayed"] == "true"
    other = client.post(URL, {**MANY, "usage": "single_use"}, key="the-same-key")
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    assert client.send("POST", URL, MANY).code == "idempotency_key_required"
    assert len(client.get(URL).json()["data"]) == 1


def test_a_code_is_closed_once(client):
    made = client.post(URL, MANY).json()
    closed = client.post(f"{URL}/{made['id']}/close")
    assert (closed.status, closed.json()["close_reason"]) == (200, "on_demand")
    assert closed.json()["closed_at"] >= made["created_at"]
    again = client.post(f"{URL}/{made['id']}/close")
    assert (again.status, again.code) == (409, "illegal_transition")
    (event,) = client.get("/v1/events?type=qr_code.closed").json()["data"]
    assert event["data"]["object"] == closed.json()


@pytest.mark.parametrize("path", ["", ".png", ".svg", "/payments", "/close"])
def test_another_merchants_code_is_not_there(client, new_client, path):
    made = new_client().post(URL, MANY).json()
    method = "POST" if path == "/close" else "GET"
    for code_id in (made["id"], "qr_01", "pay_" + made["id"][3:]):
        answer = client.send(method, f"{URL}/{code_id}{path}")
        assert (answer.status, answer.code) == (404, "qr_code_not_found")


def test_lists_go_on_with_a_cursor(client):
    made = [client.post(URL, MANY).json()["id"] for _ in range(3)]
    first = client.get(f"{URL}?limit=2").json()
    rest = client.get(f"{URL}?limit=2&cursor={first['next_cursor']}").json()
    assert [code["id"] for code in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert client.get(f"{URL}/{made[0]}/payments").json()["data"] == []


def test_without_a_payee_there_are_no_codes(settings, parts, client, acquirer):
    bare = msgspec.structs.replace(acquirer, upi_payee_vpa="")
    application = rebuilt(settings, parts, bare)
    answer = client.at(application).post(URL, MANY)
    assert (answer.status, answer.code) == (422, "qr_codes_not_supported")
    nowhere = msgspec.structs.replace(acquirer, upi_payee_city="", upi_payee_pincode="")
    elsewhere = client.at(rebuilt(settings, parts, nowhere))
    answer = elsewhere.post(URL, {**MANY, "type": "bharat_qr"})
    assert (answer.code, answer.error["param"]) == ("qr_codes_not_supported", "type")
    assert elsewhere.post(URL, MANY).status == 201


def test_a_signed_code_verifies_with_the_key_of_the_hsm(settings, parts, client, acquirer):
    signing = msgspec.structs.replace(acquirer, upi_signature="ecdsa-p256", upi_org_id="159002")
    signer = client.at(rebuilt(settings, parts, signing))
    made = signer.post(URL, {**MANY, "name": "आशा"}).json()
    text, _, encoded = made["content"].partition("&sign=")
    fields = read_upi(made["content"])
    assert (fields["mode"], fields["orgid"]) == ("20", "159002")
    public = serialization.load_der_public_key(parts.hsm.public_key(parts.hsm.active(UPI_SIGNER)))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(
        base64.b64decode(fields["sign"], validate=True), text.encode(), ec.ECDSA(SHA256())
    )
    assert decode(client.get(made["image_url"]).body) == made["content"]
    assert "+" not in encoded
    bharat = signer.post(URL, {**MANY, "type": "bharat_qr"}).json()
    assert "sign" not in bharat["content"]


def rebuilt(settings, parts, gateway):
    """Return an application whose gateway has other settings; everything else is shared."""
    config = msgspec.structs.replace(settings, gateways={"sandbox": gateway})
    gateways = catalog.build(config, parts.http)
    payments = assemble(config, parts.database, parts.envelope, gateways, Renderer())

    return composition.create_app(
        config, dataclasses.replace(parts, router=payments.parts.router, payments=payments)
    )
