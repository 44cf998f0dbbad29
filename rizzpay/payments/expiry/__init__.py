"""Payments whose customer did not act in time: found in their rows, ended by jobs.

sweep  when the worker looks, and from where on
store  the statement
"""

from rizzpay.payments.expiry.sweep import Sweep

__all__ = ["Sweep"]
