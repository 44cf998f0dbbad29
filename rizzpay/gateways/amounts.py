"""Amounts that gateways write with decimals: exact, or not believed. Pure."""

from decimal import Decimal

from rizzpay.core.money import AMOUNT_MAX, EXPONENTS, Money


def money_of(amount: Decimal, currency: str) -> Money | None:
    """Return `500.00` of INR as money; None for what is no whole number of minor units."""
    exponent = EXPONENTS.get(currency)
    if exponent is None or not amount.is_finite() or abs(amount.adjusted()) > len(str(AMOUNT_MAX)):
        return None
    minor = amount.scaleb(exponent)
    if minor != minor.to_integral_value() or not 0 <= minor <= AMOUNT_MAX:
        return None
    return Money(int(minor), currency)
