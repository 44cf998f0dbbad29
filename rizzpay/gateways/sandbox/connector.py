"""Connector to the sandbox acquirer; its protocol is docs/sandbox.md.

Each call is two pure halves round one exchange: `build_*` makes the request, `read_*` the outcome.
Whatever an answer looks like, a reader never raises and never says Approved unless the whole of it
is well-formed, is about the attempt that we asked for, and says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from rizzpay.config import GatewaySettings
from rizzpay.core import clock
from rizzpay.core.money import EXPONENTS, Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.declines import declined
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    AuthorizeRequest,
    BadCallback,
    BankTransfer,
    Callback,
    CaptureRequest,
    Card,
    Declined,
    EnquiryOutcome,
    Method,
    NetBanking,
    NotSent,
    Operation,
    Outcome,
    Processing,
    RefundRequest,
    Unknown,
    UpiCollect,
    UpiIntent,
    UpiQr,
    VoidRequest,
    Wallet,
)
from rizzpay.gateways.sandbox.wire import (
    REASON_OF_CODE,
    REASON_OF_REFUSAL,
    TOO_MANY,
    Answer,
    Notice,
    Refusal,
    UpiAction,
)
from rizzpay.gateways.signing import CallbackSecrets, HmacSha256
from rizzpay.gateways.upi_links import object_of, reference_of
from rizzpay.infra import http_client
from rizzpay.infra.http_client import HttpClient, HttpRequest, HttpResponse
from rizzpay.upi import model as upi

OK = 200
NOT_FOUND = 404
TIMESTAMP_DIGITS_MAX = 11
SIGNATURE = "x-sandbox-signature"
ANSWER = msgspec.json.Decoder(Answer)
REFUSAL = msgspec.json.Decoder(Refusal)
NOTICE = msgspec.json.Decoder(Notice)
CALLBACK_AGE_MAX_S = 300  # the window that Standard Webhooks 1.0 recommends


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs our requests, and what their callbacks are signed with."""

    key_id: str
    secret: Secret[str]
    callback_secret: Secret[str]
    old_callback_secret: Secret[str] | None = None


class SandboxGateway:
    """Implements Charges and Callbacks of the port for one configured sandbox acquirer."""

    def __init__(self, name: str, settings: GatewaySettings, http: HttpClient, keys: Keys) -> None:
        """Keep the parts; nothing is connected before the first call."""
        self.name = name
        self._settings = settings
        self._http = http
        self._key_id = keys.key_id
        self._requests = HmacSha256(keys.secret)
        old = () if keys.old_callback_secret is None else (keys.old_callback_secret,)
        self._callbacks = CallbackSecrets(keys.callback_secret, *old)

    def authorize(self, request: AuthorizeRequest) -> Outcome:
        """Ask for the money."""
        return self._ask("/v1/charges", build_authorize(request), request.attempt_id, "charge")

    def capture(self, request: CaptureRequest) -> Outcome:
        """Take held money."""
        path = f"/v1/charges/{request.gateway_reference}/capture"
        return self._ask(path, build_capture(request), request.attempt_id, "capture")

    def void(self, request: VoidRequest) -> Outcome:
        """Release held money, or call off what waits for the customer."""
        path = f"/v1/charges/{request.gateway_reference}/void"
        return self._ask(path, build_void(request), request.attempt_id, "void")

    def refund(self, request: RefundRequest) -> Outcome:
        """Give money back."""
        return self._ask("/v1/refunds", build_refund(request), request.refund_id, "refund")

    def enquire(
        self,
        attempt_id: str,
        *,
        invited: bool = False,
        about: Operation | None = None,
        reference: str | None = None,
    ) -> EnquiryOutcome:
        """Ask what became of a request; an enquiry that fails tells nothing, so it is Unknown."""
        del about, reference  # our id says it all
        try:
            response = self._send("/v1/enquiries", build_enquiry(attempt_id, invited=invited))
        except (http_client.NotSent, http_client.NoAnswer) as error:
            return Unknown(f"the enquiry failed: {error}")
        return read_enquiry(response, attempt_id, invited=invited)

    def read_callback(self, headers: dict[str, str], body: bytes, now: datetime) -> Callback:
        """Verify and read a callback; raises BadCallback."""
        return read_callback(headers, body, now, self._callbacks)

    def _ask(self, path: str, body: dict[str, Any], attempt_id: str, kind: str) -> Outcome:
        try:
            response = self._send(path, body)
        except http_client.NotSent as error:
            return NotSent(str(error))
        except http_client.NoAnswer as error:
            return Unknown(str(error))
        return read_answer(response, attempt_id, kind)

    def _send(self, path: str, body: dict[str, Any]) -> HttpResponse:
        return self._http.send(
            self._signed(path, body, clock.now()),
            connect_timeout_s=self._settings.connect_timeout_s,
            answer_timeout_s=self._settings.answer_timeout_s,
        )

    def _signed(self, path: str, body: dict[str, Any], now: datetime) -> HttpRequest:
        """Return the POST with its three signature headers."""
        url = self._settings.base_url.rstrip("/") + path
        content = msgspec.json.encode(body)
        timestamp = str(clock.unix_s(now))
        message = f"{timestamp}\nPOST\n{urlsplit(url).path}\n".encode() + content
        headers = {
            "Content-Type": "application/json",
            "X-Sandbox-Key": self._key_id,
            "X-Sandbox-Timestamp": timestamp,
            "X-Sandbox-Signature": self._requests.hexdigest(message),
        }
        return HttpRequest("POST", url, headers, content)


