"""The group-commit writer on a real database: batches, bad neighbours, clients that go away."""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import gevent
import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rizzpay.api.views import Renderer
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.core.secret import Secret
from rizzpay.gateways import port
from rizzpay.idempotency.model import Answer, Claim
from rizzpay.infra.envelope import DataKey, Envelope, Keys, Unreadable
from rizzpay.ledger import service as ledger
from rizzpay.payments import authorizing
from rizzpay.payments.model import Clocks
from rizzpay.payments.types import Served
from rizzpay.payments.writer import Rendering, Writer
from rizzpay.payments.writes import Write, Written
from tests.store.people import new_tenant
from tests.unit.test_payment_decisions import approved, new_payment


def keys_in_memory(_: Keys | None) -> Keys:
    """Data keys that no token has wrapped, for tests that are not about the token."""
    made = {}
    for purpose in ("personal", "blind_index", "api_pepper", "webhook_secret", "answer", "cursor"):
        raw = secrets.token_bytes(32)
        made[purpose] = DataKey(f"dek_{purpose}", purpose, True, Secret(raw), AESGCM(raw))
    return Keys({key.id: key for key in made.values()}, made)


@pytest.fixture(scope="module")
def writer(app) -> Iterator[Writer]:
    renderer = Renderer()
    writer = Writer(
        app,
        Envelope(keys_in_memory),
        Rendering(renderer.payment_event, renderer.refund_event, renderer.qr_code_event_json),
        Clocks(first_enquiry_s=30, authorization_expiry_s=3600),
    )
    yield writer
    writer.close()


@pytest.fixture
def tenant(worker):
    tenant = new_tenant()
    with worker.transaction() as conn:
        conn.execute(
            "INSERT INTO rizzpay.merchants (id, name, mcc, requests_per_minute, created_at) "
            "VALUES (%s, 'Shop', '5411', 100, now())",
            (tenant.merchant_id,),
        )
    return tenant


def intent(tenant, *, key: str | None = None, **changed) -> tuple[Write, str]:
    now = clock.now()
    payment = replace(
        new_payment(), id=ids.new_id("payment", now), tenant=tenant, created_at=now, **changed
    )
    attempt_id = ids.new_id("attempt", now)
    beginning = authorizing.Beginning(payment, attempt_id, None)
    claim = Claim(
        tenant, key or secrets.token_hex(8), b"h" * 32, "req_1", payment.id, created_at=now
    )
    write = Write(
        tenant=tenant,
        payment_id=payment.id,
        decide=lambda _, context: authorizing.begin(beginning, context),
        actor="test",
        request_id="req_1",
        claim=claim,
    )
    return write, attempt_id


def conclusion(write: Write, attempt_id: str, outcome: port.Outcome) -> Write:
    return Write(
        tenant=write.tenant,
        payment_id=write.payment_id,
        decide=lambda snapshot, context: authorizing.conclude(
            snapshot, attempt_id, outcome, context
        ),
        actor="gateway:sandbox",
        completes=write.claim.key,
        answer=lambda after, _: Answer(201, after.payment.status.value.encode()),
    )


def taken() -> port.Approved:
    """An approval under a reference of its own; a gateway has it for one payment only."""
    return replace(approved(), gateway_reference=f"gw_{secrets.token_hex(8)}", rrn=None)


def submitted(writer: Writer, writes: list[Write]) -> list:
    """Hand in all at once and return results or exceptions, in order."""
    greenlets = [gevent.spawn(writer.submit, write) for write in writes]
    gevent.joinall(greenlets, timeout=60)
    return [
        greenlet.value if greenlet.successful() else greenlet.exception for greenlet in greenlets
    ]


def count(worker, table: str, tenant) -> int:
    with worker.transaction() as conn:
        row = conn.execute(
            f"SELECT count(*) FROM rizzpay.{table} WHERE merchant_id = %s", (tenant.merchant_id,)
        ).fetchone()
    return row[0]


def test_one_batch_writes_everything_of_every_item(writer, worker, tenant):
    pairs = [intent(tenant) for _ in range(40)]
    first = submitted(writer, [write for write, _ in pairs])
    assert all(isinstance(result, Written) for result in first), first
    second = submitted(writer, [conclusion(write, at, taken()) for write, at in pairs])
    assert {result.answer.body for result in second} == {b"captured"}
    assert count(worker, "payments", tenant) == 40
    assert count(worker, "ledger_transfers", tenant) == 120  # capture, fee, GST
    assert count(worker, "events", tenant) == 80
    with worker.transaction() as conn:
        assert all(f.posted == f.pending == f.drifted_accounts == 0 for f in ledger.prove(conn))
        sequences = conn.execute(
            "SELECT sequence FROM rizzpay.events WHERE merchant_id = %s ORDER BY sequence",
            (tenant.merchant_id,),
        ).fetchall()
    assert [row[0] for row in sequences] == list(range(1, 81))


def test_an_item_that_the_database_refuses_fails_alone(writer, worker, tenant):
    good = [intent(tenant)[0] for _ in range(20)]
    bad = intent(tenant, late_authorization="nonsense")[0]  # a CHECK refuses this row
    results = submitted(writer, [*good[:10], bad, *good[10:]])
    assert isinstance(results[10], psycopg.errors.CheckViolation)
    assert all(isinstance(result, Written) for result in results[:10] + results[11:])
    assert count(worker, "payments", tenant) == 20
    assert count(worker, "idempotency_claims", tenant) == 20


