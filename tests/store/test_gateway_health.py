"""What processes tell one another of the gateways: counts, breakers, probes, downtimes."""

import secrets
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest

from rizzpay.core import clock
from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.gateways import router as routers
from rizzpay.gateways.catalog import Gateways
from rizzpay.gateways.health import Downtime, Health, Standing
from rizzpay.gateways.port import Approved, CaptureMethod, Declined, NotSent, Unknown
from rizzpay.gateways.routing import NoRoute, Route
from rizzpay.gateways.routing.breaker import Policy
from rizzpay.gateways.routing.rules import Asked

POLICY = Policy(window_s=60, calls_min=4, failure_percent=50, open_s=30, probes=2)
REST = (
    "UPDATE rizzpay.gateway_breakers SET since = since - interval '31 seconds' WHERE gateway = %s"
)
AGE = "UPDATE rizzpay.gateway_tallies SET since = since - interval '61 seconds' WHERE gateway = %s"
MOVES = """
SELECT action FROM rizzpay.audit_log WHERE object_id = %s AND actor = 'routing' ORDER BY id
"""
CARD = {"type": "card", "token_last4": "1111"}
ANSWER = Approved("gw_1", Money(100, "INR"), captured=True)


@pytest.fixture
def name():
    """A gateway of this test's own: the tables are shared."""
    return f"gw_{secrets.token_hex(4)}"


@pytest.fixture
def process(app):
    """Make what one API process knows."""
    return lambda: Health(app, POLICY, 900)


@pytest.fixture
def decider(worker):
    """What the worker knows, who moves breakers."""
    return Health(worker, POLICY, 900)


def routed(health, *names):
    """Return a router over gateways that take cards."""
    gateways = Gateways({})
    gateways.__dict__["routes"] = tuple(
        Route(name, False, frozenset({"card"}), frozenset({"INR"}), frozenset()) for name in names
    )
    return routers.Router(gateways, health, SimpleNamespace(in_force={}))


QUESTION = ("card", "INR", False, CaptureMethod.AUTOMATIC)
ASKED = Asked("pay_1", "mer_1", "5411", "card", "INR", 50_000, None, 0)


def chosen(router):
    found = router.choose(QUESTION, lambda: ASKED)
    return found if isinstance(found, NoRoute) else list(found.gateways)


def run(database, query, *values):
    with database.transaction() as conn:
        cursor = conn.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def fail(router, name, times):
    for _ in range(times):
        router.answered(name, CARD, Unknown("time-out"))


def open_breaker(process, decider, name):
    health = process()
    fail(routed(health, name), name, 4)
    health.share()
    decider.move()


def test_what_two_processes_heard_opens_the_breaker_for_a_third(name, process, decider):
    one, two, third = process(), process(), process()
    fail(routed(one, name), name, 2)
    routed(two, name).answered(name, CARD, NotSent("refused"))
    routed(two, name).answered(name, CARD, ANSWER)
    one.share()
    decider.move()
    third.share()
    assert chosen(routed(third, name, "other")) == [name, "other"]
    two.share()
    decider.move()
    third.share()
    assert third.standing((name, "card")) is Standing.OPEN
    assert chosen(routed(third, name, "other")) == ["other"]
    assert third.standing((name, "upi")) is Standing.UP


def test_declines_never_open_it(name, process, decider):
    health = process()
    for _ in range(50):
        routed(health, name).answered(
            name, CARD, Declined("do_not_honour", "retry_other_method", "05")
        )
    health.share()
    decider.move()
    health.share()
    assert health.standing((name, "card")) is Standing.UP


def test_when_nothing_is_left_the_merchant_is_told_that_it_is_for_now(name, process, decider):
    open_breaker(process, decider, name)
    health = process()
    health.share()
    found = chosen(routed(health, name))
    assert isinstance(found, NoRoute)
    assert found.for_now


def test_a_few_probes_are_let_through_and_close_it(name, process, decider, worker):
    open_breaker(process, decider, name)
    run(worker, REST, name)
    decider.move()
    processes = [process() for _ in range(4)]
    for health in processes:
        health.share()
    with_leave = [health for health in processes if health.has_leave((name, "card"))]
    assert len(with_leave) == POLICY.probes
    for health in with_leave:
        router = routed(health, name, "other")
        assert chosen(router) == [name, "other"]
        assert chosen(router) == ["other"], "the leave is for one payment"
        router.answered(name, CARD, ANSWER)
        health.share()
    decider.move()
    processes[0].share()
    assert processes[0].standing((name, "card")) is Standing.UP
    run(worker, AGE, name)
    decider.move()
    actions = [row[0] for row in run(worker, MOVES, name)]
    assert actions == [f"gateway.breaker_{it}" for it in ("open", "half_open", "closed")]


