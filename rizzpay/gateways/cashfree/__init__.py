"""Cashfree Payments, by orders that are paid on its page."""
