"""UPI links that we make ourselves: UPI intent and dynamic QR without asking the acquirer first.

NPCI's linking specification lets whoever knows the payee's VPA write the link. The acquirer hears
of the payment when its customer pays, and knows it by `tr`, which is unique for each payment.
Here `tr` is our attempt's id without its underscore, `att_01K…` as `att01K…`, because NPCI allows
letters and digits only; nothing else of an id is lost, so it is read back without a table. Pure.
"""

from rizzpay.config import GatewaySettings
from rizzpay.core.errors import Misconfigured
from rizzpay.gateways.port import ActionRequired, AuthorizeRequest, CaptureMethod, UpiIntent, UpiQr
from rizzpay.upi import model as upi


def reference_of(attempt_id: str) -> str:
    """Return the `tr` that stands for an attempt."""
    return attempt_id.replace("_", "", 1)


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


def of(name: str, settings: GatewaySettings) -> UpiLinks | None:
    """Return what makes the links of the gateway `name`, if we do; raises Misconfigured."""
    if settings.upi_links == "acquirer":
        return None
    if not upi.is_vpa(settings.upi_payee_vpa):
        raise Misconfigured(f"gateways.{name}.upi_payee_vpa must be a VPA, as in shop@bank")
    if not upi.is_payee_name(settings.upi_payee_name):
        raise Misconfigured(
            f"gateways.{name}.upi_payee_name must be 1 to {upi.NAME_LENGTH_MAX} printable ASCII"
            " characters"
        )
    if not upi.is_mcc(settings.upi_payee_mcc):
        raise Misconfigured(f"gateways.{name}.upi_payee_mcc must have four digits")
    payee = upi.Payee(settings.upi_payee_vpa, settings.upi_payee_name, settings.upi_payee_mcc)
    return UpiLinks(payee)
