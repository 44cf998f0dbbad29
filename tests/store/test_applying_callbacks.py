"""The worker's handler of callbacks on a real database: a set with everything in it."""

import hashlib
import hmac
import json
from contextlib import contextmanager
from dataclasses import dataclass

import gevent
import pytest
from psycopg.errors import UniqueViolation

from rizzpay import worker as composition
from rizzpay.api.views import Renderer
from rizzpay.config import CacheSettings, Config, GatewaySettings, HsmSettings, Service
from rizzpay.core import clock, ids
from rizzpay.gateways import catalog
from rizzpay.infra import jobs
from rizzpay.infra.database import Database, Role
from rizzpay.infra.envelope import Envelope, Unreadable
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.http_client import HttpClient
from rizzpay.infra.jobs import Done
from rizzpay.ledger import service as ledger
from rizzpay.payments.assembly import assemble
from rizzpay.payments.resolving import Resolver
from rizzpay.webhooks import inbound
from rizzpay.webhooks.service import Webhooks
from tests.store.people import new_tenant
from tests.store.test_writer import intent, keys_in_memory

SECRET = "made-for-this-test-0123456789abcdef"
JOBS = "SELECT kind, count(*) FROM rizzpay.jobs WHERE kind LIKE 'callback%' GROUP BY kind"
CAPTURES = """
SELECT payment_id, count(*) FROM rizzpay.ledger_transfers WHERE code = 'capture'
GROUP BY payment_id
"""
EVENTS = """
SELECT type, count(*) FROM rizzpay.events WHERE type LIKE 'payment.captured%' GROUP BY type
"""
# What our own decisions never bring about: the next one that succeeds is refused by an index.
SECOND_SUCCESS = """
INSERT INTO rizzpay.payment_attempts
    (id, payment_id, merchant_id, livemode, kind, status, amount, gateway, created_at, updated_at)
SELECT id || '2', payment_id, merchant_id, livemode, kind, 'approved', amount, gateway, created_at,
       updated_at
FROM rizzpay.payment_attempts WHERE payment_id = %(payment_id)s
"""


@dataclass
class Desk:
    """A worker's parts on one database, and what the API and the acquirer do before them."""

    parts: composition.Parts
    tenant: object

    def begin(self):
        """Write a payment that is under way and return (payment id, attempt id)."""
        write, attempt_id = intent(self.tenant)
        self.parts.resolver.parts.writer.submit(write)
        return write.payment_id, attempt_id

    def send(self, attempt_id, **said):
        """Keep a callback as the API would; returns its number."""
        return self.send_together([(attempt_id, said)])[0]

    def send_together(self, wanted):
        """Keep callbacks that came at once: they have one job; returns their numbers."""
        arrived = [self._arrived(attempt_id, **said) for attempt_id, said in wanted]
        inbox = inbound.Inbox(self.parts.database)
        kept = [gevent.spawn(inbox.keep, one) for one in arrived]
        gevent.joinall(kept, timeout=30, raise_error=True)
        inbox.close()
        return [one.provider_event_id for one in arrived]

    def _arrived(self, attempt_id, *, secret=SECRET, seal_as=None, **said):
        now = clock.now()
        number = ids.new_id("event", now)
        result = {
            "attempt_id": attempt_id,
            "kind": "charge",
            "reference": f"ch_{attempt_id}",
            "status": "approved",
            "captured": said.get("status") != "declined",
            "amount": 10_000,
            "currency": "INR",
            **said,
        }
        body = json.dumps({"result": result}).encode()
        stamp = str(clock.unix_s(now))
        message = f"{number}.{stamp}.".encode() + body
        headers = {
            "x-sandbox-id": number,
            "x-sandbox-timestamp": stamp,
            "x-sandbox-signature": hmac.new(secret.encode(), message, hashlib.sha256).hexdigest(),
        }
        sealed = inbound.seal(self.parts.envelope, "sandbox", seal_as or number, headers, body)
        return inbound.Arrived("sandbox", number, sealed, now)

    def lease(self):
        limits = dict.fromkeys((inbound.APPLY_ONE, inbound.APPLY_SET), 100)
        with self.parts.database.transaction() as conn:
            return jobs.lease(conn, clock.now(), limits, 60)

    def work(self, leased=None):
        """Apply what is leased and finish it as the loop of jobs does; returns what failed."""
        leased = self.lease() if leased is None else leased
        results = composition.apply_callbacks(self.parts, leased)
        done = [job for job, result in zip(leased, results, strict=True) if result == Done()]
        with self.parts.database.transaction() as conn:
            jobs.finish(conn, *done)
        return [result for result in results if result != Done()]

    def results(self):
        """Return what was noted for each callback, by its number."""
        with self.parts.database.transaction() as conn:
            return dict(
                conn.execute(
                    "SELECT provider_event_id, result FROM rizzpay.gateway_callbacks"
                ).fetchall()
            )

    def statuses(self):
        with self.parts.database.transaction() as conn:
            return dict(conn.execute("SELECT id, status FROM rizzpay.payments").fetchall())

    def count(self, query):
        with self.parts.database.transaction() as conn:
            return dict(conn.execute(query).fetchall())


