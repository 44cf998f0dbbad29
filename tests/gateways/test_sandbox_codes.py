"""QR codes that stand for many payments, scanned by the sandbox's UPI app."""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rizzpay.core.money import Money
from rizzpay.gateways.port import Approved
from rizzpay.infra import qr_image
from rizzpay.upi import bharat_qr
from rizzpay.upi.bharat_qr import BharatQr
from tests.gateways import test_sandbox_own_links
from tests.gateways.test_sandbox_own_links import PAYEE

told, bank = test_sandbox_own_links.told, test_sandbox_own_links.bank
connector = test_sandbox_own_links.connector

CODE = "qr01M7YSB8ETXMPY2QGRAK1J2CGQ"
STATIC = f"upi://pay?ver=01&mode=19&pa={PAYEE.vpa}&pn=Shop&mc=5411&tr={CODE}&cu=INR&qrMedium=04"


def scan(bank, text, **how):
    body = json.dumps({"upi": text, **how}).encode()
    status, _, said = bank.http("POST", "/customer/scan", body)
    return status, json.loads(said)


def test_a_code_is_paid_as_often_as_customers_like(bank):
    paid = scan(bank, STATIC, amount=50_000, times=3)[1]["results"]
    assert {(one["status"], one["amount"], one["tr"]) for one in paid} == {
        ("approved", 50_000, CODE)
    }
    assert len({one["rrn"] for one in paid}) == len({one["attempt_id"] for one in paid}) == 3
    assert scan(bank, STATIC, amount=50_000)[0] == 200


def test_a_customer_of_a_code_declines_or_waits(bank):
    declined = scan(bank, STATIC, amount=50_000, act="decline")[1]
    assert (declined["status"], declined["decline_code"]) == ("declined", "customer_cancelled")
    assert scan(bank, STATIC, amount=50_000, after_ms=60_000)[1]["status"] == "processing"


@pytest.mark.parametrize("how", [{}, {"amount": 0}, {"amount": "5"}, {"amount": 5, "times": 21}])
def test_an_open_amount_has_to_be_typed(bank, how):
    assert scan(bank, STATIC, **how)[0] == 422


def test_an_amount_of_the_code_cannot_be_typed_over(bank):
    fixed = f"{STATIC}&am=500.00"
    assert scan(bank, fixed, amount=100)[0] == 422
    assert scan(bank, fixed)[1]["amount"] == 50_000


def test_a_bharat_qr_is_read_as_a_link(bank):
    code = BharatQr(replace(PAYEE, name="आशा", city="Pune", pincode="411001"), CODE, None, True)
    text = bharat_qr.text_of(code)
    assert scan(bank, text, amount=700)[1]["tr"] == CODE
    for broken in (text[:-1], text[:-4] + "0000", "000201", "00020163040000"):
        assert scan(bank, broken, amount=700)[0] == 422


def test_the_connector_knows_the_code_in_a_callback(bank, connector, told):
    paid = scan(bank, STATIC, amount=50_100)[1]
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for headers, body in list(told.letters):
            if paid["attempt_id"].encode() in body:
                callback = connector.read_callback(headers, body, datetime.now(UTC))
                assert callback.attempt_id == f"qr_{CODE[2:]}"
                assert callback.outcome == Approved(
                    paid["reference"], Money(50_100, "INR"), captured=True, rrn=paid["rrn"]
                )
                return
        time.sleep(0.05)
    raise AssertionError("nobody was told")


def test_the_app_of_the_command_line_scans_an_image(bank, tmp_path):
    image = tmp_path / "code.png"
    image.write_bytes(qr_image.image(STATIC, "png"))

    def app(*arguments):
        command = [sys.executable, "-m", "rizzpay", "upi-app", "--sandbox", bank.url, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    paid = app("--amount", "12300", "--times", "2", str(image))
    assert re.fullmatch(r"(approved 12300 \d{12}\n){2}", paid.stdout), paid.stderr
    declined = json.loads(app("--amount", "100", "--decline", "--json", STATIC).stdout)
    assert [one["status"] for one in declined["results"]] == ["declined"]
    (tmp_path / "page.png").write_text("no image")
    failed = app("--amount", "100", str(tmp_path / "page.png"))
    assert (failed.returncode, "invalid_request" in failed.stderr) == (1, True)
    assert app("--sandbox", "http://127.0.0.1:9", STATIC).returncode == 3
