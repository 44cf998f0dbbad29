"""rizzpay-hsmd serves whom it should, whatever the others do, and outlives its token."""

import os
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from rizzpay.core.errors import Unavailable
from rizzpay.infra.hsm import daemon, protocol
from rizzpay.infra.hsm.client import HsmClient
from tests.hsm.running import Hsmd

NOBODY = 65534
CALL_AS = """
import os, sys
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.core.errors import RizzPayError
client = HsmClient(sys.argv[1])
os.setgid({uid}); os.setuid({uid})
for call in (client.status, lambda: client.sign("sig-audit-v1", b"x"),
             lambda: client.generate("kek-data-v2"), lambda: client.destroy("kek-data-v1")):
    try:
        print(type(call()).__name__)
    except RizzPayError as error:
        print(getattr(error, "code", error))
"""


@pytest.fixture
def sock(hsmd):
    """A bare connection to the daemon."""
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(10)
        opened.connect(hsmd.settings.socket)
        yield opened


def call_as(uid, daemon_):
    """Call as another user, who got past the file's mode; returns what each call answered."""
    Path(daemon_.settings.socket).chmod(0o666)
    result = subprocess.run(
        [sys.executable, "-c", CALL_AS.format(uid=uid), daemon_.settings.socket],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.stderr
    return result.stdout.split("\n")[:-1]


def answer(sock):
    """Read one answer from a bare connection."""
    (length,) = struct.unpack(">I", sock.recv(4, socket.MSG_WAITALL))
    return protocol.read_answer(sock.recv(length, socket.MSG_WAITALL))


def is_closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


# ------------------------------------------------------------------------------ who may call

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@needs_root
def test_a_user_who_is_not_listed_is_refused(keyed):
    assert call_as(NOBODY, keyed) == ["not_allowed"] * 4
    assert "peer.refused" in keyed.log.read_text()


@needs_root
def test_a_listed_user_uses_keys_and_cannot_make_or_destroy_them(directory):
    hsmd = Hsmd(directory)
    hsmd.write_config(allowed_uids=(NOBODY,))
    hsmd.start().with_keys()
    try:
        assert call_as(NOBODY, hsmd) == ["HsmStatus", "bytes", "not_allowed", "not_allowed"]
        assert call_as(1, hsmd) == ["not_allowed"] * 4
        assert len(hsmd.client.list_keys()) == 4
    finally:
        hsmd.stop()


def test_the_socket_is_for_its_owner_only(hsmd):
    assert Path(hsmd.settings.socket).stat().st_mode & 0o777 == 0o600


def test_the_socket_is_for_its_group_where_other_users_are_listed(directory):
    hsmd = Hsmd(directory)
    hsmd.write_config(allowed_uids=(os.getuid(), 4711))
    hsmd.start()
    try:
        assert Path(hsmd.settings.socket).stat().st_mode & 0o777 == 0o660
    finally:
        hsmd.stop()


# ------------------------------------------------------------------------------ hostile clients


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"\xc1", b"{}", b"\x80", b"\x91" * 60_000, b"\xdf\xff\xff\xff\xff", b"\xa4ping"],
    ids=["empty", "zero", "reserved", "json", "no_type", "deep", "huge_map", "text"],
)
def test_a_malformed_request_is_told_so_and_the_connection_goes_on(sock, hsmd, body):
    sock.sendall(struct.pack(">I", len(body)) + body)
    assert answer(sock) == protocol.Failure("malformed", "this is not a request")
    sock.sendall(protocol.frame(protocol.Status()))
    assert answer(sock).ready


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "unwrap", "kek_label": "k", "mechanism": "m", "wrapped": b"x" * 513},
        {"type": "unwrap", "kek_label": "", "mechanism": "m", "wrapped": b"x"},
        {"type": "unwrap", "kek_label": "k" * 65, "mechanism": "m", "wrapped": b"x"},
        {"type": "wrap", "kek_label": "k", "plain": b"x" * 31},
        {"type": "sign", "label": "k", "message": b"x" * (32 * 1024 + 1)},
        {"type": "sign", "label": 7, "message": b""},
        {"type": "generate"},
        {"type": "shell", "label": "id"},
    ],
)
def test_a_request_with_impossible_values_is_malformed(sock, request_):
    body = msgspec.msgpack.encode(request_)
    sock.sendall(struct.pack(">I", len(body)) + body)
    assert answer(sock).code == "malformed"


def test_a_huge_frame_is_cut_off_before_it_is_read(sock, hsmd):
    sock.sendall(struct.pack(">I", protocol.FRAME_MAX + 1))
    assert is_closed(sock)
    assert hsmd.client.status().failures["malformed"] == 1


def test_requests_in_one_go_are_answered_one_after_the_other(sock):
    sock.sendall(protocol.frame(protocol.Status()) * 20)
    counts = [answer(sock).operations["Status"] for _ in range(20)]
    assert counts == list(range(counts[0], counts[0] + 20))


def test_a_client_that_hangs_up_in_the_middle_harms_nobody(hsmd):
    frame = protocol.frame(protocol.Status())
    for size in range(len(frame) + 1):
        with socket.socket(socket.AF_UNIX) as opened:
            opened.connect(hsmd.settings.socket)
            opened.sendall(frame[:size])
    assert hsmd.client.status().ready


