"""Receivers that redirect, rebind, never end, never answer, or are not who they say."""

import heapq
import socket
import ssl
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import trustme

from rizzpay.config import WebhookSettings
from rizzpay.core import clock
from rizzpay.infra.http_client import HttpClient
from rizzpay.infra.jobs import Again, Done
from tests.webhooks.receiver import Receiver, Says
from tests.webhooks.world import NOON, new_tenant

PUBLIC = "93.184.215.14"


def answers(*replies):
    """Return a resolver that gives each of `replies` (a list of addresses) in turn."""
    left = list(replies)

    def resolve(host, port, **_):
        resolve.asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, 1, 6, "", (text, port)) for text in found]

    resolve.asked = []
    return resolve


def only_attempt(world, endpoint):
    (delivery,) = world.deliveries(endpoint.id)
    (attempt,) = delivery.attempts
    return attempt


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:{port}/inside"]
)
def test_a_redirect_is_a_failure_and_is_never_followed(world, status, location):
    with Receiver() as inside:
        target = location.format(port=inside.port)
        with Receiver(Says(status, headers=(("Location", target),))) as receiver:
            endpoint, _ = world.add_endpoint(receiver.url)
            world.send()
            assert len(receiver.got) == 1
        assert inside.got == []
    attempt = only_attempt(world, endpoint)
    assert (attempt.status, attempt.error) == (status, "redirect_not_followed")


def test_a_name_that_turns_to_the_inside_is_not_connected_to(world, receiver):
    turning = answers([PUBLIC], ["127.0.0.1"])
    closed = replace(world, settings=WebhookSettings(timeout_s=1.0), resolver=turning)
    endpoint, _ = closed.add_endpoint(f"https://shop.example:{receiver.port}/hook")
    closed.send()
    attempt = only_attempt(world, endpoint)
    assert (attempt.status, attempt.error) == (None, "webhook_target_forbidden")
    assert receiver.got == []
    assert turning.asked == ["shop.example"] * 2


