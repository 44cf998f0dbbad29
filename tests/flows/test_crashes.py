"""kill -9 and FLUSHALL under load: no acknowledged payment is lost, none is taken twice.

The load is careful clients: each keeps one idempotency key until it has an answer. Afterwards the
sandbox acquirer, which remembers what it really did, is compared with our books.
"""

import os
import secrets
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from rizzpay.audit import service as audit
from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.ledger import service as ledger
from tests.flows.merchant import Merchant, Response
from tests.flows.sandbox_books import really_done

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]

LOAD_S = 6.0
CLIENTS = 8
# Enquiries are due 30 s after a request; these have waited for five of them, and a request that
# was cut off so long ago is not on its way to the acquirer any more.
ENQUIRE_NOW = """
UPDATE rizzpay.jobs SET run_at = now() WHERE id IN (
    SELECT id FROM rizzpay.jobs WHERE kind IN ('attempt.resolve', 'refund.resolve')
    AND run_at BETWEEN now() AND now() + interval '25 seconds' FOR UPDATE SKIP LOCKED
)
"""
SETTLED = {"captured", "failed", "authorized", "cancelled", "expired"}
TOKENS = ["tok_approve"] * 7 + ["tok_decline_generic", "tok_duplicate_callback"]


@dataclass
class Journal:
    """What clients were told."""

    answers: dict[str, Response] = field(default_factory=dict)
    refunds: dict[str, Response] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


