"""An audit entry, its canonical bytes and the hash chain over them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rizzpay.core.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which object. `detail` holds no secret and no personal data."""

    at: datetime
    actor: str  # key id, "worker", "operator:NAME", "gateway:NAME"
    action: str  # subject.verb: payment.captured
    object_id: str
    detail: dict[str, Any]
    tenant: Tenant | None = None
    request_id: str | None = None
