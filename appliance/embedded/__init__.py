"""The embedded appliance: the whole of RizzPay on one machine, from one command."""
