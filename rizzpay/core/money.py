"""Money: an integer of minor units with an ISO 4217 currency. There is no float here.

`share` is the one place of the product that rounds: half up, on fees and taxes.
"""

from msgspec import Struct

from rizzpay.core.values import value

# ISO 4217 exponents of the currencies we know; INR is the only one that is live by default.
EXPONENTS = {"INR": 2, "USD": 2, "EUR": 2, "GBP": 2, "AED": 2, "SGD": 2, "JPY": 0, "KWD": 3}

AMOUNT_MAX = 9_007_199_254_740_991  # 2**53 - 1: the largest integer that JavaScript keeps exact
BASIS_POINTS = 10_000


@value
class Money(Struct, frozen=True, gc=False):
    """`minor` is in the smallest unit of `currency` (paise for INR)."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is not an integer amount of a known currency."""
        if type(self.minor) is not int:
            raise TypeError("minor must be an int")
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")

    def decimal(self) -> str:
        """Write the amount with its decimals and no grouping, as UPI's `am` wants it: 500.00."""
        exponent = EXPONENTS[self.currency]
        if exponent == 0:
            return str(self.minor)
        sign, digits = ("-" if self.minor < 0 else ""), str(abs(self.minor)).zfill(exponent + 1)
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def share(minor: int, basis_points: int) -> int:
    """Return `basis_points` of `minor`, rounded half up. Both are zero or positive."""
    if minor < 0 or basis_points < 0:
        raise ValueError("share works on amounts and rates of zero or more")
    return (minor * basis_points + BASIS_POINTS // 2) // BASIS_POINTS
