"""SQL of the gateways' health; private to `rizzpay.gateways.health`."""

from collections.abc import Mapping
from datetime import datetime

from rizzpay.gateways.health.model import Downtime, Key, Rate
from rizzpay.gateways.routing.breaker import Breaker, Heard, State
from rizzpay.infra.database import Connection

# In order, so that two processes never wait for each other in a ring.
ADD = """
INSERT INTO rizzpay.gateway_tallies (since, gateway, method, calls, failures, approved, declined)
SELECT %(since)s, gateway, method, calls, failures, approved, declined
FROM unnest(%(gateways)s::text[], %(methods)s::text[], %(calls)s::bigint[], %(failures)s::bigint[],
            %(approved)s::bigint[], %(declined)s::bigint[])
     AS fresh (gateway, method, calls, failures, approved, declined)
ORDER BY gateway, method
ON CONFLICT (since, gateway, method) DO UPDATE
SET calls = rizzpay.gateway_tallies.calls + excluded.calls,
    failures = rizzpay.gateway_tallies.failures + excluded.failures,
    approved = rizzpay.gateway_tallies.approved + excluded.approved,
    declined = rizzpay.gateway_tallies.declined + excluded.declined
"""

RATES = """
SELECT gateway, method, sum(approved)::bigint, sum(declined)::bigint
FROM rizzpay.gateway_tallies
WHERE since >= %(since)s
GROUP BY gateway, method
"""

# What was heard before a breaker moved last is not held against it again.
HEARD = """
SELECT tally.gateway, tally.method, sum(tally.calls)::bigint, sum(tally.failures)::bigint
FROM rizzpay.gateway_tallies AS tally
LEFT JOIN rizzpay.gateway_breakers AS breaker USING (gateway, method)
WHERE tally.since >= %(since)s AND (breaker.since IS NULL OR tally.since >= breaker.since)
GROUP BY tally.gateway, tally.method
"""

BREAKERS = """
SELECT gateway, method, state, since, probes_left, probe_calls, probe_failures, version
FROM rizzpay.gateway_breakers
"""

# Only whoever knows the version before moves it, so of several workers one does.
MOVE = """
INSERT INTO rizzpay.gateway_breakers (gateway, method, state, since, probes_left, probe_calls,
                                      probe_failures, version)
VALUES (%(gateway)s, %(method)s, %(state)s, %(since)s, %(probes_left)s, 0, 0, %(version)s)
ON CONFLICT (gateway, method) DO UPDATE
SET state = excluded.state, since = excluded.since, probes_left = excluded.probes_left,
    probe_calls = 0, probe_failures = 0, version = excluded.version
WHERE rizzpay.gateway_breakers.version = excluded.version - 1
"""

TAKE_PROBE = """
UPDATE rizzpay.gateway_breakers
SET probes_left = probes_left - 1
WHERE gateway = %(gateway)s AND method = %(method)s AND version = %(version)s AND probes_left > 0
"""

ADD_PROBED = """
UPDATE rizzpay.gateway_breakers
SET probe_calls = probe_calls + %(calls)s, probe_failures = probe_failures + %(failures)s
WHERE gateway = %(gateway)s AND method = %(method)s AND version = %(version)s
"""

DOWNTIMES = """
SELECT id, gateway, method, starts_at, ends_at, reason, declared_by, declared_at
FROM rizzpay.gateway_downtimes
WHERE ends_at IS NULL OR ends_at > greatest(starts_at, %(now)s)
ORDER BY starts_at, id
"""

DECLARE = """
INSERT INTO rizzpay.gateway_downtimes (id, gateway, method, starts_at, ends_at, reason,
                                       declared_by, declared_at)
VALUES (%(id)s, %(gateway)s, %(method)s, %(starts_at)s, %(ends_at)s, %(reason)s, %(declared_by)s,
        %(declared_at)s)
"""

# One that has not begun yet ends where it begins: it never was.
END = """
UPDATE rizzpay.gateway_downtimes
SET ends_at = greatest(starts_at, %(now)s)
WHERE id = %(id)s AND (ends_at IS NULL OR ends_at > greatest(starts_at, %(now)s))
"""

FORGET = "DELETE FROM rizzpay.gateway_tallies WHERE since < %(before)s"


def add(conn: Connection, since: datetime, heard: Mapping[Key, tuple[Heard, Rate]]) -> None:
    """Add what a process heard to the slice that begins at `since`."""
    conn.execute(
        ADD,
        {
            "since": since,
            "gateways": [gateway for gateway, _ in heard],
            "methods": [method for _, method in heard],
            "calls": [it.calls for it, _ in heard.values()],
            "failures": [it.failures for it, _ in heard.values()],
            "approved": [rate.approved for _, rate in heard.values()],
            "declined": [rate.declined for _, rate in heard.values()],
        },
    )


def rates(conn: Connection, since: datetime) -> dict[Key, Rate]:
    """Return what all processes heard of the money since a moment."""
    rows = conn.execute(RATES, {"since": since}).fetchall()
    return {(row[0], row[1]): Rate(row[2], row[3]) for row in rows}


def heard(conn: Connection, since: datetime) -> dict[Key, Heard]:
    """Return what all processes heard since a moment and since the breaker moved."""
    rows = conn.execute(HEARD, {"since": since}).fetchall()
    return {(row[0], row[1]): Heard(row[2], row[3]) for row in rows}


def breakers(conn: Connection) -> dict[Key, Breaker]:
    """Return every breaker that was ever open."""
    return {
        (row[0], row[1]): Breaker(State(row[2]), row[3], row[4], Heard(row[5], row[6]), row[7])
        for row in conn.execute(BREAKERS).fetchall()
    }


def move(conn: Connection, key: Key, to: Breaker) -> bool:
    """Write a breaker's next state; False when another worker was faster."""
    values = {
        "gateway": key[0],
        "method": key[1],
        "state": to.state.value,
        "since": to.since,
        "probes_left": to.probes_left,
        "version": to.version,
    }
    return conn.execute(MOVE, values).rowcount == 1


def take_probe(conn: Connection, key: Key, version: int) -> bool:
    """Take leave to send one payment; False when there is none left."""
    values = {"gateway": key[0], "method": key[1], "version": version}
    return conn.execute(TAKE_PROBE, values).rowcount == 1


def add_probed(conn: Connection, key: Key, version: int, probed: Heard) -> None:
    """Say what became of probes; nothing happens when the breaker has moved on."""
    values = {"gateway": key[0], "method": key[1], "version": version}
    conn.execute(ADD_PROBED, {**values, "calls": probed.calls, "failures": probed.failures})


def downtimes(conn: Connection, now: datetime) -> tuple[Downtime, ...]:
    """Return the downtimes that are or will be."""
    return tuple(Downtime(*row) for row in conn.execute(DOWNTIMES, {"now": now}).fetchall())


def declare(conn: Connection, it: Downtime) -> None:
    """Add a downtime."""
    conn.execute(
        DECLARE,
        {
            "id": it.id,
            "gateway": it.gateway,
            "method": it.method,
            "starts_at": it.starts_at,
            "ends_at": it.ends_at,
            "reason": it.reason,
            "declared_by": it.declared_by,
            "declared_at": it.declared_at,
        },
    )


def end(conn: Connection, downtime_id: str, now: datetime) -> bool:
    """End a downtime; False when there is none of that id, or it is over."""
    return conn.execute(END, {"id": downtime_id, "now": now}).rowcount == 1


def forget(conn: Connection, before: datetime) -> None:
    """Remove slices that nobody asks for any more."""
    conn.execute(FORGET, {"before": before})
