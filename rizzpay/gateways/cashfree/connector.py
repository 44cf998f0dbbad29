"""Connector to Cashfree: an order for each attempt, paid on Cashfree's page.

Each call is two pure halves round one exchange: requests.py builds, answers.py reads. The order has
our attempt's id, the refund has ours, so both are found by them.

    capture, void   there are none: what is paid is captured
    refund          under our id and an idempotency key, so a lost one is asked for again
"""

from datetime import datetime

from rizzpay.config import GatewaySettings
from rizzpay.core import clock
from rizzpay.core.secret import Secret
from rizzpay.gateways.cashfree import answers, callbacks
from rizzpay.gateways.cashfree.requests import Requests, pages_of
from rizzpay.gateways.declines import declined
from rizzpay.gateways.exchange import OKAY, Exchange, told
from rizzpay.gateways.port import (
    Absent,
    AuthorizeRequest,
    Callback,
    CaptureMethod,
    CaptureRequest,
    EnquiryOutcome,
    Operation,
    Outcome,
    RefundRequest,
    Unknown,
    VoidRequest,
)
from rizzpay.gateways.signing import CallbackSecrets
from rizzpay.infra.http_client import HttpClient, HttpResponse

PAGE = "/pg/view/sessions/checkout"


class CashfreeGateway:
    """Implements Charges and Callbacks of the port for one configured account."""

    def __init__(
        self,
        name: str,
        settings: GatewaySettings,
        http: HttpClient,
        secret: Secret[str],
        webhook_secrets: CallbackSecrets,
    ) -> None:
        """Keep the parts; `secret` is the client's secret."""
        self.name = name
        self._exchange = Exchange(http, settings)
        base_url = settings.base_url.rstrip("/")
        self._requests = Requests(base_url, settings.key_id, secret)
        self._page = base_url + PAGE
        self._secrets = webhook_secrets

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Make an order and hand its page over."""
        pages = pages_of(request.method)
        if pages is None or request.capture_method is CaptureMethod.MANUAL:
            return declined("operation_not_possible", type(request.method).__name__)
        answer = self._exchange.ask(self._requests.build_authorize(request, pages, clock.now()))
        if not isinstance(answer, HttpResponse):
            return answer
        return answers.read_authorize(answer, request, self._page)

    def capture(self, request: CaptureRequest) -> Outcome:
        """Say no: nothing is held here."""
        return declined("operation_not_possible", "capture", request.gateway_reference)

    def void(self, request: VoidRequest) -> Outcome:
        """Say no: nothing is held here."""
        return declined("operation_not_possible", "void", request.gateway_reference)

    def refund(self, request: RefundRequest) -> Outcome:
        """Give money back."""
        answer = self._exchange.ask(self._requests.build_refund(request))
        if not isinstance(answer, HttpResponse):
            return answer
        return answers.read_refund(answer, request)

    def enquire(
        self,
        attempt_id: str,
        *,
        invited: bool = False,
        about: Operation | None = None,
        reference: str | None = None,
    ) -> EnquiryOutcome:
        """Ask what became of a request; an enquiry that fails tells nothing, so it is Unknown."""
        del invited, reference  # we make no links of our own; orders have our id
        match about:
            case None:
                outcome = self._found(attempt_id)
                return outcome if isinstance(outcome, Absent) else told(outcome)
            case CaptureRequest():
                return self.capture(about)
            case VoidRequest():
                return self.void(about)
            case RefundRequest():
                return told(self._refund_again(about))

    def read_callback(self, headers: dict[str, str], body: bytes, now: datetime) -> Callback:
        """Verify and read a webhook; raises BadCallback."""
        del now  # see callbacks.py
        return callbacks.read_callback(headers, body, self._secrets)

    def _found(self, attempt_id: str) -> EnquiryOutcome:
        answer = self._exchange.ask(self._requests.build_order(attempt_id))
        if not isinstance(answer, HttpResponse):
            return answer
        order = answers.read_order(answer, attempt_id)
        if order is None:
            return Absent()
        if isinstance(order, Unknown):
            return order
        payments = self._exchange.ask(self._requests.build_payments(attempt_id))
        if not isinstance(payments, HttpResponse):
            return payments
        return answers.read_payments(payments, order, self._page)

    def _refund_again(self, request: RefundRequest) -> Outcome:
        answer = self._exchange.ask(self._requests.build_refund_enquiry(request))
        if not isinstance(answer, HttpResponse):
            return answer
        if answers.is_absent(answer):
            return self.refund(request)
        if answer.status not in OKAY:
            return Unknown(f"the enquiry failed: HTTP {answer.status}")
        return answers.read_refund(answer, request)
