"""Events and deliveries as values: what is said to merchants, and when it is tried again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rizzpay.core.tenant import Tenant


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event before it has its number; `data` is the object as the API shows it, without
    personal data. `object_sequence` grows with every change of that object."""

    id: str
    tenant: Tenant
    type: str  # payment.captured
    object_id: str
    object_sequence: int
    data: dict[str, Any]
    created_at: datetime