def build_authorize(request: AuthorizeRequest) -> dict[str, Any]:
    """Return the body of POST /v1/charges."""
    return {
        "attempt_id": request.attempt_id,
        "payment_id": request.payment_id,
        "amount": request.money.minor,
        "currency": request.money.currency,
        "method": _method(request.method),
        "capture_method": request.capture_method.value,
        "description": request.description,
        "return_url": request.return_url,
        "callback_url": request.callback_url,
        "expires_at": clock.unix_s(request.expires_at),
    }


def build_capture(request: CaptureRequest) -> dict[str, Any]:
    """Return the body of POST /v1/charges/{ref}/capture."""
    return {
        "attempt_id": request.attempt_id,
        "amount": request.money.minor,
        "currency": request.money.currency,
        "final": request.final,
    }


def build_void(request: VoidRequest) -> dict[str, Any]:
    """Return the body of POST /v1/charges/{ref}/void."""
    return {"attempt_id": request.attempt_id}


def build_refund(request: RefundRequest) -> dict[str, Any]:
    """Return the body of POST /v1/refunds."""
    return {
        "attempt_id": request.refund_id,
        "reference": request.gateway_reference,
        "amount": request.money.minor,
        "currency": request.money.currency,
    }


def build_enquiry(attempt_id: str, *, invited: bool) -> dict[str, Any]:
    """Return the body of POST /v1/enquiries; what is invited may still come."""
    body: dict[str, Any] = {"attempt_id": attempt_id}
    return {**body, "keep_open": True} if invited else body


def read_answer(response: HttpResponse, attempt_id: str, kind: str) -> Outcome:
    """Return what the acquirer's answer to a request means; never raises."""
    if response.status == OK:
        return _read_result(response.body, attempt_id, kind)
    refusal = _refusal(response)
    if (response.status, refusal.error) == TOO_MANY:
        return NotSent("the gateway takes no more requests just now")
    reason = REASON_OF_REFUSAL.get((response.status, refusal.error))
    if reason is None:
        return Unknown(f"HTTP {response.status}")
    return declined(reason, refusal.error)


def read_enquiry(
    response: HttpResponse, attempt_id: str, *, invited: bool = False
) -> EnquiryOutcome:
    """Return what the acquirer's answer to an enquiry means; never raises."""
    if response.status == OK:
        return _read_result(response.body, attempt_id, None)
    refusal = _refusal(response)
    if response.status == NOT_FOUND and refusal.error == "absent":
        if refusal.closed:
            return Absent()
        if invited:
            return ActionRequired(reference_of(attempt_id), {})
    return Unknown(f"the enquiry failed: HTTP {response.status}")


