"""Contract: a gateway that tells another amount or currency is not believed."""

import pytest

from rizzpay.gateways.port import Approved
from tests.gateways.contract.faults import editing, other_amount, other_currency
from tests.gateways.contract.story import Story
from tests.gateways.contract.test_money import capture_of, refund_of

LIES = pytest.mark.parametrize("lie", [other_amount, other_currency], ids=lambda lie: lie.__name__)


def is_what_we_asked(outcome, money):
    return isinstance(outcome, Approved) and outcome.money == money


@LIES
def test_of_a_payment(bench, proxy, connector, lie):
    request, approved = bench.taken(connector)
    proxy.fault = editing(lie)
    told = bench.connector(proxy.url).enquire(request.attempt_id)
    assert not is_what_we_asked(told, request.money)
    story = Story(request).tell(told)
    assert story.status in {"conflicted", "unknown"}
    assert story.captured == 0
    assert is_what_we_asked(approved, request.money)


@LIES
def test_of_a_payment_that_waits(bench, proxy, connector, lie):
    """Whatever the customer was shown: what is paid in the end is compared."""
    request = bench.row.waiting(bench.receiver.url)
    proxy.fault = editing(lie)
    story = Story(request).tell(bench.connector(proxy.url).authorize(request))
    assert story.status in {"requires_action", "unknown"}
    assert story.captured == 0


@LIES
def test_of_a_capture_and_of_a_refund(bench, proxy, connector, lie):
    request, approved = bench.kept_back(connector)
    liar = bench.connector(proxy.url)
    proxy.fault = editing(lie)
    assert not is_what_we_asked(liar.capture(capture_of(request, approved)), request.money)
    paid, taken = bench.taken(connector)
    refund = refund_of(paid, taken)
    assert not is_what_we_asked(liar.refund(refund), refund.money)
    assert not is_what_we_asked(liar.enquire(refund.refund_id, about=refund), refund.money)
