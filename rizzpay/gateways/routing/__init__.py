"""Which gateway takes a payment: pure, every input is an argument.

eligibility  which of the configured gateways can take it at all
breaker      when one that fails is left alone, and when it is tried again
rules        conditions, strategies and fees, and which rule a payment meets
strategies   from the able gateways to the order in which they are asked
deciding     a decision with everything that it depends on, so that it can be made again
simulating   a day of payments through gateways that fail, to compare strategies
"""

from rizzpay.gateways.routing.eligibility import CARD_PAGE, NoRoute, Route, choose, kind, kind_of

__all__ = ["CARD_PAGE", "NoRoute", "Route", "choose", "kind", "kind_of"]
