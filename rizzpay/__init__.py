"""RizzPay: a payment gateway that banks and enterprises install on their own servers."""

__version__ = "0.1.0"
