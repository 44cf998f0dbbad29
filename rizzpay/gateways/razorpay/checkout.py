"""What the customer's browser is handed: a form to Razorpay's hosted checkout. Pure.

The page lists cards, UPI, banks and wallets and asks for what it needs; no card number and no VPA
passes through us. Source: payments/payment-gateway/web-integration/hosted/integration-steps.

A webhook about a payment names its order, not our attempt. The form carries the attempt in a note
which comes back with the payment; because it passes the customer's hands it is sealed together
with the order, so that nobody pays one order in the name of another.
"""

from rizzpay.core.money import Money
from rizzpay.gateways.port import (
    AuthorizeRequest,
    BankTransfer,
    CaptureMethod,
    Card,
    Method,
    NetBanking,
    UpiCollect,
    UpiIntent,
    UpiQr,
    Wallet,
)
from rizzpay.gateways.razorpay.wire import Order, note
from rizzpay.gateways.signing import CallbackSecrets, HmacSha256, same

NOTE = "rizzpay"  # of the payment: attempt, capture method and seal
CAPTURE = "rizzpay_capture"  # notes of the order, which no customer can write
METHOD = "rizzpay_method"
RETURN_URL = "rizzpay_return_url"
NOTE_MAX = 256  # characters of a note; api/orders/create
SEAL_DIGITS = 32
PAGES = frozenset({"card", "upi", "netbanking", "wallet"})  # `method` of the checkout


def page_of(method: Method) -> str | None:
    """Return the page of the checkout where a method is paid; None when it has none."""
    match method:
        case Card(token=None):
            return "card"
        case UpiIntent() | UpiQr():
            return "upi"
        case NetBanking():
            return "netbanking"
        case Wallet():
            return "wallet"
        case Card() | UpiCollect() | BankTransfer():
            return None


def order_notes(request: AuthorizeRequest, page: str) -> dict[str, str]:
    """Return what the order has to remember for a form that is made from it later."""
    notes = {CAPTURE: request.capture_method.value, METHOD: page}
    if request.return_url is not None and len(request.return_url) <= NOTE_MAX:
        notes[RETURN_URL] = request.return_url
    return notes


def capture_method(order: Order) -> CaptureMethod | None:
    """Return how an order of ours is captured; None when it does not say."""
    try:
        return CaptureMethod(note(order.notes, CAPTURE))
    except ValueError:
        return None


class Checkout:
    """The hosted checkout of one account."""

    def __init__(self, base_url: str, key_id: str, name: str, secrets: CallbackSecrets) -> None:
        """`name` is the business that the page shows."""
        self._url = base_url + "/v1/checkout/embedded"
        self._key_id = key_id
        self._name = name
        self._secrets = secrets

    def form(self, order: Order, attempt_id: str, description: str = "") -> dict[str, str]:
        """Return the next action: every member but type and url is a field of the form."""
        money = Money(order.amount, order.currency)
        capture = capture_method(order) or CaptureMethod.AUTOMATIC
        back = note(order.notes, RETURN_URL)
        fields = {
            "key_id": self._key_id,
            "order_id": order.id,
            "amount": str(money.minor),
            "currency": money.currency,
            "name": self._name,
            "description": description,
            "method": note(order.notes, METHOD),
            "callback_url": back,
            "cancel_url": back,
            f"notes[{NOTE}]": self.sealed(attempt_id, order.id, capture),
        }
        there = {name: value for name, value in fields.items() if value}
        return {"type": "form_post", "url": self._url, **there}

    def sealed(self, attempt_id: str, order_id: str, capture: CaptureMethod) -> str:
        """Return the note of a payment of this order."""
        seal = _seal(self._secrets.signers[0], attempt_id, order_id, capture.value)
        return f"{attempt_id}.{capture.value}.{seal}"

    def opened(self, text: str, order_id: str) -> tuple[str, CaptureMethod] | None:
        """Return attempt and capture method; None when it is no note of ours for this order."""
        attempt_id, _, rest = text.partition(".")
        capture, _, seal = rest.partition(".")
        for signer in self._secrets.signers:
            if same(_seal(signer, attempt_id, order_id, capture), seal):
                return attempt_id, CaptureMethod(capture)
        return None


def _seal(signer: HmacSha256, attempt_id: str, order_id: str, capture: str) -> str:
    message = f"{NOTE}|{attempt_id}|{order_id}|{capture}"
    return signer.hexdigest(message.encode(errors="replace"))[:SEAL_DIGITS]
