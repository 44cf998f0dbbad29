"""Contract: what goes wrong on the way is Unknown, and an enquiry then tells what is true.

Every operation meets every fault. What the connector says afterwards is compared with what the
gateway itself holds: nothing is taken or given back twice, and nothing that was is denied.
"""

import socket

import pytest

from rizzpay.gateways.port import Absent, ActionRequired, Approved, NotSent, Unknown
from tests.gateways.contract.faults import HIDING, LOSING, drip
from tests.gateways.contract.row import Held
from tests.gateways.contract.test_money import capture_of, refund_of

FAULTS = pytest.mark.parametrize("fault", [*LOSING, *HIDING], ids=lambda fault: fault.__name__)


@pytest.fixture
def faulty(bench, proxy):
    """A connector behind the proxy."""
    return bench.connector(proxy.url)


@FAULTS
def test_an_authorization_is_unknown_and_then_there_or_absent(bench, proxy, faulty, fault):
    request = bench.row.waiting(bench.receiver.url)
    proxy.fault = fault
    assert isinstance(faulty.authorize(request), Unknown)
    proxy.fault = None
    settled = faulty.enquire(request.attempt_id)
    if fault in LOSING or not bench.row.finds_lost:
        assert settled == Absent()
        assert bench.row.held(request) == Held()
        return
    assert isinstance(settled, ActionRequired)
    assert len([sent for sent in proxy.requests if sent.startswith(b"POST")]) <= 2


@FAULTS
def test_a_capture_is_unknown_and_then_done_once_or_not_at_all(
    bench, proxy, faulty, connector, fault
):
    request, approved = bench.kept_back(connector)
    capture = capture_of(request, approved)
    proxy.fault = fault
    assert isinstance(faulty.capture(capture), Unknown)
    proxy.fault = None
    assert bench.row.held(request) == Held(0 if fault in LOSING else 50_000)
    settled = faulty.enquire(capture.attempt_id, about=capture)
    assert isinstance(settled, Approved) or (fault in LOSING and settled == Absent())
    taken = 50_000 if isinstance(settled, Approved) else 0
    assert bench.row.held(request) == Held(taken)


@FAULTS
def test_a_refund_is_unknown_and_then_done_once_or_not_at_all(
    bench, proxy, faulty, connector, fault
):
    request, approved = bench.taken(connector)
    refund = refund_of(request, approved, 20_000)
    proxy.fault = fault
    assert isinstance(faulty.refund(refund), Unknown)
    proxy.fault = None
    assert bench.row.held(request) == Held(50_000, 0 if fault in LOSING else 20_000)
    settled = faulty.enquire(refund.refund_id, about=refund)
    assert isinstance(settled, Approved) or (fault in LOSING and settled == Absent())
    given = 20_000 if isinstance(settled, Approved) else 0
    assert bench.row.held(request) == Held(50_000, given)
    faulty.refund(refund)
    assert bench.row.held(request) == Held(50_000, given)


@FAULTS
@pytest.mark.parametrize("of", ["payment", "capture", "refund"])
def test_an_enquiry_that_fails_tells_nothing(bench, proxy, faulty, connector, fault, of):
    if of == "capture":
        bench.skip_unless_it_holds()
    request, approved = bench.taken(connector)
    about = {
        "payment": None,
        "capture": capture_of(request, approved),
        "refund": refund_of(request, approved),
    }[of]
    asked = about.attempt_id if of == "capture" else about.refund_id if about else None
    proxy.fault = fault
    outcome = faulty.enquire(asked or request.attempt_id, about=about)
    if of == "payment" or fault is not drip:
        assert isinstance(outcome, Unknown)
    else:  # a short answer may come through in time, byte by byte
        assert isinstance(outcome, Unknown | Absent)
    assert bench.row.held(request) == Held(50_000)


@pytest.fixture
def down(bench):
    """A connector to a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    return bench.connector(f"http://127.0.0.1:{port}")


def test_a_gateway_that_nobody_listens_for_was_not_asked(bench, connector, down):
    paid, taken = bench.taken(connector)
    refund = refund_of(paid, taken)
    assert isinstance(down.authorize(bench.row.waiting(bench.receiver.url)), NotSent)
    assert isinstance(down.refund(refund), NotSent)
    assert isinstance(down.enquire(paid.attempt_id), Unknown)
    assert isinstance(down.enquire("of_no_matter", about=refund), Unknown)
    assert bench.row.held(paid) == Held(50_000)


def test_a_capture_that_nobody_listens_for_was_not_asked(bench, connector, down):
    request, approved = bench.kept_back(connector)
    capture = capture_of(request, approved)
    assert isinstance(down.capture(capture), NotSent)
    assert isinstance(down.enquire("of_no_matter", about=capture), Unknown)
    assert bench.row.held(request) == Held()
