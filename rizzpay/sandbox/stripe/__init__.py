"""A server that speaks Stripe's public wire format and moves no money, to test a connector."""
