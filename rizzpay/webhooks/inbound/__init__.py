"""The inbox: gateways' callbacks, kept sealed and once, before anybody says 200."""

from rizzpay.webhooks.inbound.service import (
    Inbox,
    Lag,
    StoredCallback,
    lag,
    load,
    load_all,
    mark_all,
    mark_applied,
    purge,
    seal,
    settle,
    store_callback,
)
from rizzpay.webhooks.inbound.store import Arrived

__all__ = [
    "Arrived",
    "Inbox",
    "Lag",
    "StoredCallback",
    "lag",
    "load",
    "load_all",
    "mark_all",
    "mark_applied",
    "purge",
    "seal",
    "settle",
    "store_callback",
]
