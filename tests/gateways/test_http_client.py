"""What certainly did not leave is NotSent; everything else that goes wrong is NoAnswer."""

import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme

from rizzpay.infra.http_client import HttpClient, HttpRequest, NoAnswer, NotSent
from tests.gateways.raw_server import RawServer, always, answer, read_request


@pytest.fixture
def client():
    made = HttpClient()
    yield made
    made.close()


def send(client, url, body=b'{"amount":1}', **options):
    limits = {"connect_timeout_s": 1.0, "answer_timeout_s": 0.5, **options}
    return client.send(HttpRequest("POST", url, {"X-Test": "yes"}, body), **limits)


def hang_up(connection, number):
    connection.close()


# ------------------------------------------------------------------------------ what works


def test_an_answer_comes_back_whole(client):
    with RawServer(always(answer(b"hello", "201 Created", "X-One: 1", "X-One: 2"))) as server:
        response = send(client, server.url + "/path?query=1")
    assert response.status == 201
    assert response.body == b"hello"
    assert response.headers["x-one"] == "1, 2"


def test_the_request_goes_out_as_written_and_in_one_piece(client):
    seen = []

    def behave(connection, number):
        seen.append(connection.recv(65536))
        connection.sendall(answer(b""))

    with RawServer(behave) as server:
        send(client, server.url + "/v1/x?a=b", body=b"the body")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/x?a=b HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}".encode() in head
    assert b"X-Test: yes" in head
    assert b"Accept-Encoding: identity" in head
    assert body == b"the body"


def test_a_chunked_answer_is_put_together(client):
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    with RawServer(always(chunked)) as server:
        assert send(client, server.url).body == b"abcde"
        assert send(client, server.url).body == b"abcde"
        assert server.connections == 1


def test_an_answer_that_ends_with_the_connection_is_read(client):
    def behave(connection, number):
        read_request(connection)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nto the end")
        connection.close()

    with RawServer(behave) as server:
        assert send(client, server.url).body == b"to the end"
        assert send(client, server.url).body == b"to the end"
        assert server.connections == 2


def test_connections_are_used_again(client):
    with RawServer(always(answer(b"x"))) as server:
        for _ in range(5):
            send(client, server.url)
        assert server.connections == 1


def test_a_redirect_is_an_answer_and_is_not_followed(client):
    with (
        RawServer(always(answer(b"secret"))) as other,
        RawServer(always(answer(b"", "302 Found", f"Location: {other.url}"))) as server,
    ):
        assert send(client, server.url).status == 302
        assert other.connections == 0


def test_a_proxy_in_the_environment_is_not_asked(client, monkeypatch):
    with RawServer(hang_up) as proxy, RawServer(always(answer(b"direct"))) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert send(client, server.url).body == b"direct"
        assert proxy.connections == 0


def test_a_pinned_address_keeps_the_name_in_the_host_header(client):
    seen = []

    def behave(connection, number):
        seen.append(read_request(connection))
        connection.sendall(answer(b"ok"))

    with RawServer(behave) as server:
        url = f"http://shop.example.test:{server.port}/hook"
        assert send(client, url, address="127.0.0.1").body == b"ok"
    assert f"Host: shop.example.test:{server.port}".encode() in seen[0]


# ------------------------------------------------------------------- certainly nothing left


def test_a_refused_connection_is_not_sent(client):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotSent, match="refused"):
        send(client, f"http://127.0.0.1:{port}")


def test_a_name_without_an_address_is_not_sent(client):
    with pytest.raises(NotSent):
        send(client, "http://does-not-exist.invalid/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http://",
        "http://user:secret@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "nonsense",
        "",
    ],
)
def test_an_unusable_url_is_not_sent_and_not_repeated(client, url):
    with pytest.raises(NotSent) as raised:
        send(client, url)
    assert "secret" not in str(raised.value)


def test_a_full_backlog_is_not_sent_after_the_connect_time(client):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):  # fill the queue, so that the kernel answers no further SYN
            extra = socket.socket()
            extra.setblocking(False)
            extra.connect_ex(listener.getsockname())
            waiting.append(extra)
        started = time.monotonic()
        with pytest.raises(NotSent):
            send(client, f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout_s=0.3)
        assert time.monotonic() - started < 2.5
        for extra in waiting:
            extra.close()


def test_a_header_that_cannot_be_sent_is_not_sent(client):
    with RawServer(always(answer(b"x"))) as server:
        request = HttpRequest("GET", server.url, {"X-Evil": "a\r\nX-Injected: b"})
        with pytest.raises(NotSent):
            client.send(request, connect_timeout_s=1, answer_timeout_s=1)


# -------------------------------------------------------------------------- TLS before HTTP


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, str(path)


