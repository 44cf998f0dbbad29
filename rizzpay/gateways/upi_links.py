"""UPI links that we make ourselves: UPI intent and dynamic QR without asking the acquirer first.

NPCI's linking specification lets whoever knows the payee's VPA write the link. The acquirer hears
of the payment when its customer pays, and knows it by `tr`, which is unique for each payment.
Here `tr` is our attempt's id without its underscore, `att_01K…` as `att01K…`, because NPCI allows
letters and digits only; nothing else of an id is lost, so it is read back without a table. The
`tr` of a QR code that stands for more than one payment is the code's id in the same form. Pure.
"""

import re
from dataclasses import dataclass

from rizzpay.config import GatewaySettings
from rizzpay.core.errors import Misconfigured
from rizzpay.gateways.port import ActionRequired, AuthorizeRequest, CaptureMethod, UpiIntent, UpiQr
from rizzpay.upi import bharat_qr
from rizzpay.upi import model as upi

OWN_REFERENCE = re.compile(r"([a-z]{2,6})([0-9A-HJKMNP-TV-Z]{26})")


def reference_of(object_id: str) -> str:
    """Return the `tr` that stands for an attempt or a QR code."""
    return object_id.replace("_", "", 1)


def object_of(reference: str) -> str:
    """Return the id that a `tr` of ours stands for; one of another form stands for nothing."""
    found = OWN_REFERENCE.fullmatch(reference)
    return f"{found[1]}_{found[2]}" if found else ""


class UpiLinks:
    """Implements Invites of the port for one payee."""

    def __init__(self, payee: upi.Payee) -> None:
        """Check the payee; raises ValueError when a part breaks a rule of UPI."""
        self._intent = upi.PayLinks(payee, upi.Mode.INTENT)
        self._qr = upi.PayLinks(payee, upi.Mode.DYNAMIC_QR)

    def invite(self, request: AuthorizeRequest) -> ActionRequired | None:
        """Return the link, or None: another method, another currency, to be captured later."""
        if request.capture_method is CaptureMethod.MANUAL or request.money.currency != "INR":
            return None
        match request.method:
            case UpiIntent():
                links, kind = self._intent, "upi_intent"
            case UpiQr():
                links, kind = self._qr, "upi_qr"
            case _:
                return None
        reference = reference_of(request.attempt_id)
        return ActionRequired(
            reference, {"type": kind, "url": links.link(reference, request.money)}
        )


@dataclass(frozen=True, slots=True)
class Signing:
    """QR codes of this gateway are signed; `org_id` is the number that NPCI knows the signer by."""

    org_id: str


def payee_of(name: str, settings: GatewaySettings) -> upi.Payee | None:
    """Return whom links and QR codes that we make for the gateway name; raises Misconfigured.

    None: it has no such payee, so we make none.
    """
    if settings.upi_links == "acquirer" and not settings.upi_payee_vpa:
        return None
    if not upi.is_vpa(settings.upi_payee_vpa):
        raise Misconfigured(f"gateways.{name}.upi_payee_vpa must be a VPA, as in shop@bank")
    if not upi.is_payee_name(settings.upi_payee_name):
        raise Misconfigured(
            f"gateways.{name}.upi_payee_name must be one line of 1 to {upi.NAME_LENGTH_MAX} bytes"
        )
    if not upi.is_mcc(settings.upi_payee_mcc):
        raise Misconfigured(f"gateways.{name}.upi_payee_mcc must have four digits")
    city, pincode = settings.upi_payee_city, settings.upi_payee_pincode
    if (city or pincode) and not (bharat_qr.is_city(city) and bharat_qr.is_pincode(pincode)):
        raise Misconfigured(
            f"gateways.{name}.upi_payee_city has at most {bharat_qr.CITY_BYTES_MAX} bytes, and"
            " upi_payee_pincode six digits; for BharatQR both are needed"
        )
    vpa, payee_name, mcc = settings.upi_payee_vpa, settings.upi_payee_name, settings.upi_payee_mcc
    return upi.Payee(vpa, payee_name, mcc, city, pincode)


def signing_of(name: str, settings: GatewaySettings) -> Signing | None:
    """Return how QR codes of the gateway are signed, if they are; raises Misconfigured."""
    if settings.upi_signature == "none":
        return None
    if not settings.upi_payee_vpa:
        raise Misconfigured(f"gateways.{name}.upi_signature is for QR codes, which need a payee")
    if not upi.ORG_ID.fullmatch(settings.upi_org_id):
        raise Misconfigured(f"gateways.{name}.upi_org_id must have six digits")
    return Signing(settings.upi_org_id)
