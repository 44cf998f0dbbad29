"""Run in a process of its own, because gevent has to patch first: kill greenlets that wait.

Prints one JSON object: the pool's size and how many of its connections are usable at the end.
"""

# ruff: noqa: E402 - gevent has to patch before anything else is imported
from gevent import monkey

monkey.patch_all()

import json
import sys

import gevent
import msgspec

from rizzpay.config import DatabaseSettings
from rizzpay.infra.database import Database, Role

SIZE = 4
SLEEP = "SELECT pg_sleep(%(seconds)s)"


def use(database: Database, seconds: float) -> None:
    with database.transaction() as conn:
        conn.execute(SLEEP, {"seconds": seconds})


def main() -> None:
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=DatabaseSettings)
    database = Database(settings, Role.APP, size=SIZE)
    gevent.joinall([gevent.spawn(use, database, 0) for _ in range(SIZE)], raise_error=True)
    busy = [gevent.spawn(use, database, 0.6) for _ in range(SIZE)]
    gevent.sleep(0.1)
    waiting = [gevent.spawn(use, database, 0) for _ in range(8)]
    gevent.sleep(0.1)
    gevent.killall(waiting)
    gevent.joinall(busy, raise_error=True)
    running = [gevent.spawn(use, database, 5) for _ in range(2)]
    gevent.sleep(0.1)
    gevent.killall(running)
    again = [gevent.spawn(use, database, 0.05) for _ in range(3 * SIZE)]
    gevent.joinall(again, timeout=10)
    usable = sum(greenlet.successful() for greenlet in again)
    stats = database.stats()
    database.close()
    print(json.dumps({"size": stats.size, "available": stats.available, "served": usable}))


if __name__ == "__main__":
    main()