@pytest.mark.slow
def test_slow_and_silent_clients_do_not_keep_others_waiting(keyed):
    stuck = []
    for sent in (b"", b"\x00", b"\x00\x00\x10\x00half"):
        for _ in range(20):
            opened = socket.socket(socket.AF_UNIX)
            opened.settimeout(10)
            opened.connect(keyed.settings.socket)
            opened.sendall(sent)
            stuck.append((sent, opened))
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(keyed.settings.socket)
    deaf.settimeout(0.5)
    with pytest.raises(TimeoutError):  # asks on and on, and fetches no answer
        deaf.sendall(protocol.frame(protocol.ListKeys()) * 100_000)
    started = time.monotonic()
    for _ in range(100):
        keyed.client.sign("sig-audit-v1", b"others work")
    assert time.monotonic() - started < 2
    assert all(is_closed(opened) for sent, opened in stuck if sent)  # half a request: 5 seconds
    assert time.monotonic() - started < daemon.FRAME_S + 4
    assert keyed.client.status().ready
    for _, opened in [*stuck, (b"", deaf)]:
        opened.close()


def test_more_connections_than_it_takes_are_told_to_come_again(hsmd):
    opened = []
    try:
        for _ in range(daemon.CONNECTIONS_MAX):
            opened.append(socket.socket(socket.AF_UNIX))
            opened[-1].connect(hsmd.settings.socket)
        with pytest.raises(Unavailable, match="too many connections"):
            hsmd.client.status()
    finally:
        for one in opened:
            one.close()
    assert hsmd.wait_for(lambda status: status.ready)


def test_fifty_clients_at_a_time_each_get_their_own_answer(keyed):
    def work(number):
        client = HsmClient(keyed.settings.socket, timeout_s=30)
        got = []
        for _ in range(4):
            mechanism, wrapped = client.new_data_key("kek-data-v1")
            plain = client.unwrap("kek-data-v1", mechanism, wrapped)
            assert client.wrap("kek-data-v1", plain) == (mechanism, wrapped)
            got.append(plain.reveal())
        client.sign("sig-audit-v1", str(number).encode())
        return got

    with ThreadPoolExecutor(50) as pool:
        values = [plain for got in pool.map(work, range(50)) for plain in got]
    assert len(set(values)) == 200
    status = keyed.client.status()
    assert (status.operations["Unwrap"], status.operations["Sign"]) == (200, 50)
    assert status.failures == {}
    assert status.logins == 1


# ------------------------------------------------------------------------------ the process


def test_exactly_one_native_thread_runs(keyed):
    assert len(list(Path(f"/proc/{keyed.process.pid}/task").iterdir())) == 1


def test_it_leaves_no_core_dump_and_cannot_be_read():
    program = (
        "import ctypes, resource; from rizzpay.infra.hsm.daemon import harden; harden();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "0 (0, 0)\n"


def test_the_running_daemon_has_no_core_limit_left(hsmd):
    limits = Path(f"/proc/{hsmd.process.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_no_pin_is_on_a_command_line_or_in_the_log(keyed):
    pin = Path(keyed.settings.pin_file).read_text().strip()
    process = Path(f"/proc/{keyed.process.pid}")
    assert pin.encode() not in (process / "cmdline").read_bytes()
    assert pin.encode() not in (process / "environ").read_bytes()
    assert pin not in keyed.log.read_text()


def test_it_stops_cleanly_when_asked(hsmd):
    started = time.monotonic()
    assert hsmd.stop() == 0
    assert time.monotonic() - started < 5
    assert not Path(hsmd.settings.socket).exists()
    assert "hsmd.stopped" in hsmd.log.read_text()


def test_a_killed_daemon_is_followed_by_a_new_one_on_the_same_socket(keyed):
    client = keyed.client
    mechanism, wrapped = client.new_data_key("kek-data-v1")
    plain = client.unwrap("kek-data-v1", mechanism, wrapped)
    keyed.kill()
    assert Path(keyed.settings.socket).exists()
    with pytest.raises(Unavailable):
        client.unwrap("kek-data-v1", mechanism, wrapped)
    keyed.start()
    keyed.wait_for(lambda status: status.ready)
    assert client.unwrap("kek-data-v1", mechanism, wrapped) == plain  # the same client object


def test_a_second_daemon_does_not_take_the_socket_away(hsmd):
    result = hsmd.rizzpay("hsmd")
    assert result.returncode == 2
    assert "another rizzpay-hsmd serves" in result.stderr
    assert hsmd.client.status().ready


def test_a_directory_that_is_not_there_is_one_sentence(directory):
    hsmd = Hsmd(directory)
    hsmd.write_config(socket=str(directory / "none" / "h.sock"))
    result = hsmd.rizzpay("hsmd")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "No such file" in result.stderr


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(directory):
    hsmd = Hsmd(directory)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(directory / "notify"))
        notify.settimeout(10)
        hsmd.environment["NOTIFY_SOCKET"] = str(directory / "notify")
        hsmd.start()
        told = notify.recv(1000).decode()
        assert told.split("\n") == ["READY=1", f"MAINPID={hsmd.process.pid}"]
        assert notify.recv(1000) == b"STATUS=logged in"
        hsmd.stop()
        assert notify.recv(1000) == b"STOPPING=1"