def read_callback(
    headers: dict[str, str], body: bytes, now: datetime, secrets: CallbackSecrets
) -> Callback:
    """Verify signature and age, then read; raises BadCallback."""
    if SIGNATURE not in headers:
        headers = {name.lower(): value for name, value in headers.items()}
    event_id = headers.get("x-sandbox-id", "")
    timestamp = headers.get("x-sandbox-timestamp", "")
    given = headers.get(SIGNATURE, "")
    if not event_id or not _is_timestamp(timestamp):
        raise BadCallback("a signature header is missing")
    if not secrets.signed(f"{event_id}.{timestamp}.".encode() + body, given):
        raise BadCallback("the signature is wrong")
    if abs(clock.unix_s(now) - int(timestamp)) > CALLBACK_AGE_MAX_S:
        raise BadCallback("the signature is too old or too new")
    try:
        result = NOTICE.decode(body).result
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadCallback("the body is malformed") from None
    outcome = _outcome(result)
    if isinstance(outcome, Unknown):
        raise BadCallback(outcome.detail)
    about = object_of(result.tr) if result.tr else result.attempt_id
    return Callback(event_id, about, outcome)


def _is_timestamp(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= TIMESTAMP_DIGITS_MAX


def _method(method: Method) -> dict[str, str]:
    match method:
        case Card():  # routing sends none without a token here; the acquirer would refuse it
            return {"type": "card", "token": method.token.reveal() if method.token else ""}
        case UpiIntent():
            return {"type": "upi", "flow": "intent"}
        case UpiQr():
            return {"type": "upi", "flow": "qr"}
        case UpiCollect():
            vpa = method.vpa.reveal()
            return {"type": "upi", "flow": "collect", "vpa": vpa, "exemption": method.exemption}
        case NetBanking():
            return {"type": "netbanking", "bank": method.bank}
        case Wallet():
            return {"type": "wallet", "wallet": method.wallet}
        case BankTransfer():
            return {"type": "bank_transfer"}


def _read_result(body: bytes, attempt_id: str, kind: str | None) -> Outcome:
    try:
        answer = ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unknown("the answer is malformed")
    if answer.attempt_id != attempt_id or (kind is not None and answer.kind != kind):
        return Unknown("the answer is about another request")
    return _outcome(answer)


def _refusal(response: HttpResponse) -> Refusal:
    try:
        return REFUSAL.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refusal(error="")


def _outcome(answer: Answer) -> Outcome:
    if answer.currency not in EXPONENTS:
        return Unknown("the answer has an unknown currency")
    reader = STATUS.get(answer.status)
    return reader(answer) if reader else Unknown(f"unlisted status {answer.status[:40]!r}")


def _approved(answer: Answer) -> Outcome:
    captured = answer.captured if answer.kind == "charge" else answer.kind == "capture"
    money = Money(answer.amount, answer.currency)
    return Approved(answer.reference, money, captured, answer.rrn)


def _declined(answer: Answer) -> Declined:
    code = answer.decline_code or ""
    return declined(REASON_OF_CODE.get(code, "declined"), code, answer.reference)


def _action_required(answer: Answer) -> Outcome:
    match answer.action:
        case None:
            return Unknown("the answer does not say what the customer has to do")
        case UpiAction():
            return _upi_link(answer, answer.action)
        case action:
            return ActionRequired(answer.reference, msgspec.to_builtins(action))


def _upi_link(answer: Answer, action: UpiAction) -> Outcome:
    modes = {"intent": upi.Mode.INTENT, "qr": upi.Mode.DYNAMIC_QR}
    try:
        link = upi.PayLink(
            payee=upi.Payee(action.payee_vpa, action.payee_name, action.payee_mcc),
            reference=action.reference,
            money=Money(answer.amount, answer.currency),
            mode=modes[action.flow],
        )
        url = upi.pay_link(link)
    except (KeyError, ValueError):
        return Unknown("the answer has no usable UPI reference")
    return ActionRequired(answer.reference, {"type": f"upi_{action.flow}", "url": url})


def _processing(answer: Answer) -> Processing:
    return Processing(answer.reference)


# Total: a status that is not here is Unknown, never Approved.
STATUS: Mapping[str, Callable[[Answer], Outcome]] = {
    "approved": _approved,
    "declined": _declined,
    "action_required": _action_required,
    "processing": _processing,
}
