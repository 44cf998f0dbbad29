"""The look for payments that wait for their customer and whose time is up.

A payment says itself until when it waits, and an index holds those that do, so that the many which
are paid in time never have a job. Any number of workers may look side by side.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from rizzpay.core import clock
from rizzpay.infra.database import Database
from rizzpay.infra.jobs import BEGINNING
from rizzpay.infra.pipeline import Draft, Sender, Sent
from rizzpay.payments.expiry import store

MOST = 500  # payments a transaction
LATE_S = 60.0  # a payment may begin to wait that long after its time was up
ALL_EVERY_S = 60.0  # between looks at everything that is over


Queue = Callable[[Sender, datetime, datetime, int], Sent]  # from, until, how many at most


class Sweep:
    """Queues the end of payments whose time is up, or of what else `queue` finds."""

    def __init__(self, database: Database, queue: Queue = store.queue) -> None:
        """Take the worker's pool; the first look is at everything."""
        self._database = database
        self._queue_over = queue
        self._since = BEGINNING
        self._all_at_s = clock.monotonic_s() + ALL_EVERY_S

    def queue_expired(self) -> int:
        """Queue what has expired since the last look; return how many that were."""
        now = clock.now()
        if clock.monotonic_s() >= self._all_at_s:
            self._since, self._all_at_s = BEGINNING, clock.monotonic_s() + ALL_EVERY_S
        queued = 0
        while (more := self._queue(now)) == MOST:
            queued += more
        self._since = now - timedelta(seconds=LATE_S)
        return queued + more

    def _queue(self, now: datetime) -> int:
        draft = Draft()
        sent = self._queue_over(draft, self._since, now, MOST)
        self._database.run(draft)
        return sent.count
