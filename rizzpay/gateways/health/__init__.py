"""How the gateways are, as all processes of all machines know it within about a second.

model    what is known, as values
service  counts in this process, shares the counts, moves the breakers
store    the statements
"""

from rizzpay.gateways.health.model import Downtime, Key, Rate, Standing, View
from rizzpay.gateways.health.service import Health

__all__ = ["Downtime", "Health", "Key", "Rate", "Standing", "View"]
