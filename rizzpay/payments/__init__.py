"""Payments, captures, voids, refunds and what becomes of unknown outcomes."""
