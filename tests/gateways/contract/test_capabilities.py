"""Contract: what the catalog says of a row is what its server does, no more and no less."""

import pytest
from msgspec.structs import replace

from rizzpay.core.errors import Misconfigured
from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways import catalog
from rizzpay.gateways.port import (
    ActionRequired,
    Approved,
    BankTransfer,
    CaptureMethod,
    CaptureRequest,
    Card,
    Declined,
    NetBanking,
    UpiIntent,
    VoidRequest,
    Wallet,
)
from tests.gateways.acquirer import new_id
from tests.gateways.contract.row import Held
from tests.gateways.contract.test_money import capture_of, refund_of

METHODS = {
    "card": Card(Secret("tok_approve")),
    "card_page": Card(None),
    "upi": UpiIntent(),
    "netbanking": NetBanking("HDFC"),
    "wallet": Wallet("paytm"),
    "bank_transfer": BankTransfer(),
}


@pytest.fixture
def capability(bench):
    return catalog.CAPABILITIES[bench.row.kind]


def by(bench, name, capture_method=CaptureMethod.AUTOMATIC):
    """Return a request by one of the methods."""
    return replace(
        bench.row.waiting(bench.receiver.url),
        method=METHODS[name],
        capture_method=capture_method,
    )


def paid(bench, connector, request):
    """Ask for the money, let the customer pay if he has to, and return what an enquiry says."""
    asked = connector.authorize(request)
    assert isinstance(asked, Approved | ActionRequired), asked
    if isinstance(asked, ActionRequired):
        bench.row.pay(asked)
    return bench.approved(connector, request)


def part(request, approved, minor):
    money = Money(minor, request.money.currency)
    return CaptureRequest(new_id("capture"), approved.gateway_reference, money, final=False)


def test_there_is_an_example_of_every_method(capability):
    assert capability.methods <= set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_taken_or_refused_as_the_row_says(bench, connector, capability, name):
    request = by(bench, name)
    if name in capability.methods:
        assert paid(bench, connector, request).captured is True
        assert bench.row.held(request) == Held(captured=50_000)
    else:
        assert isinstance(connector.authorize(request), Declined)
        assert bench.row.held(request) == Held()


def test_methods_that_can_wait_to_be_captured_do(bench, connector, capability):
    for name in sorted(capability.manual_capture):
        request = by(bench, name, CaptureMethod.MANUAL)
        approved = paid(bench, connector, request)
        assert (approved.captured, bench.row.held(request)) == (False, Held())
        assert isinstance(connector.capture(capture_of(request, approved)), Approved)
        assert bench.row.held(request) == Held(captured=50_000)


def test_a_row_that_holds_nothing_says_so(bench, connector, capability):
    if capability.manual_capture:
        return
    request = bench.row.holding(bench.receiver.url)
    assert isinstance(connector.authorize(request), Declined)
    assert not (capability.partial_capture)
    assert not (capability.multiple_captures)
    assert not (capability.voids)
    paid_request, approved = bench.taken(connector)
    void = VoidRequest(new_id("attempt"), approved.gateway_reference)
    for outcome in (connector.void(void), connector.enquire(void.attempt_id, about=void)):
        assert isinstance(outcome, Declined)
    capture = capture_of(paid_request, approved)
    for outcome in (connector.capture(capture), connector.enquire("no_matter", about=capture)):
        assert isinstance(outcome, Declined)
    assert bench.row.held(paid_request) == Held(50_000)


def test_a_part_is_captured_where_the_row_says_so(bench, connector, capability):
    request, approved = bench.kept_back(connector)
    outcome = connector.capture(part(request, approved, 20_000))
    assert isinstance(outcome, Approved) is capability.partial_capture
    assert isinstance(outcome, Approved | Declined)
    taken = 20_000 if capability.partial_capture else 0
    assert bench.row.held(request) == Held(captured=taken)


def test_several_parts_are_captured_where_the_row_says_so(bench, connector, capability):
    request, approved = bench.kept_back(connector)
    parts = [connector.capture(part(request, approved, minor)) for minor in (20_000, 10_000)]
    both = all(isinstance(outcome, Approved) for outcome in parts)
    assert both is capability.multiple_captures
    assert bench.row.held(request).captured == sum(
        outcome.money.minor for outcome in parts if isinstance(outcome, Approved)
    )


def test_what_is_held_is_released_where_the_row_says_so(bench, connector, capability):
    request, approved = bench.kept_back(connector)
    void = VoidRequest(new_id("attempt"), approved.gateway_reference)
    assert isinstance(connector.void(void), Approved) is capability.voids
    later = connector.capture(capture_of(request, approved))
    assert isinstance(later, Declined if capability.voids else Approved)
    assert bench.row.held(request) == Held(captured=0 if capability.voids else 50_000)


def test_money_goes_back_in_parts_where_the_row_says_so(bench, connector, capability):
    request, approved = bench.taken(connector)
    parts = [connector.refund(refund_of(request, approved, minor)) for minor in (30_000, 5_000)]
    both = all(isinstance(outcome, Approved) for outcome in parts)
    assert capability.refunds
    assert both is capability.partial_refunds
    assert bench.row.held(request) == Held(50_000, 35_000)


def test_links_of_our_own_are_for_rows_that_say_so(bench, capability):
    links = {
        "upi_links": "own",
        "upi_payee_vpa": "shop@bank",
        "upi_payee_name": "Kirana Store",
        "upi_payee_mcc": "5411",
    }
    if capability.own_upi_links:
        assert bench.connector(**links)
    else:
        with pytest.raises(Misconfigured, match="upi_links"):
            bench.connector(**links)