def tls_server(authority, name, *, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.minimum_version = min(version, ssl.TLSVersion.TLSv1_2)
    authority.issue_cert(name).configure_cert(context)

    def behave(connection, number):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            while read_request(wrapped):
                wrapped.sendall(answer(b"over TLS"))

    return RawServer(behave)


def test_a_trusted_certificate_is_accepted_with_a_pinned_address(authority):
    made, ca_file = authority
    client = HttpClient(ca_file=ca_file)
    with tls_server(made, "bank.example.test") as server:
        url = f"https://bank.example.test:{server.port}/"
        for _ in range(3):
            assert send(client, url, address="127.0.0.1").body == b"over TLS"
        assert server.connections == 1
    client.close()


def test_an_unknown_authority_is_not_sent(client, authority):
    with tls_server(authority[0], "bank.example.test") as server:
        url = f"https://bank.example.test:{server.port}/"
        with pytest.raises(NotSent, match="TLS"):
            send(client, url, address="127.0.0.1")


def test_a_certificate_of_another_name_is_not_sent(authority):
    client = HttpClient(ca_file=authority[1])
    with tls_server(authority[0], "other.example.test") as server:
        url = f"https://bank.example.test:{server.port}/"
        with pytest.raises(NotSent, match="TLS"):
            send(client, url, address="127.0.0.1")


def test_plain_text_where_tls_is_expected_is_not_sent(client):
    with RawServer(always(answer(b"x"))) as server, pytest.raises(NotSent):
        send(client, server.url.replace("http:", "https:"))


def test_a_hang_up_during_the_handshake_is_not_sent(client):
    with RawServer(hang_up) as server, pytest.raises(NotSent):
        send(client, server.url.replace("http:", "https:"))


def test_a_handshake_that_drips_ends_at_the_deadline(client):
    def behave(connection, number):
        connection.recv(65536)
        for byte in b"\x16\x03\x03\x40\x00" + bytes(200):
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    started = time.monotonic()
    with RawServer(behave) as server, pytest.raises(NotSent):
        send(client, server.url.replace("http:", "https:"), connect_timeout_s=0.4)
    assert time.monotonic() - started < 2.5


# --------------------------------------------------------------------------- kept connections


def test_a_connection_that_the_server_closed_is_not_used_again(client):
    def behave(connection, number):
        read_request(connection)
        connection.sendall(answer(b"x"))  # says nothing of closing
        connection.close()

    with RawServer(behave) as server:
        for number in range(1, 4):
            assert send(client, server.url).body == b"x"
            assert server.connections == number
            time.sleep(0.05)


def test_a_connection_with_unread_bytes_is_not_used_again(client):
    def behave(connection, number):
        read_request(connection)
        connection.sendall(answer(b"first"))
        time.sleep(0.05)
        connection.sendall(answer(b"smuggled"))
        time.sleep(0.5)

    with RawServer(behave) as server:
        assert send(client, server.url).body == b"first"
        time.sleep(0.1)
        assert send(client, server.url).body == b"first"


def test_a_failed_exchange_leaves_no_connection_behind(client):
    def behave(connection, number):
        while read_request(connection):
            if number > 1:
                connection.sendall(answer(b"x"))

    with RawServer(behave) as server:
        with pytest.raises(NoAnswer):
            send(client, server.url, answer_timeout_s=0.1)
        assert send(client, server.url).body == b"x"


def test_many_threads_share_one_client(client):
    failures = []

    def work(number):
        for index in range(20):
            body = f"{number}-{index}".encode()
            if send(client, server.url, body=body, answer_timeout_s=5).body != body:
                failures.append(body)

    def echo(connection, number):
        while request := read_request(connection):
            connection.sendall(answer(request.partition(b"\r\n\r\n")[2]))

    with RawServer(echo) as server:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert server.connections <= 10


GREEN = """
from gevent import monkey; monkey.patch_all()
import gevent, sys, time
from rizzpay.infra.http_client import HttpClient, HttpRequest, NoAnswer, NotSent
client = HttpClient(ca_file=sys.argv[3])

def one(path):
    url = f"http://127.0.0.1:{sys.argv[1]}{path}"
    return client.send(HttpRequest("GET", url), connect_timeout_s=1, answer_timeout_s=2).body

started = time.monotonic()
jobs = [gevent.spawn(one, "/") for _ in range(20)]
gevent.joinall(jobs, raise_error=True)
assert time.monotonic() - started < 2.5, "greenlets waited for each other"
assert {job.value for job in jobs} == {b"slow"}

killed = gevent.spawn(one, "/")
gevent.sleep(0.05)
killed.kill()
assert one("/") == b"slow"

url = f"https://bank.example.test:{sys.argv[2]}/"
answer = client.send(
    HttpRequest("GET", url), connect_timeout_s=2, answer_timeout_s=2, address="127.0.0.1"
)
assert answer.body == b"over TLS"
try:
    client.send(HttpRequest("GET", url), connect_timeout_s=1, answer_timeout_s=1)
except NotSent:
    print("fine")
"""


def test_it_works_under_gevent(authority):
    def slow(connection, number):
        while read_request(connection):
            time.sleep(0.3)
            connection.sendall(answer(b"slow"))

    with RawServer(slow) as server, tls_server(authority[0], "bank.example.test") as encrypted:
        ports = [str(server.port), str(encrypted.port)]
        command = [sys.executable, "-c", GREEN, *ports, authority[1]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "fine", done.stderr
