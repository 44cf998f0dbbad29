"""A batch of new payments as one statement: each brings one row for all tables together.

rows   what a new payment writes, packed
store  the statement
"""

from rizzpay.payments.beginnings.rows import Begun, is_plain
from rizzpay.payments.beginnings.store import RowType, insert

__all__ = ["Begun", "RowType", "insert", "is_plain"]
