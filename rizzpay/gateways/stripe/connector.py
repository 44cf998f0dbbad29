"""Connector to Stripe: a Checkout session for each attempt, paid by card on Stripe's page.

Each call is two pure halves round one exchange: requests.py builds, answers.py reads. Every POST
has our id as its idempotency key, so what was lost is asked for again and done once.

    session    found by its id alone: Stripe has no list by our reference, and its search is not
               there for merchants in India. One whose answer was lost was handed to nobody, so
               nobody can pay it: it is absent.
    capture    once, a part or all; what is left is released
    void       a hold is released, an open page is closed
    refund     in parts
"""

from datetime import datetime

from rizzpay.config import GatewaySettings
from rizzpay.core import clock
from rizzpay.core.secret import Secret
from rizzpay.gateways.declines import declined
from rizzpay.gateways.exchange import OKAY, Exchange, refused, told
from rizzpay.gateways.port import (
    Absent,
    AuthorizeRequest,
    Callback,
    CaptureRequest,
    Card,
    EnquiryOutcome,
    Operation,
    Outcome,
    RefundRequest,
    Unknown,
    VoidRequest,
)
from rizzpay.gateways.signing import CallbackSecrets
from rizzpay.gateways.stripe import answers, callbacks
from rizzpay.gateways.stripe.requests import Requests
from rizzpay.gateways.stripe.wire import Intent
from rizzpay.infra.http_client import HttpClient, HttpResponse

SESSION = "cs_"


class StripeGateway:
    """Implements Charges and Callbacks of the port for one configured account."""

    def __init__(
        self,
        name: str,
        settings: GatewaySettings,
        http: HttpClient,
        secret: Secret[str],
        webhook_secrets: CallbackSecrets,
    ) -> None:
        """Keep the parts; `secret` is the account's secret or restricted key."""
        self.name = name
        self._exchange = Exchange(http, settings)
        self._requests = Requests(settings.base_url.rstrip("/"), secret, settings.return_url)
        self._secrets = webhook_secrets

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Make a session and hand its page over."""
        if request.method != Card(None):
            return declined("operation_not_possible", type(request.method).__name__)
        answer = self._exchange.ask(self._requests.build_authorize(request, clock.now()))
        if not isinstance(answer, HttpResponse):
            return answer
        return answers.read_authorize(answer, request)

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take held money; a refusal is believed by what the intent says afterwards."""
        answer = self._exchange.ask(self._requests.build_capture(request))
        if not isinstance(answer, HttpResponse):
            return answer
        if answer.status not in answers.REFUSED:
            return answers.read_capture(answer, request)
        intent = self._look(request.gateway_reference)
        return intent if isinstance(intent, Unknown) else answers.read_taken(intent, request)

    def void(self, request: VoidRequest) -> Outcome:
        """Release held money, or close the page of a session that nobody paid."""
        if request.gateway_reference.startswith(SESSION):
            answer = self._exchange.ask(self._requests.build_expire(request))
            if isinstance(answer, HttpResponse) and answer.status in answers.REFUSED:
                answer = self._exchange.ask(self._requests.build_session(request.gateway_reference))
            if not isinstance(answer, HttpResponse):
                return answer
            return answers.read_closed(answer, request.gateway_reference)
        answer = self._exchange.ask(self._requests.build_cancel(request))
        if not isinstance(answer, HttpResponse):
            return answer
        if answer.status not in OKAY | answers.REFUSED:
            return refused(answer)
        intent = self._look(request.gateway_reference)
        return intent if isinstance(intent, Unknown) else answers.read_released(intent)

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
        del invited  # we make no links of our own
        match about:
            case None:
                return self._found(attempt_id, reference) if reference else Absent()
            case CaptureRequest():
                return told(self._capture_again(about))
            case VoidRequest():
                return told(self.void(about))
            case RefundRequest():
                return told(self._refund_again(about))

    def read_callback(self, headers: dict[str, str], body: bytes, now: datetime) -> Callback:
        """Verify and read a webhook; raises BadCallback."""
        return callbacks.read_callback(headers, body, now, self._secrets)

    def _found(self, attempt_id: str, reference: str) -> Outcome:
        session = reference.startswith(SESSION)
        build = self._requests.build_session if session else self._requests.build_intent
        answer = self._exchange.ask(build(reference))
        if not isinstance(answer, HttpResponse):
            return Unknown(f"the enquiry failed: {answer.detail}")
        read = answers.read_session if session else answers.read_intent_answer
        return read(answer, attempt_id)

    def _capture_again(self, request: CaptureRequest) -> Outcome:
        intent = self._look(request.gateway_reference)
        if isinstance(intent, Unknown):
            return intent
        if intent.status == "requires_capture":
            return self.capture(request)
        return answers.read_taken(intent, request)

    def _refund_again(self, request: RefundRequest) -> Outcome:
        answer = self._exchange.ask(self._requests.build_refunds(request.gateway_reference))
        if not isinstance(answer, HttpResponse):
            return answer
        return answers.read_refunds(answer, request) or self.refund(request)

    def _look(self, intent_id: str) -> Intent | Unknown:
        answer = self._exchange.ask(self._requests.build_intent(intent_id))
        if not isinstance(answer, HttpResponse):
            return Unknown(f"the intent cannot be looked at: {answer.detail}")
        return answers.read_look(answer, intent_id)
