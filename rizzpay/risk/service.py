"""May this merchant take this payment at all? Asked before anybody else is.

Law first: what India forbids is refused here in code, not by a setting. Limits, velocity and
scores are not here yet.
"""

from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.gateways.port import Method, UpiCollect
from rizzpay.merchants.model import Merchant

# Betting, lotteries, online casinos (ISO 18245). Promotion and Regulation of Online Gaming Act
# 2025, section 7: nobody may facilitate payments for an online money game in India.
GAMING_MCCS = frozenset({"7995", "7800", "7801", "7802"})


def assess(merchant: Merchant, method: Method, money: Money) -> None:
    """Return when the payment may go on; raises Refused with the first rule that it breaks."""
    if merchant.status != "active":
        raise Refused("merchant_suspended", "This merchant may not take payments.")
    if merchant.mcc in GAMING_MCCS and money.currency == "INR":
        raise Refused(
            "gaming_not_permitted",
            "Payments for online money games are forbidden in India.",
        )
    if isinstance(method, UpiCollect) and not _collect_permitted(merchant, method):
        raise Refused(
            "upi_collect_not_permitted",
            "UPI collect is open only to exempt merchants; use the flow intent or qr.",
            param="method.flow",
        )


def _collect_permitted(merchant: Merchant, method: UpiCollect) -> bool:
    """Collect ended on 28 February 2026 but for exemptions, which the operator records."""
    exemption = merchant.collect_exemption
    return exemption is not None and method.exemption == exemption
