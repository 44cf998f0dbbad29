"""Events out (the outbox and its deliveries) and gateway callbacks in."""
