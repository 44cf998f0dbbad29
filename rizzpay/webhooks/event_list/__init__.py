"""The list of a merchant's events, in the way of the index that leaves least to look at."""

from rizzpay.webhooks.event_list.store import list_events

__all__ = ["list_events"]
