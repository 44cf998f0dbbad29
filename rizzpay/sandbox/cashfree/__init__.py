"""A server that speaks Cashfree's public wire format and moves no money."""