class Load:
    """Clients that pay and refund until told to stop."""

    def __init__(self, merchant: Merchant) -> None:
        self.merchant = merchant
        self.journal = Journal()
        self.until = time.monotonic() + LOAD_S
        self.threads = [threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self.threads:
            thread.join(150)

    @property
    def is_on(self) -> bool:
        """Tell whether a client still waits for an answer."""
        return any(thread.is_alive() for thread in self.threads)

    def _client(self, number: int) -> None:
        count = 0
        while time.monotonic() < self.until:
            count += 1
            key = secrets.token_hex(12)
            token = TOKENS[(number + count) % len(TOKENS)]
            body = {
                "amount": 10_000 + 100 * number,
                "method": {"type": "card", "token": token},
                "reference": key,
            }
            try:
                answer = self.merchant.persist("/v1/payments", body, key)
                self.journal.answers[key] = answer
                if answer.status == 201 and count % 3 == 0:
                    self._refund(answer.json()["id"])
            except TimeoutError as error:
                self.journal.errors.append(str(error))

    def _refund(self, payment_id: str) -> None:
        key = secrets.token_hex(12)
        body = {"payment_id": payment_id, "amount": 100}
        self.journal.refunds[key] = self.merchant.persist("/v1/refunds", body, key)


def enquire_now(database) -> None:
    """Let enquiries be due, as time would; a database that is not back yet comes later."""
    with suppress(Unavailable), database.transaction() as conn:
        conn.execute(ENQUIRE_NOW)


def wait_until_nothing_is_open(database, deadline_s: float = 120.0) -> None:
    """Wait for the resolver, whose enquiries are brought forward."""
    end = time.monotonic() + deadline_s
    while True:
        enquire_now(database)
        with database.transaction() as conn:
            payments = conn.execute(
                "SELECT count(*) FROM rizzpay.payments WHERE status IN ('processing', 'unknown')"
            ).fetchone()
            refunds = conn.execute(
                "SELECT count(*) FROM rizzpay.refunds WHERE status NOT IN ('processed', 'failed')"
            ).fetchone()
        if payments[0] == 0 and refunds[0] == 0:
            return
        assert time.monotonic() < end, f"still open: {payments[0]} payments, {refunds[0]} refunds"
        time.sleep(0.5)


def check_everything(appliance, database, journal: Journal) -> None:
    """The oracle: acknowledgements, the acquirer's books, our books, the outbox, the trail."""
    assert not journal.errors
    wait_until_nothing_is_open(database)
    with database.transaction() as conn:
        rows = conn.execute(
            "SELECT id, reference, status, amount_captured, amount_refunded, gateway_reference "
            "FROM rizzpay.payments"
        ).fetchall()
    by_reference = Counter(row[1] for row in rows if row[1])
    ours = {row[0]: row for row in rows}
    for key, answer in journal.answers.items():
        assert by_reference[key] == 1, f"{key} exists {by_reference[key]} times"
        if answer.status == 201:
            assert ours[answer.json()["id"]][1] == key
            assert ours[answer.json()["id"]][2] in SETTLED
    done = really_done(appliance)
    for payment_id, row in ours.items():
        if row[2] == "conflicted":  # another test's: the acquirer took another amount
            done.pop(payment_id, None) or done.pop(row[5], None)
            continue
        theirs = done.pop(payment_id, None) or done.pop(row[5], None)
        captured, refunded = (theirs.captured, theirs.refunded) if theirs else (0, 0)
        assert (row[3], row[4]) == (captured, refunded), f"{payment_id}: {row} but {theirs}"
        assert theirs is None or theirs.charges <= 1
    assert done == {}, "the acquirer took money that is nobody's"
    with database.transaction() as conn:
        for found in ledger.prove(conn):
            assert (found.posted, found.pending, found.drifted_accounts) == (0, 0, 0)
        gaps = conn.execute(
            "SELECT merchant_id FROM rizzpay.events GROUP BY merchant_id, livemode "
            "HAVING count(*) <> max(sequence) OR min(sequence) <> 1"
        ).fetchall()
        unsaid = conn.execute(
            "SELECT p.id FROM rizzpay.payments p WHERE p.status = 'captured' AND NOT EXISTS "
            "(SELECT FROM rizzpay.events e "
            " WHERE e.object_id = p.id AND e.type = 'payment.captured')"
        ).fetchall()
    assert (gaps, unsaid) == ([], [])
    assert audit.verify(database, appliance.audit_public_keys(), clock.now()).ok


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def wait_for_new(appliance, name: str, old: object, deadline_s: float = 30.0) -> None:
    """Wait until the supervisor has put something new in the place of what was killed."""
    end = time.monotonic() + deadline_s
    while not _replaced(appliance.pids().get(name), old):
        assert time.monotonic() < end, f"{name} did not come back"
        time.sleep(0.1)


def _replaced(now: object, old: object) -> bool:
    """Tell whether all are there and not the same; between the two some are missing."""
    if isinstance(old, list):
        return isinstance(now, list) and len(now) == len(old) and now != old
    return now is not None and now != old


@pytest.mark.parametrize("victim", ["api", "worker", "postgres", "hsmd"])
def test_a_kill_under_load_loses_and_doubles_nothing(appliance, merchant, database, victim):
    with Load(merchant) as load:
        for _ in range(2):
            time.sleep(1)
            old = appliance.pids()[victim]
            kill(old[0] if isinstance(old, list) else old)
            wait_for_new(appliance, victim, old)
        while load.is_on:  # a request that was cut off has its answer when its outcome is known
            enquire_now(database)
            time.sleep(0.5)
    assert sum(answer.status == 201 for answer in load.journal.answers.values()) > 20
    check_everything(appliance, database, load.journal)


def test_an_emptied_cache_under_load_loses_and_doubles_nothing(
    appliance, merchant, database, settings
):
    import redis

    cache = redis.Redis(
        unix_socket_path=settings.cache.socket,
        password=_password(settings.cache.password_file),
    )
    with Load(merchant) as load:
        while time.monotonic() < load.until - 1:
            cache.flushall()
            time.sleep(0.2)
    cache.close()
    statuses = Counter(answer.status for answer in load.journal.answers.values())
    assert set(statuses) <= {201, 402}, statuses
    check_everything(appliance, database, load.journal)


def _password(path: str) -> str | None:
    if not path:
        return None
    return Path(path).read_text(encoding="ascii").strip()
