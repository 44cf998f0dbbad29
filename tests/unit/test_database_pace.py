"""How soon a lost connection to PostgreSQL is tried again."""

from psycopg_pool.base import AttemptWithBackoff

from rizzpay.infra import database


def test_a_lost_connection_is_tried_again_at_an_even_pace():
    assert database.ConnectionPool  # whose import sets the pace
    attempt = AttemptWithBackoff(timeout=60)
    waits = []
    for now in range(20):
        attempt.update_delay(now)
        waits.append(attempt.delay)
    assert max(waits) < 0.6
    assert min(waits) > 0.4
