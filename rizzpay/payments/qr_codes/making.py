"""What the image of a new code says: a UPI link or BharatQR, of the gateway's payee."""

from dataclasses import replace

from rizzpay.core.errors import Refused, Unavailable
from rizzpay.core.money import Money
from rizzpay.gateways.catalog import Gateway, Gateways
from rizzpay.gateways.port import CaptureMethod
from rizzpay.gateways.routing import NoRoute
from rizzpay.gateways.upi_links import Signing, reference_of
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import UPI_SIGNER
from rizzpay.infra.hsm.protocol import HsmRefused
from rizzpay.payments.qr_codes.model import CURRENCY, CodeType, CreateQrCode, Usage
from rizzpay.upi import bharat_qr
from rizzpay.upi import model as upi
from rizzpay.upi.bharat_qr import BharatQr
from rizzpay.upi.model import Mode, Payee, PayLink


def gateway_for(gateways: Gateways, *, livemode: bool) -> tuple[Gateway, Payee]:
    """Return the first gateway whose payee a code may name; raises Refused."""
    routes = gateways.choose(("upi", CURRENCY, livemode, CaptureMethod.AUTOMATIC))
    for route in () if isinstance(routes, NoRoute) else routes:
        gateway = gateways.get(route.gateway)
        if gateway.payee is not None:
            return gateway, gateway.payee
    raise Refused("qr_codes_not_supported")


def shown(command: CreateQrCode, payee: Payee) -> Payee:
    """Return the payee as the payer's app shows it; raises Refused when a name has no room."""
    bharat = command.type is CodeType.BHARAT
    if command.name is None:
        return replace(payee, name=bharat_qr.cut_name(payee.name)) if bharat else payee
    fits = bharat_qr.is_name if bharat else upi.is_payee_name
    if not fits(command.name):
        most = bharat_qr.NAME_BYTES_MAX if bharat else upi.NAME_LENGTH_MAX
        raise Refused(
            "invalid_request",
            f"The name is one line of letters, at most {most} bytes in UTF-8.",
            param="name",
        )
    return replace(payee, name=command.name)


def content(
    command: CreateQrCode, code_id: str, payee: Payee, signing: Signing | None, hsm: HsmClient
) -> str:
    """Return what the image says. `payee` has the name that is shown.

    Asks the HSM only where links are signed; raises Refused, or Unavailable("hsm").
    """
    reference = reference_of(code_id)
    amount = command.payment_amount
    money = None if amount is None else Money(amount, CURRENCY)
    if command.type is CodeType.BHARAT:
        return _bharat(BharatQr(payee, reference, money, command.usage is Usage.MULTIPLE))
    mode = _mode(command)
    if signing is None:
        return upi.pay_link(PayLink(payee, reference, money, mode=mode))
    link = upi.pay_link(PayLink(payee, reference, money, mode=upi.SECURE[mode]))
    text = upi.to_be_signed(link, signing.org_id)
    try:
        return upi.signed(text, hsm.sign_der(UPI_SIGNER, text.encode()))
    except HsmRefused as error:  # the key has not been made yet, or is of another kind
        raise Unavailable("hsm", str(error)) from None


def _mode(command: CreateQrCode) -> Mode:
    if command.usage is Usage.SINGLE:
        return Mode.DYNAMIC_QR
    return Mode.STATIC_QR if command.payment_amount is None else Mode.PRINTED_QR


def _bharat(code: BharatQr) -> str:
    if not (code.payee.city and code.payee.pincode):
        raise Refused(
            "qr_codes_not_supported",
            "BharatQR names the city and PIN code of the payee, which this installation has not.",
            param="type",
        )
    try:
        return bharat_qr.text_of(code)
    except ValueError:  # everything else of it was checked: an amount of more than 13 characters
        raise Refused(
            "invalid_request", "The amount has no room in a BharatQR.", param="payment_amount"
        ) from None
