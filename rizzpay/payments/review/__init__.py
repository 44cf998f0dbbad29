"""Money whose fate is open, and the cases that wait for a person.

model  what is shown of an open matter
store  the statements
desk   the list, and an enquiry at once
"""

from rizzpay.payments.review.store import record

__all__ = ["record"]
