"""Claims on a real PostgreSQL: one winner, byte-equal replays, and no claim lost or stolen."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest

from rizzpay.core.tenant import Tenant
from rizzpay.idempotency import service, store
from rizzpay.idempotency.model import (
    Answer,
    Claim,
    InProgress,
    KeyOf,
    Mismatch,
    OpenClaim,
    Replay,
    Won,
)
from rizzpay.infra.envelope import Unreadable
from tests.store.people import NOON, new_id, new_tenant

BODY = '{"id":"pay_1","note":"₹"}\n'.encode()


def new_claim(tenant, **more):
    parts = {
        "tenant": tenant,
        "key": new_id("request"),
        "request_hash": b"\1" * 32,
        "request_id": new_id("request"),
        "object_id": new_id("payment"),
        "created_at": NOON,
    }
    return Claim(**(parts | more))


def again(one, **more):
    return replace(one, request_id=new_id("request"), object_id=new_id("payment"), **more)


def claim(app, envelope, *claims):
    with app.transaction(*{one.tenant for one in claims}) as conn:
        return service.claim(conn, envelope, claims)


def complete(app, envelope, one, answer):
    with app.transaction(one.tenant) as conn:
        return service.complete(conn, envelope, [(one.tenant, one.key, answer)])


def test_the_first_wins_and_the_second_waits_for_its_answer(app, envelope):
    one = new_claim(new_tenant())
    assert claim(app, envelope, one) == [Won()]
    assert claim(app, envelope, again(one)) == [InProgress()]
    assert complete(app, envelope, one, Answer(201, BODY)) == 1
    assert claim(app, envelope, again(one)) == [Replay(Answer(201, BODY))]


def test_another_request_with_the_key_is_a_mismatch_before_and_after_the_answer(app, envelope):
    one = new_claim(new_tenant())
    other = again(one, request_hash=b"\2" * 32)
    claim(app, envelope, one)
    assert claim(app, envelope, other) == [Mismatch(one.request_id)]
    complete(app, envelope, one, Answer(402, BODY))
    assert claim(app, envelope, other) == [Mismatch(one.request_id)]


def test_a_key_belongs_to_one_merchant_in_one_mode(app, envelope):
    one = new_claim(new_tenant())
    elsewhere = again(one, tenant=new_tenant())
    live = again(one, tenant=Tenant(one.tenant.merchant_id, livemode=True))
    assert claim(app, envelope, one, elsewhere) == [Won(), Won()]
    assert claim(app, envelope, live) == [Won()]


def test_results_come_in_the_order_of_the_claims(app, envelope):
    tenant = new_tenant()
    done, busy = new_claim(tenant), new_claim(tenant)
    claim(app, envelope, done, busy)
    complete(app, envelope, done, Answer(200, b""))
    fresh = [new_claim(tenant, key=f"fresh-{number}") for number in (3, 1, 2)]
    mixed = [fresh[0], again(busy), fresh[1], again(done), fresh[2]]
    mixed.append(again(done, request_hash=b"\3" * 32))
    assert claim(app, envelope, *mixed) == [
        Won(),
        InProgress(),
        Won(),
        Replay(Answer(200, b"")),
        Won(),
        Mismatch(done.request_id),
    ]


def test_of_equal_keys_in_one_call_the_first_wins_and_the_rest_are_compared_with_it(app, envelope):
    one = new_claim(new_tenant())
    results = claim(app, envelope, one, again(one), again(one, request_hash=b"\2" * 32))
    assert results == [Won(), InProgress(), Mismatch(one.request_id)]


def test_a_released_key_is_free_again_but_only_its_winner_can_release_it(app, envelope):
    one = new_claim(new_tenant())
    claim(app, envelope, one)
    with app.transaction(one.tenant) as conn:
        service.release(conn, [again(one)])
    assert claim(app, envelope, again(one)) == [InProgress()]
    with app.transaction(one.tenant) as conn:
        service.release(conn, [one])
        service.release(conn, [])
    assert claim(app, envelope, again(one, request_hash=b"\2" * 32)) == [Won()]


def test_an_answered_claim_cannot_be_released_or_answered_again(app, envelope):
    one = new_claim(new_tenant())
    claim(app, envelope, one)
    complete(app, envelope, one, Answer(201, BODY))
    with app.transaction(one.tenant) as conn:
        service.release(conn, [one])
    assert complete(app, envelope, one, Answer(500, b"late")) == 0
    assert claim(app, envelope, again(one)) == [Replay(Answer(201, BODY))]


def test_of_two_answers_in_one_call_the_first_stays(app, envelope):
    one = new_claim(new_tenant())
    claim(app, envelope, one)
    with app.transaction(one.tenant) as conn:
        answers = [
            (one.tenant, one.key, Answer(201, b"first")),
            (one.tenant, one.key, Answer(201, b"second")),
        ]
        assert service.complete(conn, envelope, answers) == 1
        assert service.complete(conn, envelope, []) == 0
    assert claim(app, envelope, again(one)) == [Replay(Answer(201, b"first"))]


def test_a_claim_that_is_rolled_back_is_no_claim(app, envelope):
    one = new_claim(new_tenant())
    with app.transaction(one.tenant) as conn:
        assert service.claim(conn, envelope, [one]) == [Won()]
        conn.rollback()
    assert claim(app, envelope, again(one)) == [Won()]


def test_answers_are_sealed_and_bound_to_their_claim(app, worker, envelope):
    tenant = new_tenant()
    one, two = new_claim(tenant), new_claim(tenant)
    claim(app, envelope, one, two)
    for each in (one, two):
        complete(app, envelope, each, Answer(200, b"Asha Rao paid"))
    with worker.transaction() as conn:
        (body,) = conn.execute(
            "SELECT response_body FROM rizzpay.idempotency_claims WHERE key = %s", (one.key,)
        ).fetchone()
        assert b"Asha" not in body
        conn.execute(
            "UPDATE rizzpay.idempotency_claims SET response_body = %s WHERE key = %s",
            (body, two.key),
        )
    with pytest.raises(Unreadable):
        claim(app, envelope, again(two))


def test_of_fifty_concurrent_claims_exactly_one_wins(app, envelope):
    one = new_claim(new_tenant())
    start = Barrier(50)

    def attempt(number):
        start.wait()
        different = number % 5 == 0
        late = again(one, request_hash=b"\2" * 32) if different else again(one)
        (result,) = claim(app, envelope, late)
        return result

    with ThreadPoolExecutor(50) as threads:
        results = list(threads.map(attempt, range(50)))
    assert results.count(Won()) == 1
    losers = [result for result in results if result != Won()]
    assert all(isinstance(result, InProgress | Mismatch) for result in losers)
    assert (
        len({result.original_request_id for result in losers if isinstance(result, Mismatch)}) == 1
    )


def test_batches_that_claim_the_same_keys_in_opposite_order_do_not_deadlock(app, envelope):
    tenants = [new_tenant(), new_tenant()]
    keys = [f"key-{number}" for number in range(60)]
    start = Barrier(6)

    def batch(number):
        order = keys if number % 2 else keys[::-1]
        claims = [new_claim(tenant, key=key) for key in order for tenant in tenants]
        start.wait()
        return claim(app, envelope, *claims).count(Won())

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(batch, range(6))) == len(keys) * len(tenants)


def test_a_claim_waits_for_the_one_that_is_being_made_and_takes_over_when_it_fails(app, envelope):
    one = new_claim(new_tenant())
    with ThreadPoolExecutor(1) as thread:
        with app.transaction(one.tenant) as conn:
            service.claim(conn, envelope, [one])
            waiting = thread.submit(claim, app, envelope, again(one))
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            conn.rollback()
        assert waiting.result(timeout=10) == [Won()]


def test_a_key_that_vanished_while_we_looked_is_claimed_again(app, envelope):
    """The holder releases between our attempt and our look: every thread ends with an answer."""
    one = new_claim(new_tenant())
    start = Barrier(8)

    def churn(_):
        start.wait()
        won = 0
        for _turn in range(40):
            mine = again(one)
            (result,) = claim(app, envelope, mine)
            if result == Won():
                won += 1
                with app.transaction(one.tenant) as conn:
                    service.release(conn, [mine])
            else:
                assert result == InProgress()
        return won

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(churn, range(8))) > 0


def test_open_claims_are_found_by_their_object(app, envelope):
    tenant = new_tenant()
    cut_off, done = new_claim(tenant), new_claim(tenant)
    later = new_claim(tenant, object_id=cut_off.object_id, created_at=NOON + timedelta(seconds=1))
    claim(app, envelope, cut_off, done)
    complete(app, envelope, done, Answer(200, b""))
    with app.transaction(tenant) as conn:
        wanted = [cut_off.object_id, done.object_id, "pay_unknown", cut_off.object_id]
        assert service.open_for(conn, wanted) == {
            cut_off.object_id: OpenClaim(tenant, cut_off.key, cut_off.request_id)
        }
        service.claim(conn, envelope, [later])
        assert service.open_for(conn, wanted) == {
            cut_off.object_id: OpenClaim(tenant, later.key, later.request_id)
        }
        assert service.open_for(conn, []) == {}


def test_old_answers_are_forgotten_in_batches_and_open_claims_are_kept(app, worker, envelope):
    tenant = new_tenant()
    old = NOON - timedelta(days=9000)
    claims = [new_claim(tenant, created_at=old, key=f"old-{number}") for number in range(5)]
    fresh = new_claim(tenant, key="fresh")
    claim(app, envelope, *claims, fresh)
    for one in (*claims[:4], fresh):
        complete(app, envelope, one, Answer(200, b""))
    removed = []
    for _ in range(3):
        with worker.transaction() as conn:
            removed.append(service.purge(conn, old + timedelta(days=1), limit=3))
    assert removed == [3, 1, 0]
    with app.transaction(tenant) as conn:
        kept = store.read(conn, [KeyOf(tenant, one.key) for one in (*claims, fresh)])
    assert {place.key for place in kept} == {"old-4", "fresh"}


def test_a_key_is_printed_nowhere():
    one = new_claim(new_tenant(), key="customer-4711")
    stored = store.Stored(KeyOf(one.tenant, one.key), b"", "req_1", 200, b"body")
    for thing in (one, stored, Answer(200, b"body"), Replay(Answer(200, b"body"))):
        assert "4711" not in repr(thing)
        assert "body" not in repr(thing).replace("body=None", "")


@pytest.mark.parametrize("key", ["", "x" * 256, "a\0b"])
def test_a_key_that_the_table_would_refuse_is_refused_without_repeating_it(key):
    with pytest.raises(ValueError, match="1 to 255 characters") as caught:
        new_claim(new_tenant(), key=key)
    assert not key or key not in str(caught.value)