def test_a_probe_that_fails_opens_it_again(name, process, decider, worker):
    open_breaker(process, decider, name)
    run(worker, REST, name)
    decider.move()
    health = process()
    health.share()
    router = routed(health, name, "other")
    assert chosen(router)[0] == name
    router.answered(name, CARD, Unknown("time-out"))
    health.share()
    decider.move()
    health.share()
    assert health.standing((name, "card")) is Standing.OPEN


def test_of_many_workers_one_moves_it(name, process, worker):
    health = process()
    fail(routed(health, name), name, 4)
    health.share()
    deciders = [threading.Thread(target=Health(worker, POLICY, 900).move) for _ in range(4)]
    for thread in deciders:
        thread.start()
    for thread in deciders:
        thread.join()
    assert [row[0] for row in run(worker, MOVES, name)] == ["gateway.breaker_open"]


def test_counts_that_could_not_be_told_are_told_later(name, process, decider, monkeypatch):
    health = process()
    fail(routed(health, name), name, 4)
    database = health._database
    health._database = SimpleNamespace(transaction=lambda: (_ for _ in ()).throw(Refused("x")))
    with pytest.raises(Refused):
        health.share()
    health._database = database
    health.share()
    decider.move()
    health.share()
    assert health.standing((name, "card")) is Standing.OPEN


def test_success_rates_are_those_of_all_processes(name, process):
    one, two = process(), process()
    routed(one, name).concluded(name, CARD, None)
    routed(two, name).concluded(name, CARD, None)
    routed(two, name).concluded(name, CARD, "do_not_honour")
    routed(two, name).concluded(name, CARD, "customer_cancelled")
    one.share()
    two.share()
    rate = two.view.rates[name, "card"]
    assert (rate.approved, rate.declined) == (2, 1)


def declared(name, *, method=None, starts_in=timedelta(0), lasts=None):
    now = clock.now()
    ends_at = now + starts_in + lasts if lasts is not None else None
    return Downtime(
        f"down_{secrets.token_hex(6)}", name, method, now + starts_in, ends_at, "works", "op", now
    )


@pytest.mark.parametrize(
    ("about", "takes_cards"),
    [
        ({}, False),
        ({"method": "card"}, False),
        ({"method": "upi"}, True),
        ({"starts_in": timedelta(hours=1)}, True),
        ({"starts_in": timedelta(hours=-2), "lasts": timedelta(hours=1)}, True),
        ({"starts_in": timedelta(hours=-2), "lasts": timedelta(hours=3)}, False),
    ],
)
def test_a_declared_downtime_takes_the_gateway_away_while_it_lasts(
    name, process, decider, about, takes_cards
):
    decider.declare(declared(name, **about))
    health = process()
    health.share()
    assert chosen(routed(health, name, "other")) == ([name, "other"] if takes_cards else ["other"])


def test_a_downtime_is_ended_once(name, process, decider):
    wanted = declared(name)
    decider.declare(wanted)
    decider.end(wanted.id, "op")
    with pytest.raises(Refused, match="over"):
        decider.end(wanted.id, "op")
    health = process()
    health.share()
    assert chosen(routed(health, name)) == [name]


def test_a_downtime_that_ends_before_it_starts_is_refused(name, decider):
    with pytest.raises(Refused, match="before it starts"):
        decider.declare(declared(name, lasts=timedelta(hours=-1)))


def test_the_api_neither_declares_nor_moves(name, process):
    with pytest.raises(Exception, match="permission denied"):
        process().declare(declared(name))
    health = process()
    fail(routed(health, name), name, 4)
    health.share()
    with pytest.raises(Exception, match="permission denied"):
        health.move()


def test_old_slices_are_forgotten(name, process, decider, worker):
    health = process()
    fail(routed(health, name), name, 1)
    health.share()
    for days, left in ((1, 1), (3, 0)):
        run(
            worker,
            "UPDATE rizzpay.gateway_tallies SET since = now() - %s * interval '1 day' "
            "WHERE gateway = %s",
            days,
            name,
        )
        decider.forget()
        count = run(worker, "SELECT count(*) FROM rizzpay.gateway_tallies WHERE gateway = %s", name)
        assert count == [(left,)]
