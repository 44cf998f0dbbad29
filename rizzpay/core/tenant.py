"""Tenant: whose rows a transaction may touch. Test and live rows never meet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Tenant:
    """A merchant in one mode; PostgreSQL's row-level security is set from it."""

    merchant_id: str
    livemode: bool
