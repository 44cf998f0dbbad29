"""Connector to Razorpay: an order for each attempt, paid at the hosted checkout.

Each call is two pure halves round one exchange: requests.py builds, answers.py reads. Razorpay
knows a capture and a refund by the payment, not by our ids; what is enquired about them is told
with the request that was sent.

    order      made once and never again: receipts are not unique at Razorpay
    capture    all of the money, once; asking again is harmless, so a lost one is asked again
    void       there is none: what is not captured within five days is given back by itself
    refund     under our id as the idempotency key, so a lost one is asked again
"""

from datetime import datetime

from rizzpay.config import GatewaySettings
from rizzpay.core.secret import Secret
from rizzpay.gateways.declines import declined
from rizzpay.gateways.exchange import Exchange, told
from rizzpay.gateways.port import (
    AuthorizeRequest,
    Callback,
    CaptureRequest,
    EnquiryOutcome,
    Operation,
    Outcome,
    RefundRequest,
    Unknown,
    VoidRequest,
)
from rizzpay.gateways.razorpay import answers, callbacks
from rizzpay.gateways.razorpay.checkout import Checkout, page_of
from rizzpay.gateways.razorpay.requests import Requests
from rizzpay.gateways.razorpay.wire import Payment
from rizzpay.gateways.signing import CallbackSecrets
from rizzpay.infra.http_client import HttpClient, HttpResponse


class RazorpayGateway:
    """Implements Charges and Callbacks of the port for one configured account."""

    def __init__(
        self,
        name: str,
        settings: GatewaySettings,
        http: HttpClient,
        secret: Secret[str],
        webhook_secrets: CallbackSecrets,
    ) -> None:
        """Keep the parts; `secret` is that of the API key."""
        self.name = name
        self._exchange = Exchange(http, settings)
        base_url = settings.base_url.rstrip("/")
        self._requests = Requests(base_url, settings.key_id, secret)
        self._secrets = webhook_secrets
        self._checkout = Checkout(base_url, settings.key_id, settings.checkout_name, self._secrets)

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Make an order and hand its checkout over."""
        page = page_of(request.method)
        if page is None:
            return declined("operation_not_possible", type(request.method).__name__)
        answer = self._exchange.ask(self._requests.build_authorize(request, page))
        if not isinstance(answer, HttpResponse):
            return answer
        return answers.read_authorize(answer, request, self._checkout)

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take held money; a refusal is believed by what the payment says afterwards."""
        answer = self._exchange.ask(self._requests.build_capture(request))
        if not isinstance(answer, HttpResponse):
            return answer
        outcome = answers.read_capture(answer, request.gateway_reference)
        if answer.status != answers.BAD_REQUEST:
            return outcome
        payment = self._look(request.gateway_reference)
        return payment if isinstance(payment, Unknown) else answers.read_held(payment)

    def void(self, request: VoidRequest) -> Outcome:
        """See whether what was held was given back already; nothing can hurry it."""
        payment = self._look(request.gateway_reference)
        return payment if isinstance(payment, Unknown) else answers.read_released(payment)

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
        del invited, reference  # we make no links of our own; orders are found by our id
        match about:
            case None:
                answer = self._exchange.ask(self._requests.build_enquiry(attempt_id))
                if not isinstance(answer, HttpResponse):
                    return Unknown(f"the enquiry failed: {answer.detail}")
                return answers.read_enquiry(answer, attempt_id, self._checkout)
            case CaptureRequest():
                return told(self._capture_again(about))
            case VoidRequest():
                return told(self.void(about))
            case RefundRequest():
                return told(self._refund_again(about))

    def read_callback(self, headers: dict[str, str], body: bytes, now: datetime) -> Callback:
        """Verify and read a webhook; raises BadCallback."""
        del now  # the signature has no time
        return callbacks.read_callback(headers, body, self._secrets, self._checkout)

    def _capture_again(self, request: CaptureRequest) -> Outcome:
        payment = self._look(request.gateway_reference)
        if isinstance(payment, Unknown):
            return payment
        return (
            self.capture(request) if payment.status == "authorized" else answers.read_held(payment)
        )

    def _refund_again(self, request: RefundRequest) -> Outcome:
        answer = self._exchange.ask(self._requests.build_refunds(request.gateway_reference))
        if not isinstance(answer, HttpResponse):
            return answer
        return answers.read_refunds(answer, request) or self.refund(request)

    def _look(self, payment_id: str) -> Payment | Unknown:
        answer = self._exchange.ask(self._requests.build_look(payment_id))
        if not isinstance(answer, HttpResponse):
            return Unknown(f"the payment cannot be looked at: {answer.detail}")
        return answers.read_look(answer, payment_id)