def test_a_name_that_turns_between_check_and_connect_changes_nothing(world):
    # Two servers on one port: the name means .1 when it is checked and .2 ever after.
    with Receiver() as checked, Receiver(address="127.0.0.2", port=checked.port) as other:
        turning = answers(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"])
        turned = replace(world, resolver=turning)
        turned.add_endpoint(f"http://shop.example:{checked.port}/hook")
        turned.send()
        assert len(checked.got) == 1
        assert other.got == []
        assert checked.got[0].headers["host"] == f"shop.example:{checked.port}"
        assert turning.asked == ["shop.example"] * 2  # once to create, once to deliver


def test_one_forbidden_address_among_good_ones_stops_the_attempt(world, receiver):
    mixed = answers(["127.0.0.1"], ["127.0.0.1", "169.254.169.254"])
    turned = replace(world, resolver=mixed)
    endpoint, _ = turned.add_endpoint(f"http://shop.example:{receiver.port}/hook")
    turned.send()
    assert only_attempt(world, endpoint).error == "webhook_target_forbidden"
    assert receiver.got == []


def test_a_name_that_is_gone_is_an_attempt_that_failed(world, receiver):
    lost = answers(["127.0.0.1"], [])
    turned = replace(world, resolver=lost)
    endpoint, _ = turned.add_endpoint(f"http://shop.example:{receiver.port}/hook")
    turned.send()
    attempt = only_attempt(world, endpoint)
    assert attempt.error == "webhook_url_unresolvable"


def test_the_next_address_is_tried_when_one_cannot_be_connected_to(world, receiver):
    both = WebhookSettings(private_targets=("127.0.0.0/8", "::1/128"), timeout_s=2.0)
    two = replace(world, settings=both, resolver=answers(["::1", "127.0.0.1"]))
    endpoint, _ = two.add_endpoint(f"http://shop.example:{receiver.port}/hook")
    two.send()
    assert only_attempt(world, endpoint).status == 200


def test_a_body_without_end_is_cut_and_its_status_counts(world):
    with Receiver(Says(200, endless=True)) as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        world.publish()
        world.fan_out()
        tracemalloc.start()
        began_s = time.monotonic()
        world.deliver()
        took_s = time.monotonic() - began_s
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    attempt = only_attempt(world, endpoint)
    assert (attempt.status, attempt.error) == (200, None)
    assert attempt.response == "x" * 512
    assert took_s < 2
    assert peak_bytes < 8 * 2**20
    assert receiver.sent_bytes < 64 * 2**20  # what fits into the buffers of the sockets


def test_a_receiver_that_takes_too_long_is_no_answer(world):
    quick = replace(
        world, settings=WebhookSettings(private_targets=("127.0.0.0/8",), timeout_s=0.3)
    )
    with Receiver(Says(200, after_s=1.5)) as receiver:
        endpoint, _ = quick.add_endpoint(receiver.url)
        quick.send()
    attempt = only_attempt(world, endpoint)
    assert (attempt.status, attempt.error) == (None, "no_answer")
    assert 250 <= attempt.duration_ms < 1400


def test_a_closed_port_is_not_reached(world):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    endpoint, _ = world.add_endpoint(f"http://127.0.0.1:{port}/hook")
    world.send()
    attempt = only_attempt(world, endpoint)
    assert (attempt.status, attempt.error) == (None, "not_reached")


@pytest.fixture(scope="module")
def authority():
    """A certificate authority of this test."""
    return trustme.CA()


def secured(world, authority, tmp_path, *names):
    """Return a server's TLS settings, and the world with a client that trusts the authority."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    http = HttpClient(ca_file=str(tmp_path / "ca.pem"))
    return tls, replace(world, http=http, resolver=answers(["127.0.0.1"]))


def test_tls_is_checked_against_the_name_though_the_address_is_pinned(world, authority, tmp_path):
    tls, trusting = secured(world, authority, tmp_path, "shop.example")
    with Receiver(tls=tls) as receiver:
        endpoint, _ = trusting.add_endpoint(f"https://shop.example:{receiver.port}/hook")
        trusting.send()
        trusting.http.close()
        assert len(receiver.got) == 1
    assert only_attempt(world, endpoint).status == 200


def test_a_certificate_for_another_name_is_refused(world, authority, tmp_path):
    tls, trusting = secured(world, authority, tmp_path, "other.example")
    with Receiver(tls=tls) as receiver:
        endpoint, _ = trusting.add_endpoint(f"https://shop.example:{receiver.port}/hook")
        trusting.send()
        assert receiver.got == []
    assert only_attempt(world, endpoint).error == "tls_failed"


def test_a_certificate_of_an_unknown_authority_is_refused(world, authority, tmp_path):
    tls, trusting = secured(world, authority, tmp_path, "shop.example")
    doubting = replace(trusting, http=HttpClient())
    with Receiver(tls=tls) as receiver:
        endpoint, _ = doubting.add_endpoint(f"https://shop.example:{receiver.port}/hook")
        doubting.send()
        assert receiver.got == []
    assert only_attempt(world, endpoint).error == "tls_failed"


def test_a_busy_endpoint_puts_deliveries_off_without_counting_an_attempt(world):
    with Receiver(Says(200, after_s=0.6)) as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        world.publish(*["payment.captured"] * 6)
        world.fan_out()
        waiting = world.jobs("webhook.deliver")
        with ThreadPoolExecutor(6) as pool:
            verdicts = list(pool.map(lambda job: world.working.deliver(job, NOON), waiting))
        assert len(receiver.got) == 2
    put_off = [verdict for verdict in verdicts if isinstance(verdict, Again)]
    assert verdicts.count(Done()) == 2
    assert {verdict.note for verdict in put_off} == {"the endpoint is busy"}
    assert len({verdict.run_at for verdict in put_off}) == 4
    found = world.deliveries(endpoint.id)
    assert sorted(len(delivery.attempts) for delivery in found) == [0, 0, 0, 0, 1, 1]


class Pool:
    """Eight places that run jobs when they are due, as a worker does, until `wanted` are done."""

    def __init__(self, working, queue, wanted):
        self.working = working
        self.queue = [(clock.now(), number, job) for number, job in enumerate(queue)]
        self.wanted = wanted
        self.took_s = {}
        self.began_s = clock.monotonic_s()
        self.lock = threading.Lock()

    def run(self):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: self._work(), range(8)))
        return [self.took_s[key] for key in self.wanted]

    def _work(self):
        while not self.wanted <= self.took_s.keys() and clock.monotonic_s() - self.began_s < 10:
            with self.lock:
                due = bool(self.queue) and self.queue[0][0] <= clock.now()
                taken = heapq.heappop(self.queue) if due else None
            if taken is None:
                time.sleep(0.005)
                continue
            _, number, job = taken
            verdict = self.working.deliver(job, clock.now())
            with self.lock:
                if isinstance(verdict, Again):
                    heapq.heappush(self.queue, (verdict.run_at, number, job))
                else:
                    self.took_s[job.key] = clock.monotonic_s() - self.began_s


def test_slow_receivers_of_one_merchant_do_not_hold_up_another(world):
    """The slow merchant's queue is first, and longer than there are places."""
    other = replace(world, tenant=new_tenant())
    with Receiver(Says(200, after_s=1.5)) as slow, Receiver() as quick:
        world.add_endpoint(slow.url, now=clock.now())
        other.add_endpoint(quick.url, now=clock.now())
        world.publish(*["payment.captured"] * 20)
        other.publish(*["payment.captured"] * 20)
        world.fan_out(clock.now())
        other.fan_out(clock.now())
        first, then = world.jobs("webhook.deliver"), other.jobs("webhook.deliver")
        took_s = Pool(world.working, [*first, *then], {job.key for job in then}).run()
        assert len(quick.got) == 20
    assert max(took_s) < 1.4  # nobody waited for a slow answer