def test_an_item_whose_decision_is_a_bug_fails_alone(writer, worker, tenant):
    good = [intent(tenant)[0] for _ in range(10)]

    def broken(snapshot, context):
        raise ZeroDivisionError

    results = submitted(writer, [*good, replace(intent(tenant)[0], decide=broken)])
    assert isinstance(results[-1], ZeroDivisionError)
    assert count(worker, "payments", tenant) == 10


def test_an_answer_that_was_tampered_with_fails_alone(writer, worker, tenant):
    """What we raise on purpose about one item is no verdict on its neighbours either."""
    write, attempt_id = intent(tenant)
    submitted(writer, [write])
    submitted(writer, [conclusion(write, attempt_id, taken())])
    with worker.transaction() as conn:
        conn.execute(
            "UPDATE rizzpay.idempotency_claims SET response_body = %s WHERE key = %s",
            (bytes(60), write.claim.key),
        )
    good = [intent(tenant)[0] for _ in range(10)]
    results = submitted(writer, [*good[:5], write, *good[5:]])
    assert isinstance(results[5], Unreadable)
    assert all(isinstance(result, Written) for result in results[:5] + results[6:])


def test_a_refused_item_leaves_its_key_free(writer, worker, tenant):
    key = secrets.token_hex(8)

    def no(snapshot, context):
        raise Refused("amount_exceeds_captured")

    refused = replace(intent(tenant, key=key)[0], decide=no)
    assert isinstance(submitted(writer, [refused])[0], Refused)
    assert isinstance(submitted(writer, [intent(tenant, key=key)[0]])[0], Written)


def test_of_one_key_in_one_batch_one_wins_and_the_rest_wait_or_replay(writer, worker, tenant):
    key = secrets.token_hex(8)
    pairs = [intent(tenant, key=key) for _ in range(30)]
    results = submitted(writer, [write for write, _ in pairs])
    won = [number for number, result in enumerate(results) if isinstance(result, Written)]
    assert len(won) == 1
    assert all(r.code == "idempotency_in_progress" for r in results if isinstance(r, Refused))
    write, attempt_id = pairs[won[0]]
    submitted(writer, [conclusion(write, attempt_id, taken())])
    replays = submitted(writer, [write for write, _ in pairs])
    assert all(isinstance(result, Served) and result.replayed for result in replays)
    assert {result.answer.body for result in replays} == {b"captured"}
    assert count(worker, "payments", tenant) == 1


def test_a_client_that_goes_away_changes_nothing(writer, worker, tenant):
    writes = [intent(tenant)[0] for _ in range(20)]
    greenlets = [gevent.spawn(writer.submit, write) for write in writes]
    gevent.sleep(0)
    gevent.killall(greenlets[:10], block=False)
    gevent.joinall(greenlets, timeout=30)
    gevent.sleep(0.5)
    assert all(isinstance(greenlet.value, Written) for greenlet in greenlets[10:])
    assert count(worker, "payments", tenant) == 20


def test_two_writers_never_wait_for_each_other_in_a_ring(app, writer, worker, tenant):
    renderer = Renderer()
    other = Writer(
        app,
        Envelope(keys_in_memory),
        Rendering(renderer.payment_event, renderer.refund_event, renderer.qr_code_event_json),
        Clocks(30, 3600),
    )
    try:
        pairs = [intent(tenant) for _ in range(40)]
        submitted(writer, [write for write, _ in pairs])
        ends = [conclusion(write, at, taken()) for write, at in pairs]
        mine = [gevent.spawn(writer.submit, write) for write in ends[:20] + ends[:20]]
        theirs = [gevent.spawn(other.submit, write) for write in reversed(ends)]
        gevent.joinall(mine + theirs, timeout=60, raise_error=True)
    finally:
        other.close()
    with worker.transaction() as conn:
        captured = conn.execute(
            "SELECT sum(amount) FROM rizzpay.ledger_transfers "
            "WHERE merchant_id = %s AND code = 'capture'",
            (tenant.merchant_id,),
        ).fetchone()
    assert captured[0] == 40 * 10_000


def test_an_rrn_of_another_merchant_ends_in_a_conflict_and_in_an_answer(writer, worker, tenant):
    """The API's role sees no other merchant's payment; the index does."""
    rrn = "".join(secrets.choice("0123456789") for _ in range(12))
    other = new_tenant()
    with worker.transaction() as conn:
        conn.execute(
            "INSERT INTO rizzpay.merchants (id, name, mcc, requests_per_minute, created_at) "
            "VALUES (%s, 'Shop', '5411', 100, now())",
            (other.merchant_id,),
        )
    pairs = [intent(other), *(intent(tenant) for _ in range(9))]
    submitted(writer, [write for write, _ in pairs])
    (first, one), (second, two), *good = pairs
    taken_once = submitted(writer, [conclusion(first, one, replace(taken(), rrn=rrn))])
    assert taken_once[0].answer.body == b"captured"
    results = submitted(
        writer,
        [
            conclusion(second, two, replace(taken(), rrn=rrn)),
            *(conclusion(write, attempt_id, taken()) for write, attempt_id in good),
        ],
    )
    bodies = [result.answer.body for result in results]
    assert bodies == [b"conflicted", *[b"captured"] * 8]
    replay = submitted(writer, [second])[0]
    assert isinstance(replay, Served)
    assert (replay.replayed, replay.answer.body) == (True, b"conflicted")
    assert count(worker, "review_cases", tenant) == 1
    assert count(worker, "review_cases", other) == 0
