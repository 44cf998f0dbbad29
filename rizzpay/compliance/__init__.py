"""Compliance: what is demanded of every host, what was found there, and the signed report."""
