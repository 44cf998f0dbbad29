"""Versions of the rules of routing: proposed by one key, approved by another, never changed.

service  proposing, approving, and what is in force
store    the statements
"""

from rizzpay.gateways.rule_sets.service import RuleSets
from rizzpay.gateways.rule_sets.store import Version

__all__ = ["RuleSets", "Version"]
