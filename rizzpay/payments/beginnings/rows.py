"""What a new payment writes in all tables together, packed as a row of `rizzpay.beginning`.

No SQL and no decisions. The order is that of the type's columns in migration 0012.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from rizzpay.audit.model import check_detail
from rizzpay.core.values import value
from rizzpay.idempotency import service as idempotency
from rizzpay.idempotency.model import Answer, Claim
from rizzpay.infra.arrays import BIGINT, BOOL, BYTEA, INTEGER, JSON, JSONB, TEXT, TIMESTAMPTZ
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.records import (
    Form,
    RecordArray,
    array,
    bigint,
    binary,
    boolean,
    integer,
    jsonb,
    text,
    timestamptz,
    word,
)
from rizzpay.payments.model import Changes, Later
from rizzpay.payments.types import AttemptKind
from rizzpay.webhooks.model import NewEvent

PAYMENT = (TEXT, TEXT, BOOL, TEXT, BIGINT, TEXT, TEXT, JSONB, TEXT, TEXT, JSONB, TEXT, TEXT, TEXT,
           TEXT, JSONB, INTEGER, INTEGER, TEXT, TIMESTAMPTZ, INTEGER, TIMESTAMPTZ,
           TIMESTAMPTZ)  # fmt: skip
ATTEMPT = (TEXT, TEXT, TIMESTAMPTZ)
CLAIM = (TEXT, BYTEA, TEXT, INTEGER, BYTEA)
ENTRY = (TEXT, TEXT, JSONB)
EVENT = (TEXT, TEXT, INTEGER, JSON)
JOB = (TEXT, TEXT, TIMESTAMPTZ)
NO_METADATA = b"{}"
NO_JOB = (word(None), text(None), timestamptz(None))
FORM = Form(PAYMENT + ATTEMPT + CLAIM + ENTRY + EVENT + JOB)

_json = msgspec.json.Encoder().encode


@value
class Begun(Struct, frozen=True, gc=False):
    """A new payment with its claim, and its answer if there is one already."""

    changes: Changes
    claim: Claim
    answer: Answer | None
    event: NewEvent
    actor: str


def is_plain(changes: Changes, claim: Claim, request_id: str | None) -> bool:
    """Tell whether a decision writes just what a row of `rizzpay.beginning` holds."""
    if len(changes.attempts) != 1:
        return False
    payment, attempt = changes.payment, changes.attempts[0]
    return (
        len(changes.said) == 1
        and len(changes.later) <= 1
        and changes.said[0].refund_id is None
        and not (changes.transfers or changes.refunds or changes.cases or changes.not_any_more)
        and (claim.object_id, claim.request_id) == (payment.id, request_id)
        and claim.created_at == payment.created_at
        and attempt.kind is AttemptKind.AUTHORIZE
        and attempt.amount == payment.money.minor
        and attempt.gateway_reference == payment.gateway_reference
    )


def packed(row_type: int, envelope: Envelope, begun: Sequence[Begun]) -> RecordArray:
    """Pack a batch, in the order in which claims are locked; all are of one mode.

    Raises ValueError when the detail of an audit entry is not plain.
    """
    left = Counter([one.claim.tenant.merchant_id for one in begun])
    bodies = idempotency.sealed(envelope, [(one.claim, one.answer) for one in begun])
    rows = []
    for one, body in zip(begun, bodies, strict=True):
        merchant_id = one.claim.tenant.merchant_id
        left[merchant_id] -= 1
        rows.append((merchant_id, one.claim.key, _row(one, body, left[merchant_id])))
    rows.sort()
    return array(row_type, [row for _, _, row in rows])


def _row(one: Begun, body: bytes | None, behind: int) -> bytes:
    """Pack one: `body` is its sealed answer, `behind` how many events of its merchant follow."""
    changes, claim, event, answer = one.changes, one.claim, one.event, one.answer
    it, attempt, later = changes.payment, changes.attempts[0], changes.later
    detail = {**changes.note, "status": it.status.value}
    check_detail(detail)
    updated_at = timestamptz(it.updated_at)
    return FORM.pack(
        (
            text(it.id),
            word(it.tenant.merchant_id),
            boolean(it.tenant.livemode),
            text(it.status),
            bigint(it.money.minor),
            word(it.money.currency),
            text(it.capture_method),
            jsonb(_json(it.method)),
            text(it.reference),
            text(it.description),
            jsonb(_json(it.metadata) if it.metadata else NO_METADATA),
            text(it.return_url),
            text(it.payer_id),
            word(it.gateway),
            text(it.gateway_reference),
            jsonb(None if it.next_action is None else _json(it.next_action)),
            integer(it.fee_basis_points),
            integer(it.gst_basis_points),
            word(it.late_authorization),
            timestamptz(it.expires_at),
            integer(it.version),
            timestamptz(it.created_at),
            updated_at,
            text(attempt.id),
            text(attempt.status),
            updated_at if attempt.created_at is it.updated_at else timestamptz(attempt.created_at),
            text(claim.key),
            binary(claim.request_hash),
            text(claim.request_id),
            integer(answer.status if answer else None),
            binary(body),
            word(one.actor),
            word(changes.action),
            jsonb(_json(detail)),
            text(event.id),
            word(event.type),
            integer(behind),
            binary(event.json()),
            *(_job(later[0]) if later else NO_JOB),
        )
    )


def _job(later: Later) -> tuple[bytes, bytes, bytes]:
    return word(later.kind), text(later.key), timestamptz(later.run_at)
