"""Stripe, by its hosted Checkout."""
