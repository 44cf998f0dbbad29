"""The load generator against a real TLS server of our own, which misbehaves when it is told to."""

import pytest

from capacity.errors import Unreachable
from capacity.installation import Shop
from capacity.load import figures, merchants
from capacity.load.engine import Engine
from capacity.load.mixes import Create, Wording
from capacity.load.running import connections_for
from tests.capacity.tls_server import TlsServer

pytestmark = pytest.mark.alone  # counts what is done in tenths of a second

SHOPS = [Shop("mer_1", "key_1", "made-for-this-test"), Shop("mer_2", "key_2", "made-too")]


def engine_for(server, connections=8, turns=(0,)):
    mix = Create(Wording("127.0.0.1", SHOPS, "run-"))
    return Engine(server.dialler(), mix, connections, turns, lambda *_: None), mix


@pytest.fixture
def server(tmp_path):
    with TlsServer(tmp_path) as running:
        yield running


def test_a_closed_loop_counts_every_answer_and_remembers_every_id(server):
    engine, mix = engine_for(server, turns=(0, 1))
    engine.closed(0.3)
    seen = engine.drain(2)
    engine.close()
    assert seen.sent == server.answered == len(mix.acknowledged.payments) > 50
    assert seen.statuses == [{201: server.answered}]
    assert seen.unanswered == seen.unsent == 0
    assert len({payment for _, _, payment in mix.acknowledged.payments}) == server.answered
    assert len({number for _, number, _ in mix.acknowledged.payments}) == server.answered
    assert {merchant for merchant, _, _ in mix.acknowledged.payments} == {0, 1}


def test_an_open_loop_offers_its_rate(server):
    engine, _ = engine_for(server)
    seen = engine.open(1.0, 400)
    engine.drain(2)
    engine.close()
    assert 300 < seen.offered < 500  # five standard deviations of Poisson's law


def test_a_stall_of_the_server_stands_in_the_percentiles_of_the_open_loop(server):
    server.stall_from_s, server.stall_for_s = 0.5, 1.0
    engine, _ = engine_for(server, connections=4)
    engine.open(2.0, 200)
    seen = engine.drain(5)
    engine.close()
    latency = figures.latency(seen.latencies[0])
    assert latency.count == seen.offered  # also those for which no connection was free
    assert latency.percentiles["99"] > 800
    # half of the time the server stood still: who came then waited half a second in the middle
    waited = sum(1 for one in seen.latencies[0] if one > 0.2)
    assert waited > 0.25 * seen.offered


def test_a_closed_loop_would_have_hidden_the_stall(server):
    server.stall_from_s, server.stall_for_s = 0.3, 0.6
    engine, _ = engine_for(server, connections=4)
    engine.closed(1.2)
    seen = engine.drain(5)
    engine.close()
    waited = sum(1 for one in seen.latencies[0] if one > 0.2)
    assert waited <= 8  # one a connection, perhaps two on a busy machine, among hundreds


def test_what_is_never_answered_is_counted_and_stands_in_the_percentiles(server):
    server.stall_from_s, server.stall_for_s = 0.2, 60.0
    engine, _ = engine_for(server, connections=4)
    engine.open(1.0, 100)
    seen = engine.drain(0.3)
    engine.close()
    assert seen.unanswered == 4
    assert seen.unsent > 30
    latency = figures.latency(seen.latencies[0])
    assert latency.count == seen.offered
    assert latency.percentiles["90"] > 500


def test_an_answer_may_come_in_pieces(server):
    server.piece_bytes = 7
    engine, mix = engine_for(server, connections=2)
    engine.closed(0.2)
    seen = engine.drain(2)
    engine.close()
    assert len(mix.acknowledged.payments) == seen.sent > 5


def test_a_connection_that_ends_is_replaced_and_its_request_counted(server):
    server.closes_every = 10
    engine, _ = engine_for(server, connections=3)
    engine.closed(0.3)
    seen = engine.drain(2)
    engine.close()
    assert seen.broken.keys() <= {"closed", "SSLEOFError", "ConnectionResetError"}
    assert sum(seen.broken.values()) == seen.unanswered == server.answered // 10 > 0
    assert len(seen.latencies[0]) == server.answered - server.answered // 10


def test_an_answer_without_a_length_is_no_answer(server):
    server.answer = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    engine, _ = engine_for(server, connections=1)
    with pytest.raises(Unreachable, match="without Content-Length"):
        engine.closed(30)
    engine.close()


def test_a_server_that_is_not_there_is_told_in_one_sentence(server):
    dialler = server.dialler()
    dialler.port = 1
    with pytest.raises(Unreachable, match="does not answer"):
        dialler.dial()


def test_the_hottest_merchant_comes_most_often():
    turns = merchants.turns(10, 1.1)
    often = [turns.count(number) for number in range(10)]
    assert often == sorted(often, reverse=True)
    assert often[0] > 5 * often[9] > 0
    even = merchants.turns(10, 0.0)
    assert max(map(even.count, range(10))) < 1.3 * min(map(even.count, range(10)))


@pytest.mark.parametrize(("share", "value"), [(50.0, 5), (90.0, 9), (99.0, 10), (10.0, 1)])
def test_a_percentile_is_a_value_that_was_measured(share, value):
    assert figures.at(list(range(1, 11)), share) == value


@pytest.mark.parametrize(("rate", "count"), [(1, 8), (100, 25), (3000, 256)])
def test_an_open_loop_has_connections_for_its_rate(rate, count):
    assert connections_for(rate) == count
