"""What a gateway is told when it is asked what became of something."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from rizzpay.core import ids
from rizzpay.core.money import Money
from rizzpay.gateways.port import (
    ActionRequired,
    CaptureRequest,
    RefundRequest,
    Unknown,
    UpiQr,
    VoidRequest,
)
from rizzpay.payments import capturing, refunding
from rizzpay.payments.asking import Asker
from rizzpay.payments.types import CreateCapture, CreateRefund
from tests.unit.test_payment_decisions import AT, approved, begun, context, new_payment, told


class Listens:
    """A gateway that knows nothing and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def enquire(self, attempt_id, *, invited, about, reference):
        self.asked.append((attempt_id, invited, about))
        self.reference = reference
        return Unknown("of no matter")


@pytest.fixture
def gateway():
    return Listens()


@pytest.fixture
def asker(gateway):
    gateways = SimpleNamespace(get=lambda _: SimpleNamespace(connector=gateway))
    return Asker(gateways, "https://bank.example")


def test_an_authorization_is_known_by_its_id_alone(asker, gateway):
    snapshot, attempt_id = begun(new_payment())
    asker.enquire(snapshot, attempt_id, invited=True)
    assert gateway.asked == [(attempt_id, True, None)]
    assert gateway.reference is None


def test_an_authorization_is_known_by_what_the_gateway_called_it(asker, gateway):
    snapshot, attempt_id = begun(new_payment())
    waiting = told(snapshot, attempt_id, ActionRequired("gw_9", {"type": "redirect"}))
    asker.enquire(waiting, attempt_id)
    assert (gateway.asked, gateway.reference) == ([(attempt_id, False, None)], "gw_9")


@pytest.mark.parametrize("final", [True, False])
def test_a_capture_is_described_as_it_was_asked_for(asker, gateway, final):
    snapshot, attempt_id = begun(new_payment())
    held = told(snapshot, attempt_id, approved(captured=False))
    capture_id = ids.new_id("capture", AT)
    command = CreateCapture(4_000, final=final)
    after = held.after(capturing.begin_capture(held, capture_id, command, context()))
    asker.enquire(after, capture_id)
    wanted = CaptureRequest(capture_id, "gw_1", Money(4_000, "INR"), final=final)
    assert gateway.asked == [(capture_id, False, wanted)]


def test_a_void_is_described_as_it_was_asked_for(asker, gateway):
    snapshot, attempt_id = begun(new_payment())
    held = told(snapshot, attempt_id, approved(captured=False))
    void_id = ids.new_id("attempt", AT)
    after = held.after(capturing.begin_void(held, void_id, None, context()))
    asker.enquire(after, void_id)
    assert gateway.asked == [(void_id, False, VoidRequest(void_id, "gw_1"))]


def test_a_refund_is_described_as_it_was_asked_for(asker, gateway):
    snapshot, attempt_id = begun(new_payment())
    paid = told(snapshot, attempt_id, approved())
    refund_id = ids.new_id("refund", AT)
    command = CreateRefund(paid.payment.id, 2_500, None, None, {})
    after = paid.after(refunding.begin(paid, refund_id, command, context()))
    asker.enquire(after, refund_id)
    wanted = RefundRequest(refund_id, "gw_1", Money(2_500, "INR"))
    assert gateway.asked == [(refund_id, False, wanted)]


def test_what_has_no_reference_cannot_be_described(asker, gateway):
    snapshot, attempt_id = begun(new_payment())
    held = told(snapshot, attempt_id, approved(captured=False))
    capture_id = ids.new_id("capture", AT)
    command = CreateCapture(None, final=True)
    after = held.after(capturing.begin_capture(held, capture_id, command, context()))
    nameless = replace(after, payment=replace(after.payment, gateway_reference=None))
    asker.enquire(nameless, capture_id)
    assert gateway.asked == [(capture_id, False, None)]


@pytest.mark.parametrize(
    ("own", "called_at"),
    [("", "https://bank.example"), ("https://calls.bank.example", "https://calls.bank.example")],
)
def test_a_gateway_is_told_where_to_call_us_back(own, called_at):
    told_it = []
    connector = SimpleNamespace(authorize=told_it.append)
    settings = SimpleNamespace(callback_base_url=own)
    gateway = SimpleNamespace(connector=connector, settings=settings)
    asker = Asker(SimpleNamespace(get=lambda _: gateway), "https://bank.example")
    payment = replace(new_payment(), gateway="north")
    asker.authorize(payment, ids.new_id("attempt", AT), SimpleNamespace(method=UpiQr()))
    assert told_it[0].callback_url == f"{called_at}/webhooks/north"
