"""States of a payment, an attempt and a refund, and the only legal moves between them.

The payment's table is mirrored by sql/migrations/0007_payment_transitions.sql, where a trigger
refuses everything else; a test compares the two. Source: spec of the public API, section b7.
"""

from enum import StrEnum

from rizzpay.core.states import Machine


class Status(StrEnum):
    """What a merchant sees of a payment."""

    CREATED = "created"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    CONFLICTED = "conflicted"
    REQUIRES_MERCHANT_ACTION = "requires_merchant_action"


class Happening(StrEnum):
    """What can happen to a payment."""

    SENT = "sent"
    ACTION_ASKED = "action_asked"
    TAKEN_UP = "taken_up"  # the gateway has it and has not decided
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    PARTLY_CAPTURED = "partly_captured"
    DECLINED = "declined"
    VOIDED = "voided"
    REST_RELEASED = "rest_released"  # the uncaptured remainder was voided
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST_SIGHT = "lost_sight"  # the outcome of a request is unknown
    STILL_AUTHORIZED = "still_authorized"  # the unknown operation turned out not to have happened
    STILL_PARTLY_CAPTURED = "still_partly_captured"
    STILL_CAPTURED = "still_captured"
    CONTRADICTED = "contradicted"  # amount or currency is not what we asked for


_S = Status
_H = Happening

PAYMENTS: Machine[Status, Happening] = Machine(
    {
        (_S.CREATED, _H.SENT): _S.PROCESSING,
        (_S.CREATED, _H.CANCELLED): _S.CANCELLED,
        (_S.CREATED, _H.EXPIRED): _S.EXPIRED,
        # processing: the gateway was asked
        (_S.PROCESSING, _H.ACTION_ASKED): _S.REQUIRES_ACTION,
        (_S.PROCESSING, _H.TAKEN_UP): _S.PROCESSING,
        (_S.PROCESSING, _H.AUTHORIZED): _S.AUTHORIZED,
        (_S.PROCESSING, _H.CAPTURED): _S.CAPTURED,
        (_S.PROCESSING, _H.DECLINED): _S.FAILED,
        (_S.PROCESSING, _H.LOST_SIGHT): _S.UNKNOWN,
        (_S.PROCESSING, _H.CONTRADICTED): _S.CONFLICTED,
        # requires_action: the customer was asked
        (_S.REQUIRES_ACTION, _H.ACTION_ASKED): _S.REQUIRES_ACTION,
        (_S.REQUIRES_ACTION, _H.TAKEN_UP): _S.PROCESSING,
        (_S.REQUIRES_ACTION, _H.AUTHORIZED): _S.AUTHORIZED,
        (_S.REQUIRES_ACTION, _H.CAPTURED): _S.CAPTURED,
        (_S.REQUIRES_ACTION, _H.DECLINED): _S.FAILED,
        (_S.REQUIRES_ACTION, _H.CANCELLED): _S.CANCELLED,
        (_S.REQUIRES_ACTION, _H.EXPIRED): _S.EXPIRED,
        (_S.REQUIRES_ACTION, _H.LOST_SIGHT): _S.UNKNOWN,
        (_S.REQUIRES_ACTION, _H.CONTRADICTED): _S.CONFLICTED,
        # unknown: only enquiry, callback or reconciliation lead out; no timer does
        (_S.UNKNOWN, _H.ACTION_ASKED): _S.REQUIRES_ACTION,
        (_S.UNKNOWN, _H.TAKEN_UP): _S.UNKNOWN,
        (_S.UNKNOWN, _H.AUTHORIZED): _S.AUTHORIZED,
        (_S.UNKNOWN, _H.CAPTURED): _S.CAPTURED,
        (_S.UNKNOWN, _H.PARTLY_CAPTURED): _S.PARTIALLY_CAPTURED,
        (_S.UNKNOWN, _H.DECLINED): _S.FAILED,
        (_S.UNKNOWN, _H.VOIDED): _S.CANCELLED,
        (_S.UNKNOWN, _H.REST_RELEASED): _S.CAPTURED,
        (_S.UNKNOWN, _H.LOST_SIGHT): _S.UNKNOWN,
        (_S.UNKNOWN, _H.STILL_AUTHORIZED): _S.AUTHORIZED,
        (_S.UNKNOWN, _H.STILL_PARTLY_CAPTURED): _S.PARTIALLY_CAPTURED,
        (_S.UNKNOWN, _H.STILL_CAPTURED): _S.CAPTURED,
        (_S.UNKNOWN, _H.CONTRADICTED): _S.CONFLICTED,
        # authorized: the money is held
        (_S.AUTHORIZED, _H.CAPTURED): _S.CAPTURED,
        (_S.AUTHORIZED, _H.PARTLY_CAPTURED): _S.PARTIALLY_CAPTURED,
        (_S.AUTHORIZED, _H.STILL_AUTHORIZED): _S.AUTHORIZED,
        (_S.AUTHORIZED, _H.VOIDED): _S.CANCELLED,
        (_S.AUTHORIZED, _H.EXPIRED): _S.EXPIRED,
        (_S.AUTHORIZED, _H.LOST_SIGHT): _S.UNKNOWN,
        (_S.PARTIALLY_CAPTURED, _H.CAPTURED): _S.CAPTURED,
        (_S.PARTIALLY_CAPTURED, _H.PARTLY_CAPTURED): _S.PARTIALLY_CAPTURED,
        (_S.PARTIALLY_CAPTURED, _H.STILL_PARTLY_CAPTURED): _S.PARTIALLY_CAPTURED,
        (_S.PARTIALLY_CAPTURED, _H.REST_RELEASED): _S.CAPTURED,
        (_S.PARTIALLY_CAPTURED, _H.LOST_SIGHT): _S.UNKNOWN,
        # late authorisation: the gateway says yes after we had said it is over
        (_S.FAILED, _H.AUTHORIZED): _S.AUTHORIZED,
        (_S.FAILED, _H.CAPTURED): _S.CAPTURED,
        (_S.FAILED, _H.CONTRADICTED): _S.CONFLICTED,
        (_S.EXPIRED, _H.AUTHORIZED): _S.AUTHORIZED,
        (_S.EXPIRED, _H.CAPTURED): _S.CAPTURED,
        (_S.EXPIRED, _H.CONTRADICTED): _S.CONFLICTED,
        (_S.CANCELLED, _H.AUTHORIZED): _S.AUTHORIZED,
        (_S.CANCELLED, _H.CAPTURED): _S.CAPTURED,
        (_S.CANCELLED, _H.CONTRADICTED): _S.CONFLICTED,
    }
)


