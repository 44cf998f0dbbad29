"""How attempts were routed, kept with them, and payments that went on to another gateway.

store  the statements
"""

from rizzpay.payments.decisions.store import get, insert, reroute

__all__ = ["get", "insert", "reroute"]
