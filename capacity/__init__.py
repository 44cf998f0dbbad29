"""Measuring a running RizzPay from outside; imports nothing of it."""
