"""Append-only trail: written with the change, sealed into a hash chain, signed by the HSM."""
