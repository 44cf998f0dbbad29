"""A payer and the normal forms by which one is found again; pure.

What the merchant sent is kept as it was; only the look-up compares normal forms, so
`Asha@Example.com ` and `asha@example.com` are one payer to whoever searches.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant

COUNTRY_CODE = "91"  # what a number without a country gets; ITU-T E.164 assigns it to India
NATIONAL_DIGITS = 10  # of an Indian number without its trunk 0; DoT numbering plan
_NOT_A_DIGIT = re.compile(r"[^0-9]")


@dataclass(frozen=True, slots=True)
class Payer:
    """The customer of one payment, in clear, only in memory; stored sealed."""

    id: str
    tenant: Tenant
    name: Secret[str] | None
    email: Secret[str] | None
    phone: Secret[str] | None
    vpa: Secret[str] | None
    created_at: datetime


def normal_email(text: str) -> str:
    """Return an e-mail address without outer blanks, in lower case."""
    return text.strip().lower()


def normal_phone(text: str) -> str:
    """Return a telephone number as + and digits; one without a country is an Indian one."""
    digits = _NOT_A_DIGIT.sub("", text)
    if text.strip().startswith("+"):
        return "+" + digits
    if digits.startswith("00"):
        return "+" + digits[2:]
    national = digits.removeprefix("0")
    if len(national) == NATIONAL_DIGITS:
        return "+" + COUNTRY_CODE + national
    return "+" + digits


def normal_vpa(text: str) -> str:
    """Return a UPI address without outer blanks, in lower case."""
    return text.strip().lower()


# The columns that can be searched, each with its normal form.
NORMAL_FORMS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"email": normal_email, "phone": normal_phone, "vpa": normal_vpa}
)


def context(column: str, payer_id: str, tenant: Tenant) -> str:
    """Return what binds a sealed value to its place, so that it opens nowhere else."""
    return f"payers|{column}|{payer_id}|{tenant.merchant_id}"


def index_text(column: str, value: str, tenant: Tenant) -> str:
    """Return what the blind index is made of; two merchants' equal values do not look equal."""
    return f"{tenant.merchant_id}|{NORMAL_FORMS[column](value)}"
