"""A pool's connections, the one that was used last first.

psycopg_pool hands its connections out in turn, so that each is cold when it comes to work: its
server process has lost the processor's caches to all the others. Here whoever comes gets the
connection that was given back last, and the others are touched only when more are needed at once.
"""

from typing import TYPE_CHECKING

from psycopg.pq import TransactionStatus

from rizzpay.core import clock

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from rizzpay.infra.database import Connection

LOAN_MAX_S = 300.0  # then it goes back to the pool, which ends connections that are too old


class HotFirst:
    """Borrows from a pool and keeps what nobody uses, at most as many as were used at once."""

    def __init__(self, pool: "ConnectionPool[Connection]") -> None:
        """`pool` makes, replaces and ends connections."""
        self._pool = pool
        self._idle: list[Connection] = []
        self._since_s: dict[int, float] = {}  # when each was borrowed, by its identity

    def __len__(self) -> int:
        """Return how many nobody uses."""
        return len(self._idle)

    def take(self) -> "Connection":
        """Return a connection; raises PoolTimeout as the pool does."""
        if self._idle:
            return self._idle.pop()
        conn = self._pool.getconn()
        self._since_s[id(conn)] = clock.monotonic_s()
        return conn

    def give(self, conn: "Connection") -> None:
        """Take a connection back; one that is broken or old is the pool's matter."""
        sound = not conn.closed and conn.pgconn.transaction_status == TransactionStatus.IDLE
        young = clock.monotonic_s() < self._since_s[id(conn)] + LOAN_MAX_S
        if sound and young and not self._pool.closed:
            self._idle.append(conn)
        else:
            self._return(conn)

    def give_all_back(self) -> None:
        """Give the pool what nobody uses."""
        while self._idle:
            self._return(self._idle.pop())

    def _return(self, conn: "Connection") -> None:
        del self._since_s[id(conn)]
        self._pool.putconn(conn)
