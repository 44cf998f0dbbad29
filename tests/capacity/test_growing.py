"""Growing: made-up payments are as whole as real ones, come once, and stay out of real books."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest
from click.testing import CliRunner

from capacity.commands.grow import command
from capacity.errors import Unfit, WrongUse
from capacity.growing import filling
from capacity.growing.filling import CHUNK, Plan
from rizzpay.audit import service as audit
from rizzpay.core import clock
from rizzpay.infra.database import Database, Role, conninfo
from rizzpay.ledger import service as ledger

pytestmark = pytest.mark.slow

SMALL = Plan(payments=3000, merchants=7, days=100)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
GAPS = """
SELECT merchant_id FROM rizzpay.events
GROUP BY merchant_id, livemode
HAVING count(*) <> max(sequence) OR min(sequence) <> 1
UNION ALL
SELECT merchant_id FROM rizzpay.event_counters AS c
WHERE last_sequence <> (SELECT max(sequence) FROM rizzpay.events AS e
                        WHERE e.merchant_id = c.merchant_id AND e.livemode = c.livemode)
"""
COUNTS = """
SELECT (SELECT count(*) FROM rizzpay.payments), (SELECT count(*) FROM rizzpay.payment_attempts),
       (SELECT count(DISTINCT merchant_id) FROM rizzpay.payments),
       (SELECT count(*) FROM rizzpay.refunds), (SELECT count(*) FROM rizzpay.payers)
"""
MONTHS_OF_EVENTS = "SELECT count(DISTINCT tableoid) FROM rizzpay.events"
IN_REST = "SELECT sum(heap_bytes) FROM rizzpay.partitions WHERE is_rest"


@pytest.fixture
def toml(own_database, tmp_path):
    """An installation's settings file, as far as growing reads it."""

    def write(deployment="embedded", *, livemode=False):
        path = tmp_path / "rizzpay.toml"
        values = msgspec.to_builtins(own_database).items()
        database = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values)
        path.write_text(
            f'[service]\ndeployment = "{deployment}"\n[gateways.a]\n'
            f"livemode = {str(livemode).lower()}\n[database]\n{database}\n"
        )
        return path

    return write


@pytest.fixture
def reader(own_database):
    with psycopg.connect(conninfo(own_database, Role.WORKER), autocommit=True) as conn:
        yield conn


@pytest.fixture
def worker(own_database):
    database = Database(own_database, Role.WORKER, size=1)
    yield database
    database.close()


def grow(toml, plan):
    return filling.grow(filling.target(toml()), plan, lambda *_: None)


def test_books_trail_and_numbers_are_whole_after_growing(toml, worker, reader):
    report = grow(toml, SMALL)
    assert (report.payments, report.added, report.complete) == (3000, 3000, True)
    with worker.transaction() as conn:
        (proof,) = ledger.prove(conn)
    assert (proof.posted, proof.pending, proof.drifted_accounts) == (0, 0, 0)
    found = audit.verify(worker, {}, clock.now())
    assert found.ok
    assert (found.unsealed, report.unsealed) == (0, False)
    assert reader.execute(GAPS).fetchall() == []
    payments, attempts, merchants, refunds, payers = reader.execute(COUNTS).fetchone()
    assert (payments, attempts, merchants, payers) == (3000, 3000, 7, 600)
    assert refunds > 0


def test_events_lie_in_the_months_of_their_payments(toml, reader):
    grow(toml, SMALL)
    assert reader.execute(MONTHS_OF_EVENTS).fetchone()[0] >= 4
    assert reader.execute(IN_REST).fetchone() == (0,)


def test_growing_again_adds_only_what_is_missing(toml, worker, reader):
    grow(toml, SMALL)
    assert grow(toml, SMALL).added == 0
    assert grow(toml, replace(SMALL, payments=4000)).added == 1000
    assert reader.execute(COUNTS).fetchone()[0] == 4000
    assert reader.execute(GAPS).fetchall() == []
    assert audit.verify(worker, {}, clock.now()).ok


def test_rows_of_others_are_left_to_the_worker_to_seal(toml, worker, reader):
    reader.execute(
        "INSERT INTO rizzpay.audit_log (at, actor, action, object_id) "
        "VALUES (now(), 'operator:a', 'b.c', 'd')"
    )
    assert grow(toml, SMALL).unsealed
    while audit.seal(worker):
        pass
    found = audit.verify(worker, {}, clock.now())
    assert found.ok
    assert found.unsealed == 0


def test_an_interrupted_run_keeps_whole_chunks_and_can_go_on(toml, worker, reader):
    def interrupt(*_):
        raise KeyboardInterrupt

    plan = Plan(payments=3 * CHUNK, merchants=3, streams=1)
    report = filling.grow(filling.target(toml()), plan, interrupt)
    assert not report.complete
    assert report.payments in {CHUNK, 2 * CHUNK}
    assert reader.execute(COUNTS).fetchone()[0] == report.payments
    assert grow(toml, plan).complete
    assert reader.execute(COUNTS).fetchone()[0] == 3 * CHUNK
    assert audit.verify(worker, {}, clock.now()).ok


def test_a_production_deployment_is_refused(toml):
    with pytest.raises(Unfit, match="made-up payments"):
        filling.target(toml("production"))


def test_a_live_gateway_is_refused(toml):
    with pytest.raises(Unfit, match="live payments"):
        filling.target(toml(livemode=True))


def test_a_merchant_that_does_not_exist_is_refused(toml):
    with pytest.raises(WrongUse, match="no merchant mer_X"):
        grow(toml, replace(SMALL, known=("mer_X",)))


def test_the_command_writes_its_report(toml, tmp_path):
    file = tmp_path / "grown.json"
    arguments = ["--payments", "500", "--config", str(toml()), "--json", str(file)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(file.read_text())["payments"] == 500
    assert "500 payments" in result.output


@pytest.mark.parametrize(
    ("payments", "done", "wanted"),
    [
        (10, [], [(1, 10)]),
        (10, [(1, 10)], []),
        (10, [(1, 4)], [(5, 10)]),
        (10, [(4, 6)], [(1, 3), (7, 10)]),
        (5, [(1, 10)], []),
        (CHUNK + 1, [], [(1, CHUNK), (CHUNK + 1, CHUNK + 1)]),
    ],
)
def test_what_is_missing_is_found_between_what_is_there(payments, done, wanted):
    chunks = list(filling.missing(Plan(payments=payments, days=10), done, NOW))
    assert [(one.first, one.last) for one in chunks] == wanted


def test_payments_are_spread_over_the_whole_time():
    first, second = filling.missing(Plan(payments=2 * CHUNK, days=10), [], NOW)
    assert (NOW - first.from_at).days == 10
    assert (NOW - second.from_at).days == 5


def test_a_few_merchants_have_most_of_the_payments():
    ends = filling.shares(50, zipf=True)
    assert len(ends) == 49
    assert ends[0] > 0.2
    assert filling.shares(4, zipf=False) == [0.25, 0.5, 0.75]
