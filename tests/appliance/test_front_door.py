"""What the door lets in: TLS 1.3, whole requests of a sane size, and no lies about addresses."""

import http.client
import json
import re
import secrets
import socket
import ssl
import time
from urllib.parse import urlsplit

import pytest

from tests.flows.merchant import Merchant

PATIENCE_S = 5.0  # timeout http-request in haproxy.cfg
SLACK_S = 3.0
POST = b"POST /v1/payments HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def merchant(appliance):
    return Merchant(appliance.credentials)


@pytest.fixture
def raw(appliance):
    """A TLS connection on which a test may write what it likes."""
    with connect(appliance) as connection:
        yield connection


def connect(appliance, context=None) -> ssl.SSLSocket:
    place = urlsplit(appliance.credentials["base_url"])
    context = context or ssl.create_default_context(cafile=appliance.credentials["ca_file"])
    plain = socket.create_connection((place.hostname, place.port), timeout=30)
    return context.wrap_socket(plain, server_hostname=place.hostname)


def read_all(connection: ssl.SSLSocket) -> bytes:
    """Read until the other side closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def error_in(answer: bytes) -> dict:
    return json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


def test_only_tls_1_3_is_spoken(appliance):
    cafile = appliance.credentials["ca_file"]
    old = ssl.create_default_context(cafile=cafile)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        connect(appliance, old)
    with connect(appliance) as connection:
        assert connection.version() == "TLSv1.3"


def test_the_authority_vouches_for_this_machine_only(appliance):
    context = ssl.create_default_context(cafile=appliance.credentials["ca_file"])
    place = urlsplit(appliance.credentials["base_url"])
    with (
        socket.create_connection((place.hostname, place.port), timeout=30) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="bank.example")


def test_a_body_that_comes_slowly_is_not_waited_for(raw):
    began = time.monotonic()
    raw.sendall(POST + b"Content-Length: 500\r\n\r\n{")
    answer = read_all(raw)
    assert PATIENCE_S - 1 < time.monotonic() - began < PATIENCE_S + SLACK_S
    assert answer.startswith(b"HTTP/1.1 408 ")
    error = error_in(answer)
    assert error["code"] == "request_timeout"
    assert re.fullmatch(r"req_[0-9A-F]{26}", error["request_id"])


def test_headers_that_never_end_are_not_waited_for(raw):
    began = time.monotonic()
    raw.sendall(b"GET /v1/payments HTTP/1.1\r\nHost: x\r\n")
    raw.settimeout(1.0)
    answer = b""
    while time.monotonic() - began < PATIENCE_S + SLACK_S and not answer:
        try:
            answer = raw.recv(65536)
            break
        except TimeoutError:
            raw.sendall(b"X-More: 1\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < PATIENCE_S + SLACK_S


def test_many_slow_clients_do_not_stop_the_others(appliance, merchant):
    slow = [connect(appliance) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(
                b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
            )
        began = time.monotonic()
        assert merchant.get("/health/live").status == 200
        assert merchant.pay(1_000).status == 201
        assert time.monotonic() - began < 2
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.parametrize("kind", ["length", "chunked"])
def test_ten_megabytes_are_refused_with_a_typed_error(merchant, kind):
    body = b'{"description":"' + b"x" * 10_000_000 + b'"}'
    headers = {"Transfer-Encoding": "chunked"} if kind == "chunked" else {}
    answer = merchant.send("POST", "/v1/payments", body, key=secrets.token_hex(8), headers=headers)
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_body_that_nobody_sends_by_mistake_is_cut_off(raw):
    raw.sendall(POST + b"Content-Length: 9999999999\r\n\r\n" + b"x" * 20_000)
    answer = read_all(raw)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert error_in(answer)["code"] == "body_too_large"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "10.9.8.7"},
        {"X-Forwarded-For": "127.0.0.1, 10.9.8.7"},
        {"X_Forwarded_For": "10.9.8.7"},
        {"Forwarded": "for=10.9.8.7", "X-Real-IP": "10.9.8.7"},
    ],
    ids=str,
)
def test_a_client_cannot_say_where_it_comes_from(appliance, merchant, headers):
    made = merchant.send(
        "POST", "/v1/api_keys", {"label": "elsewhere", "allowed_cidrs": ["10.9.8.7/32"]}
    ).json()
    elsewhere = Merchant(appliance.credentials, key=(made["id"], made["secret"]))
    answer = elsewhere.send("GET", "/v1/payments", headers=headers)
    assert merchant.send("DELETE", f"/v1/api_keys/{made['id']}").status == 200
    assert (answer.status, answer.code) == (403, "ip_not_allowed")


def test_browsers_are_told_to_stay_with_tls(merchant):
    for path in ("/health/live", "/no/such/path"):
        assert merchant.get(path).headers["strict-transport-security"] == "max-age=31536000"


def test_a_request_id_of_the_client_is_kept_and_a_strange_one_is_not(merchant):
    kept = merchant.send("GET", "/health/live", headers={"X-Request-Id": "order-1001-a"})
    assert kept.headers["x-request-id"] == "order-1001-a"
    for strange in ("a b", "x" * 65, "'; DROP"):
        answer = merchant.send("GET", "/health/live", headers={"X-Request-Id": strange})
        assert re.fullmatch(r"req_[0-9A-Z]{26}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/", "/v1", "/admin", "/v2/payments", "/.env", "/metrics/x"])
def test_a_path_that_we_do_not_have_ends_at_the_door(merchant, path):
    answer = merchant.get(path)
    assert (answer.status, answer.code) == (404, "not_found")
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "BREW"])
def test_a_strange_method_ends_at_the_door(raw, method):
    raw.sendall(f"{method} /v1/payments HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = read_all(raw)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert error_in(answer)["code"] == "method_not_allowed"
    assert b"\r\nallow: GET, " in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"GET /v1/payments\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/payments HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /v1/payments HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 15_900 + b"\r\n\r\n",
        b"not http at all\r\n\r\n",
    ],
    ids=["two lengths", "NUL", "no colon", "long header", "not HTTP"],
)
def test_what_is_not_http_is_refused(raw, request_bytes):
    raw.sendall(request_bytes)
    assert read_all(raw).startswith(b"HTTP/1.1 400 ")


def test_a_smuggled_request_is_not_answered(raw):
    hidden = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    raw.sendall(
        POST
        + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % (5 + len(hidden))
        + b"0\r\n\r\n"
        + hidden
    )
    assert read_all(raw).count(b"HTTP/1.1 ") == 1


def test_http_2_is_offered(appliance):
    context = ssl.create_default_context(cafile=appliance.credentials["ca_file"])
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(appliance, context) as connection:
        assert connection.selected_alpn_protocol() == "h2"


def test_the_log_of_the_door_is_json_without_query_strings(appliance, merchant):
    marker = secrets.token_hex(8)
    merchant.get(f"/v1/payments?customer_email={marker}@example.com")
    merchant.send("GET", "/health/live", headers={"X-Request-Id": marker})
    end = time.monotonic() + 5
    lines: list[dict] = []
    while not any(line.get("request_id") == marker for line in lines):
        assert time.monotonic() < end
        text = (appliance.data / "log" / "haproxy.log").read_text()
        # a word of HAProxy about itself, as when a worker is down, is not JSON
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert f"{marker}@" not in text
    line = next(line for line in lines if line.get("request_id") == marker)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/health/live", 200)
    assert line["worker"].startswith("api-")


def test_the_proxy_has_figures_of_its_own(appliance):
    run = appliance.settings.service.run_dir
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(f"{run}/haproxy/metrics.sock")
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'haproxy_server_status{proxy="api",server="api-0",state="UP"} 1' in text
