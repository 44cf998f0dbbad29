"""The Idempotency-Key of a request, and the claim that is made of it."""

import hashlib
import re
from datetime import datetime

import msgspec

from rizzpay.api.bodies import refuse_card_data_in
from rizzpay.api.facts import ApiRequest
from rizzpay.api.routes import Route
from rizzpay.core import ids
from rizzpay.core.errors import Refused
from rizzpay.idempotency.model import Claim

HEADER = "Idempotency-Key"
IN_ENVIRONMENT = "HTTP_IDEMPOTENCY_KEY"
# Names that a merchant's code may know from elsewhere, by operation: Razorpay's refunds.
ALIASES = {"createRefund": "X-Refund-Idempotency"}
KEY = re.compile(r"[A-Za-z0-9_:.\-]{8,255}")


def read_key(req: ApiRequest, route: Route) -> str | None:
    """Return the key in plain or quoted form; raises Refused when it is needed and not there."""
    header: str | None = req.env.get(IN_ENVIRONMENT)
    if header is None and route.operation in ALIASES:
        header = req.get_header(ALIASES[route.operation])
    if header is not None:
        refuse_card_data_in(header, HEADER)
    if route.idempotency == "no" or header is None:
        if route.idempotency == "required":
            raise Refused("idempotency_key_required", param=HEADER)
        return None
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':  # a string of RFC 8941
        key = key[1:-1]
    if not KEY.fullmatch(key):
        raise Refused("idempotency_key_invalid", param=HEADER)
    return key


def claim(req: ApiRequest, kind: str, now: datetime) -> Claim | None:
    """Return the claim of a request under a new id of `kind`; None when it has no key."""
    key = req.facts.idempotency_key
    if key is None:
        return None
    return Claim(
        tenant=req.caller.tenant,
        key=key,
        request_hash=_hash(req),
        request_id=req.facts.request_id,
        object_id=ids.new_id(kind, now),
        created_at=now,
    )


def required_claim(req: ApiRequest, kind: str, now: datetime) -> Claim:
    """Return the claim of a request on a route that needs a key."""
    found = claim(req, kind, now)
    if found is None:
        raise Refused("idempotency_key_required", param=HEADER)
    return found


def _hash(req: ApiRequest) -> bytes:
    """Hash method, path, merchant and body; the order of fields and blanks do not matter."""
    about = f"{req.method}\n{req.path}\n{req.caller.tenant.merchant_id}\n"
    body = msgspec.json.encode(req.facts.plain_body, order="sorted")
    return hashlib.sha256(about.encode() + body).digest()
