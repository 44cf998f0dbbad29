"""Which token, VPA or amount makes the sandbox do what: tables, and nothing else. Pure.

A magic token or VPA rules; else the last two digits of the amount in minor units do; everything
else is approved. docs/sandbox.md and the sandbox's front page are written from these tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Transport(StrEnum):
    """What becomes of the HTTP answer."""

    ANSWER = "answer"
    SLOW = "slow"  # answered after --slow-ms
    LOST = "lost"  # acted on, never answered
    DROPPED = "dropped"  # neither acted on nor answered
    BROKEN = "broken"  # acted on, answered with HTTP 500
    REFUSED = "refused"  # not acted on, answered with HTTP 429


class Course(StrEnum):
    """When a charge is decided."""

    AT_ONCE = "at_once"
    SOON = "soon"  # by itself, after --approve-after-ms
    PROCESSING = "processing"  # the same, but said to be processing until then
    CUSTOMER = "customer"  # when the customer acts
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Script:
    """What happens to one request. Defaults are the good case."""

    text: str = "approved"
    decline: str = ""  # a decline code; empty is an approval
    transport: Transport = Transport.ANSWER
    course: Course | None = None  # None: as the method does it
    copies: int = 1  # how often each callback is sent
    late: bool = False  # approved after --late-after-s, whatever was said before
    extra: int = 0  # minor units that are taken beyond what was asked
    on_capture: str = ""  # how captures of this charge go: a key of OPERATIONS
    on_void: str = ""


APPROVE = Script()
DECLINE = Script("declined", decline="declined")
LOST = Script("done, but no answer comes back", transport=Transport.LOST)
DROPPED = Script("never arrives: no answer, nothing is done", transport=Transport.DROPPED)
BROKEN = Script("done, but the answer is HTTP 500", transport=Transport.BROKEN)
REFUSED = Script("not taken in: HTTP 429", transport=Transport.REFUSED)
SLOW = Script("approved after 2 seconds", transport=Transport.SLOW)
DUPLICATE = Script("approved, and the same callback comes twice", copies=2)
LATE = Script("declined first, approved later", decline="issuer_timeout", late=True)
WRONG_AMOUNT = Script("approved, for 100 minor units more than asked", extra=100)
ACTION = Script("the customer is sent to a 3-D Secure page", course=Course.CUSTOMER)
PROCESSING = Script("processing first, approved soon", course=Course.PROCESSING)

CARD_DECLINES = (
    "do_not_honour",
    "insufficient_funds",
    "limit_exceeded",
    "expired_card",
    "invalid_card",
    "restricted_card",
    "lost_stolen",
    "suspected_fraud",
    "invalid_otp",
    "issuer_unavailable",
)

# How a capture or void goes, named by the token of its charge.
OPERATIONS: Mapping[str, Script] = {
    "": APPROVE,
    "capture_declined": Script("declined", decline="capture_declined"),
    "void_declined": Script("declined", decline="void_declined"),
    "timeout_success": LOST,
    "timeout_nothing": DROPPED,
}

TOKENS: Mapping[str, Script] = {
    "tok_approve": APPROVE,
    "tok_decline_generic": DECLINE,
    **{f"tok_decline_{code}": Script(f"declined: {code}", decline=code) for code in CARD_DECLINES},
    "tok_action": ACTION,
    "tok_timeout_success": LOST,
    "tok_timeout_nothing": DROPPED,
    "tok_error_success": BROKEN,
    "tok_rate_limited": REFUSED,
    "tok_duplicate_callback": DUPLICATE,
    "tok_late_authorization": LATE,
    "tok_wrong_amount": WRONG_AMOUNT,
    "tok_slow": SLOW,
    "tok_processing": PROCESSING,
    "tok_capture_declined": Script(
        "approved; captures are declined", on_capture="capture_declined"
    ),
    "tok_capture_timeout_success": Script(
        "approved; captures are done, but not answered", on_capture="timeout_success"
    ),
    "tok_capture_timeout_nothing": Script(
        "approved; captures never arrive", on_capture="timeout_nothing"
    ),
    "tok_void_declined": Script("approved; voids are declined", on_void="void_declined"),
    "tok_void_timeout_success": Script(
        "approved; voids are done, but not answered", on_void="timeout_success"
    ),
    "tok_void_timeout_nothing": Script("approved; voids never arrive", on_void="timeout_nothing"),
}

VPAS: Mapping[str, Script] = {
    "success@rizzpay": APPROVE,
    "failure@rizzpay": DECLINE,
    "insufficient@rizzpay": Script("declined: insufficient_funds", decline="insufficient_funds"),
    "cancel@rizzpay": Script("the customer cancels", decline="customer_cancelled"),
    "pending@rizzpay": Script("the customer never acts", course=Course.NEVER),
    "timeout@rizzpay": LOST,
    "duplicate@rizzpay": DUPLICATE,
    "late-success@rizzpay": LATE,
    "wrong-amount@rizzpay": WRONG_AMOUNT,
    "slow@rizzpay": SLOW,
    "success@razorpay": APPROVE,
    "failure@razorpay": DECLINE,
}

CHARGE_AMOUNTS: Mapping[int, Script] = {
    2: DECLINE,
    3: LOST,
    4: DUPLICATE,
    5: LATE,
    6: WRONG_AMOUNT,
    7: DROPPED,
    8: SLOW,
    9: ACTION,
    11: Script("declined: insufficient_funds", decline="insufficient_funds"),
}

REFUND_AMOUNTS: Mapping[int, Script] = {
    2: Script("declined", decline="refund_declined"),
    3: LOST,
    7: DROPPED,
    8: SLOW,
    10: PROCESSING,
}

# What a method does when its script does not say: cards answer at once, a collect request is
# approved by its customer soon, everything else waits for the customer.
COURSES: Mapping[str, Course] = {"card": Course.AT_ONCE, "collect": Course.SOON}


def charge_script(method: Mapping[str, str], amount: int) -> Script:
    """Return what happens to a charge, with its course filled in."""
    kind = method.get("flow", method["type"])
    if kind == "card" and not method["token"].startswith("tok_"):
        script = Script("declined: invalid_card", decline="invalid_card")
    elif kind == "card" and method["token"] in TOKENS:
        script = TOKENS[method["token"]]
    elif kind == "collect" and method["vpa"].lower() in VPAS:
        script = VPAS[method["vpa"].lower()]
    else:
        script = CHARGE_AMOUNTS.get(amount % 100, APPROVE)
    if script.transport is Transport.LOST:
        course = Course.AT_ONCE  # there is no link that a customer could have
    else:
        course = script.course or COURSES.get(kind, Course.CUSTOMER)
    return replace(script, course=course)


def refund_script(amount: int) -> Script:
    """Return what happens to a refund."""
    return REFUND_AMOUNTS.get(amount % 100, APPROVE)
