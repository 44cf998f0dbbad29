"""What a release brings along for operators: draining a process, and a bundle for support."""

import http.server
import socket
import socketserver
import subprocess
import sys
import tarfile
import threading

import pytest

from appliance.embedded import proxy
from appliance.release import process, support

ADMIN = """\
global
    stats socket {directory}/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect 2s
    timeout client 20s
    timeout server 20s
frontend door
    bind unix@{directory}/door.sock
    default_backend api
backend api
    server api-0 unix@{directory}/api-0.sock
"""


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers when the test lets it."""

    gate = threading.Event()
    arrived = threading.Event()

    def do_GET(self):
        if self.path == "/slow":
            self.arrived.set()
            self.gate.wait(20)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""

    def address_string(self):
        return "unix"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An API process in small."""

    daemon_threads = True


@pytest.fixture
def door(directory_of_the_session):
    """HAProxy with one API process behind it; returns the directory of the sockets."""
    directory = directory_of_the_session / "door"
    directory.mkdir()
    (directory / "haproxy.cfg").write_text(ADMIN.format(directory=directory))
    Answering.gate.clear()
    Answering.arrived.clear()
    with Server(str(directory / "api-0.sock"), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        haproxy = subprocess.Popen(
            [proxy.find_program(), "-db", "-f", directory / "haproxy.cfg"],
            stderr=subprocess.DEVNULL,
        )
        assert process.healthy(directory / "door.sock", 20)
        yield directory
        Answering.gate.set()
        haproxy.terminate()
        haproxy.wait(20)
        server.shutdown()


def ask(directory, path):
    """Ask through the door, in a thread of its own."""
    call = threading.Thread(
        target=subprocess.run,
        args=(["curl", "-s", "--unix-socket", str(directory / "door.sock"), f"http://l{path}"],),
    )
    call.start()
    return call


def test_draining_waits_for_what_is_served_and_then_ends(door):
    admin = door / "admin.sock"
    call = ask(door, "/slow")
    assert Answering.arrived.wait(20)
    assert process.ask(admin, "set server api/api-0 state drain") == ""
    assert not process.drain(admin, "api-0", patience_s=0.3)
    Answering.gate.set()
    assert process.drain(admin, "api-0", patience_s=20)
    call.join()
    assert process.ask(admin, "set server api/api-0 state ready") == ""


def test_a_host_whose_proxy_does_not_run_has_nothing_to_drain(tmp_path):
    left_behind = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(left_behind))
    for path in (left_behind, tmp_path / "none.sock"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "appliance.release.process", "drain", "0"),
                *("--admin-socket", path),
            ],
            check=False,
        )
        assert done.returncode == 0


def test_a_process_that_is_not_there_is_not_healthy(tmp_path):
    assert not process.healthy(tmp_path / "none.sock", patience_s=0.2)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("vault_password: hunter2", "vault_password: [redacted]"),
        ('"api_key": "rzp_live_x"', '"api_key": "[redacted]"'),
        ('app_password_file = "app"', 'app_password_file = "app"'),
        ("payer success@rizzpay paid", "payer [redacted] paid"),
        ("card 4111 1111 1111 1111 seen", "card [redacted] seen"),
        ("request_id=req_01ABCDEFGHJKLMNPQRSTUVWX", "request_id=req_01ABCDEFGHJKLMNPQRSTUVWX"),
        ("made 3b6a27bcceb6a42d62a3a8d02a6f0d73653215771", "made [redacted]"),
        ("shared_buffers = 6024MB", "shared_buffers = 6024MB"),
    ],
)
def test_the_bundle_for_support_leaves_out_what_nobody_may_see(line, kept):
    assert support.redact(line)[0] == kept


def test_the_bundle_begins_with_its_manifest_and_is_its_owners_alone(tmp_path):
    archive = tmp_path / "support.tar.gz"
    support.pack({"logs/a": "pin=123456\n", "system/b": "fine\n"}, archive)
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as packed:
        assert packed.getnames() == ["MANIFEST", "logs/a", "system/b"]
        manifest = packed.extractfile("MANIFEST").read().decode().splitlines()
        assert packed.extractfile("logs/a").read() == b"pin=[redacted]\n"
    assert manifest[0].split() == ["15", "bytes", "1", "redactions", "logs/a"]
