"""The inbox: gateways' callbacks, kept sealed and once, before anybody says 200."""

from rizzpay.webhooks.inbound.service import (
    APPLY_ONE,
    APPLY_SET,
    Inbox,
    Lag,
    StoredCallback,
    apart,
    lag,
    load,
    load_all,
    mark_all,
    mark_applied,
    note,
    numbers,
    purge,
    seal,
    store_callback,
)
from rizzpay.webhooks.inbound.store import Arrived

__all__ = [
    "APPLY_ONE",
    "APPLY_SET",
    "Arrived",
    "Inbox",
    "Lag",
    "StoredCallback",
    "apart",
    "lag",
    "load",
    "load_all",
    "mark_all",
    "mark_applied",
    "note",
    "numbers",
    "purge",
    "seal",
    "store_callback",
]
