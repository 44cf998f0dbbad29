"""Claims of Idempotency-Key: one effect a key, byte-equal replays."""
