"""Pure building blocks: money, ids, clock, errors, secrets. Imports nothing of RizzPay."""