class AttemptStatus(StrEnum):
    """What became of one request to a gateway."""

    CREATED = "created"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    APPROVED = "approved"
    DECLINED = "declined"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    CONFLICTED = "conflicted"
    ABANDONED = "abandoned"  # the payment was cancelled or expired before the customer acted


class RefundStatus(StrEnum):
    """What a merchant sees of a refund; `created` means nothing was sent yet."""

    CREATED = "created"
    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class RefundHappening(StrEnum):
    """What can happen to a refund."""

    SENT = "sent"
    PROCESSED = "processed"
    DECLINED = "declined"
    LOST_SIGHT = "lost_sight"


_R = RefundStatus
_G = RefundHappening

REFUNDS: Machine[RefundStatus, RefundHappening] = Machine(
    {
        (_R.CREATED, _G.SENT): _R.PROCESSING,
        (_R.CREATED, _G.PROCESSED): _R.PROCESSED,
        (_R.CREATED, _G.DECLINED): _R.FAILED,
        (_R.CREATED, _G.LOST_SIGHT): _R.UNKNOWN,
        (_R.PROCESSING, _G.SENT): _R.PROCESSING,
        (_R.PROCESSING, _G.PROCESSED): _R.PROCESSED,
        (_R.PROCESSING, _G.DECLINED): _R.FAILED,
        (_R.PROCESSING, _G.LOST_SIGHT): _R.UNKNOWN,
        (_R.UNKNOWN, _G.SENT): _R.UNKNOWN,
        (_R.UNKNOWN, _G.LOST_SIGHT): _R.UNKNOWN,
        (_R.UNKNOWN, _G.PROCESSED): _R.PROCESSED,
        (_R.UNKNOWN, _G.DECLINED): _R.FAILED,
    }
)