@pytest.fixture
def desk(own_database, tmp_path):
    with open_desk(own_database, tmp_path) as made:
        yield made


@contextmanager
def open_desk(own_database, tmp_path, **gateway):
    """Make a desk; `gateway` are more settings of its only gateway."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    config = Config(
        service=Service("embedded", str(tmp_path), "https://127.0.0.1:8443", str(tmp_path)),
        database=own_database,
        cache=CacheSettings(socket=str(tmp_path / "none.sock")),
        hsm=HsmSettings(str(tmp_path / "none.sock"), "", "", "", ""),
        gateways={
            "sandbox": GatewaySettings(
                kind="sandbox",
                base_url="http://127.0.0.1:9",
                livemode=False,
                key_id="key",
                secret_file=str(secret),
                callback_secret_file=str(secret),
                **gateway,
            )
        },
    )
    database, http = Database(own_database, Role.WORKER, size=4), HttpClient()
    envelope, gateways = Envelope(keys_in_memory), catalog.build(config, http)
    payments = assemble(config, database, envelope, gateways, Renderer())
    tenant = new_tenant()
    with database.transaction() as conn:
        conn.execute(
            "INSERT INTO rizzpay.merchants (id, name, mcc, requests_per_minute, created_at) "
            "VALUES (%s, 'Shop', '5411', 100, now())",
            (tenant.merchant_id,),
        )
    yield Desk(
        composition.Parts(
            config=config,
            database=database,
            envelope=envelope,
            hsm=HsmClient(config.hsm.socket),
            gateways=gateways,
            webhooks=Webhooks(database, envelope, config.webhooks, http),
            resolver=Resolver(payments),
        ),
        tenant,
    )
    payments.close()
    database.close()
    http.close()


@pytest.mark.parametrize("together", [True, False])
def test_a_set_of_callbacks_is_applied_marked_and_finished(desk, together):
    made = [(desk.begin()[1], {}) for _ in range(60)]
    if together:
        numbers = desk.send_together(made)
        assert desk.count(JOBS)[inbound.APPLY_SET] < 6  # a job for what was stored at once
    else:
        numbers = [desk.send(attempt_id) for attempt_id, _ in made]
    with desk.parts.database.transaction() as conn:
        assert inbound.lag(conn, clock.now()).waiting == 60
    assert desk.work() == []
    assert desk.results() == dict.fromkeys(numbers, "applied")
    assert set(desk.statuses().values()) == {"captured"}
    assert desk.count(JOBS) == {}
    with desk.parts.database.transaction() as conn:
        assert inbound.lag(conn, clock.now()).waiting == 0
        assert all(f.posted == f.pending == f.drifted_accounts == 0 for f in ledger.prove(conn))


def test_what_is_bad_in_a_set_spoils_nothing_else(desk):
    made = [desk.begin() for _ in range(10)]
    *good, forged, nobodys, moved = desk.send_together(
        [
            *((attempt_id, {}) for _, attempt_id in made),
            (made[0][1], {"secret": "another-secret-0123456789"}),
            (ids.new_id("attempt", clock.now()), {}),
            (made[0][1], {"seal_as": "evt_another"}),
        ]
    )
    assert desk.work() == []
    noted = {
        **dict.fromkeys(good, "applied"),
        forged: "unreadable: the signature is wrong",
        nobodys: "unknown_object",
        moved: None,
    }
    assert desk.results() == noted
    assert desk.count(JOBS) == {inbound.APPLY_ONE: 1}  # on its own now, and counts as lag
    assert [type(error) for error in desk.work()] == [Unreadable]
    assert desk.results() == noted
    assert desk.count(JOBS) == {inbound.APPLY_ONE: 1}  # it comes back


def test_more_callbacks_than_are_applied_at_once_are_all_applied(desk, monkeypatch):
    monkeypatch.setattr(composition, "CALLBACKS_AT_ONCE", 7)
    numbers = desk.send_together([(desk.begin()[1], {}) for _ in range(30)])
    assert desk.work() == []
    assert desk.results() == dict.fromkeys(numbers, "applied")


def test_many_callbacks_for_one_payment_in_one_set_take_the_money_once(desk):
    payment_id, attempt_id = desk.begin()
    desk.send_together([(attempt_id, {})] * 20)
    desk.send(attempt_id, status="declined")
    assert desk.work() == []
    assert desk.statuses() == {payment_id: "captured"}
    assert desk.count(CAPTURES) == {payment_id: 1}
    assert desk.count(EVENTS) == {"payment.captured": 1}
    assert set(desk.results().values()) == {"applied"}


def test_two_sets_at_once_about_the_same_payments_take_the_money_once(desk):
    made = [(desk.begin()[1], {}) for _ in range(30)]
    desk.send_together(made)
    desk.send_together(list(reversed(made)))
    sets = [gevent.spawn(desk.work, [job]) for job in desk.lease()]
    assert len(sets) > 1
    gevent.joinall(sets, timeout=30, raise_error=True)
    assert set(desk.statuses().values()) == {"captured"}
    assert set(desk.count(CAPTURES).values()) == {1}
    assert len(desk.count(CAPTURES)) == 30


def test_a_set_that_was_applied_but_not_finished_is_finished_without_doing_it_again(desk):
    made = [desk.begin() for _ in range(3)]
    desk.send_together([(attempt_id, {}) for _, attempt_id in made])
    leased = desk.lease()
    composition.apply_callbacks(desk.parts, leased)  # and the worker dies before the end
    with desk.parts.database.transaction() as conn:
        conn.execute("UPDATE rizzpay.jobs SET lease_until = now()")
        jobs.enqueue(conn, inbound.apart([999_999], clock.now()))
    assert desk.work() == []
    assert desk.count(CAPTURES) == {payment_id: 1 for payment_id, _ in made}
    assert desk.count(JOBS) == {}


def test_a_callback_that_the_database_refuses_is_neither_noted_nor_finished(desk):
    made = [desk.begin() for _ in range(6)]
    with desk.parts.database.transaction() as conn:
        conn.execute(SECOND_SUCCESS, {"payment_id": made[5][0]})
    *good, bad = desk.send_together([(attempt_id, {}) for _, attempt_id in made])
    assert desk.work() == []
    assert [type(error) for error in desk.work()] == [UniqueViolation]
    assert desk.results() == {**dict.fromkeys(good, "applied"), bad: None}
    assert desk.count(JOBS) == {inbound.APPLY_ONE: 1}


def test_a_job_that_was_lost_to_another_worker_is_not_finished_with_what_was_applied(desk):
    payment_id, attempt_id = desk.begin()
    number = desk.send(attempt_id)
    mine = desk.lease()
    with desk.parts.database.transaction() as conn:  # the lease ran out and somebody else took it
        conn.execute("UPDATE rizzpay.jobs SET lease_until = now()")
    others = desk.lease()
    assert desk.work(mine) == []
    assert desk.results() == {number: "applied"}
    assert desk.count(JOBS) == {inbound.APPLY_SET: 1}
    assert desk.work(others) == []
    assert desk.count(CAPTURES) == {payment_id: 1}
    assert desk.count(JOBS) == {}


def test_what_is_applied_is_noted_by_the_same_commit(desk):
    payment_id, attempt_id = desk.begin()
    number = desk.send(attempt_id)
    assert desk.work() == []
    with desk.parts.database.transaction() as conn:
        (transaction,) = conn.execute(
            "SELECT array_agg(DISTINCT xmin::text) FROM ("
            "  SELECT xmin FROM rizzpay.payments WHERE id = %s"
            "  UNION ALL SELECT xmin FROM rizzpay.ledger_transfers WHERE payment_id = %s"
            "  UNION ALL SELECT xmin FROM rizzpay.gateway_callbacks WHERE provider_event_id = %s"
            ") AS written",
            (payment_id, payment_id, number),
        ).fetchone()
    assert len(transaction) == 1
