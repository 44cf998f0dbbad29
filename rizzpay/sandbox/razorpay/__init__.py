"""A server that speaks Razorpay's public wire format and moves no money, to test a connector."""
