"""Merchants, their API keys, tiers and limits."""
