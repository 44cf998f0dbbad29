"""appliance/haproxy/haproxy.cfg: HAProxy takes it, and what it says itself is what the API says."""

import json
import re
import subprocess

import pytest

from appliance.embedded import certificates, proxy
from rizzpay.api import problems
from rizzpay.api.catalog import CATALOG
from rizzpay.core import clock

TEXT = proxy.TEMPLATE.read_text()
ERROR = re.compile(r"http-error status (\d+) content-type application/json lf-string '(.*?)'(.*)")
ERRORS = [(int(status), body, more) for status, body, more in ERROR.findall(TEXT)]
# 502 of HAProxy means that a worker broke off, 500 that it was just found to be down; the proxy
# changes both to 504.
SHOWN_AS = {500: 504, 502: 504}
UNKNOWN = "http-after-response set-status 504 if { status 500 502 } !{ var(txn.answered) -m bool }"


def test_haproxy_accepts_the_settings(tmp_path):
    _, certificate = certificates.ensure(tmp_path / "tls", clock.now())
    front = proxy.Front("127.0.0.1", 1, certificate, [tmp_path / f"api-{n}.sock" for n in (0, 7)])
    program = proxy.program(front, tmp_path, tmp_path, certificate, 0)
    done = subprocess.run(
        [*program.command, "-c"],
        env=dict(program.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    assert "ALERT" not in done.stderr


def test_each_worker_has_a_line_of_its_own(tmp_path):
    text = proxy.servers([tmp_path / "api-0.sock", tmp_path / "api-3.sock"])
    assert text.splitlines() == [
        "backend api from api",
        f"    server api-0 unix@{tmp_path}/api-0.sock",
        f"    server api-3 unix@{tmp_path}/api-3.sock",
    ]


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (15, 1), (16, 2), (64, 8)])
def test_haproxy_has_a_thread_for_eight_cores(cores, threads):
    assert proxy.machine(cores) == f"global\n    nbthread {threads}\n"


def test_the_limits_of_an_address_can_be_set(tmp_path):
    limits = proxy.Limits(connections=50, connections_per_address=40, requests_per_address=30)
    front = proxy.Front("127.0.0.1", 1, tmp_path, [], limits)
    shown = proxy.environment(front, tmp_path)
    names = ("RIZZPAY_MAXCONN", "RIZZPAY_ADDRESS_MAXCONN", "RIZZPAY_ADDRESS_RATE")
    assert [shown[name] for name in names] == ["50", "40", "30"]


@pytest.mark.parametrize(("status", "body", "more"), ERRORS, ids=[str(e[0]) for e in ERRORS])
def test_an_error_of_the_proxy_is_the_error_object_of_the_api(status, body, more):
    shown = json.loads(body)["error"]
    problem = CATALOG[shown["code"]]
    wanted = problems.error(shown["code"], request_id="%[var(txn.request_id)]")
    assert body.encode() == problems.body(wanted)
    assert problem.status == SHOWN_AS.get(status, status)
    assert ("Retry-After" in more) == (status in {429, 503})


def test_every_error_that_the_proxy_can_make_has_an_object():
    denied = {int(status) for status in re.findall(r"deny_status (\d+)", TEXT)}
    by_itself = {400, 408, 500, 502, 503, 504}
    assert {status for status, _, _ in ERRORS} == denied | by_itself


@pytest.mark.parametrize("name", ["haproxy.cfg", "edge.cfg.j2", "door.cfg.j2"])
def test_what_haproxy_lost_is_told_as_unknown_by_every_proxy(name):
    assert f"    {UNKNOWN}\n" in (proxy.TEMPLATE.parent / name).read_text()


def test_nothing_that_may_have_arrived_is_sent_again():
    lines = [line.strip() for line in TEXT.splitlines()]
    assert [line for line in lines if line.startswith("retry-on")] == ["retry-on conn-failure"]
