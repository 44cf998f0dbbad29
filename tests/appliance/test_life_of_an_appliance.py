"""script/server from start to stop: what stays, what goes, what it says when it cannot start."""

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from appliance.embedded import layout
from appliance.embedded.accounts import Account, reaches
from tests.appliance import open_place
from tests.appliance.running import Appliance, free_port
from tests.flows.merchant import Merchant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REFUSED = 2
WAIT_S = 30.0


@pytest.fixture
def place():
    """A data directory that is not there yet, and its removal."""
    base = Path(tempfile.mkdtemp(prefix="rzlife", dir="/tmp"))
    base.chmod(0o711)
    yield base / "data"
    shutil.rmtree(layout.of(base / "data").run, ignore_errors=True)
    shutil.rmtree(base)


def refused(place: Path, *arguments: str) -> str:
    """Start one that cannot start; return the one sentence that it says."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "appliance.embedded", "serve", "--data", str(place)),
            *("--no-demo", *arguments),
        ],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == REFUSED, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def wait_until_gone(pids: set[int]) -> None:
    end = time.monotonic() + WAIT_S
    while left := {pid for pid in pids if psutil.pid_exists(pid)}:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def descendants(pid: int) -> set[int]:
    process = psutil.Process(pid)
    return {pid, *(child.pid for child in process.children(recursive=True))}


def test_what_was_stored_is_there_again_and_ctrl_c_leaves_nothing(place):
    bystander = subprocess.Popen(["sleep", "300"])
    first = Appliance.start(place, "--demo")
    assert "refund.processed: delivered, signature verified" in first.text
    assert "₹500.00: captured" in first.text
    assert first.output[-1].startswith(f"ready {first.credentials['base_url']}")
    assert (place / "credentials.json").stat().st_mode & 0o777 == 0o600
    before = first.credentials
    payment = Merchant(before).pay(12_300, reference="kept").json()
    everything = descendants(first.process.pid)
    assert first.all_pids <= everything
    assert first.stop(signal.SIGINT) == 0
    wait_until_gone(everything)
    assert bystander.poll() is None
    assert first.credentials["pids"] == {}
    assert not layout.of(place).run.exists()

    second = Appliance.start(place, "--port", before["base_url"].rpartition(":")[2])
    try:
        same = ("base_url", "merchant_id", "key_id", "key_secret", "webhook_url_hint")
        assert [second.credentials[name] for name in same] == [before[name] for name in same]
        found = Merchant(second.credentials).get(f"/v1/payments/{payment['id']}").json()
        assert (found["reference"], found["status"]) == ("kept", "captured")
    finally:
        assert second.stop() == 0
        bystander.kill()
        bystander.wait()


def test_nothing_outlives_a_supervisor_that_is_killed(place):
    first = Appliance.start(place)
    payment = Merchant(first.credentials).pay(700).json()
    everything = descendants(first.process.pid)
    first.kill()
    second = Appliance.start(place)  # at once: it waits for what is left, and takes the lock over
    try:
        assert not {pid for pid in everything if psutil.pid_exists(pid)}
        found = Merchant(second.credentials).get(f"/v1/payments/{payment['id']}")
        assert found.json()["status"] == "captured"
        assert f"process {second.process.pid}" in refused(place, "--port", str(free_port()))
    finally:
        second.stop()


def test_a_fresh_start_forgets_what_was_stored(place):
    for path in (place / "secrets" / "merchant.json", place / "postgres" / "PG_VERSION"):
        path.parent.mkdir(parents=True)
        path.write_text("of an earlier run that went wrong")
    (place / layout.MARKER).write_text(layout.MARKER_TEXT)
    running = Appliance.start(place, "--fresh")
    try:
        assert Merchant(running.credentials).get("/v1/payments").json()["data"] == []
    finally:
        running.stop()


def test_a_directory_of_somebody_else_is_left_alone(place):
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    for more in ((), ("--fresh",)):
        assert "not RizzPay's" in refused(place, *more)
    assert (place / "thesis.txt").read_text() == "years of work"
    assert list(place.iterdir()) == [place / "thesis.txt"]


def test_a_taken_port_is_one_sentence_that_names_the_holder(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(place, "--port", str(port))
    assert f"port {port} of 127.0.0.1 is taken" in said
    assert f"process {os.getpid()}" in said
    assert "--port" in said


def test_a_held_lock_is_one_sentence_and_a_stale_one_is_taken_over(place):
    place.mkdir()
    (place / layout.MARKER).write_text(layout.MARKER_TEXT)
    with (place / "lock").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "process 4711" in refused(place)
    with socket.socket() as taken:  # the stale lock is no obstacle: it gets as far as the port
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "is taken" in refused(place, "--port", str(taken.getsockname()[1]))


def test_missing_programs_are_one_sentence(place, tmp_path):
    assert "has no PostgreSQL" in refused(place, "--postgres", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "appliance.embedded", "serve", "--data", str(place)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == REFUSED
    assert "is not installed" in done.stderr
    assert not place.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk to fill")
def test_a_full_disk_is_one_sentence(place):
    place.mkdir()
    with mounted(place, "size=16m"):
        assert "MiB are free on the disk" in refused(place)
        assert list(place.iterdir()) == []


@contextmanager
def mounted(place: Path, options: str):
    """Mount a disk in memory; skips where a container does not allow it."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no mounting here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has directories that others cannot enter")
def test_it_runs_below_a_directory_that_only_root_may_enter(place):
    place.parent.chmod(0o700)
    running = Appliance.start(place)
    try:
        assert Merchant(running.credentials).pay(900).status == 201
        assert psutil.Process(running.pids()["postgres"]).uids().effective != 0
        assert psutil.Process(running.pids()["haproxy"]).uids().effective != 0
    finally:
        assert running.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="we are an ordinary user already")
def test_an_ordinary_user_can_run_it(place):
    place.parent.chmod(0o777)
    nobody = pwd.getpwnam("nobody")
    account = Account("nobody", nobody.pw_uid, nobody.pw_gid)
    python = Path(sys.executable)
    if not all(reaches(account, at) for at in (layout.ROOT / "README.md", python.resolve())):
        copied = open_place.copied_python(place.parent / "python")
        python = open_place.copy(copied, place.parent / "open")
    port = free_port()
    process = subprocess.Popen(
        [
            *(python, "-P", "-B", "-m", "appliance.embedded", "serve"),
            *("--data", str(place), "--port", str(port), "--workers", "1"),
        ],
        cwd="/",
        env={**os.environ, "LD_LIBRARY_PATH": str(place.parent / "python" / "lib")},
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("ready "):
                break
        assert said[-1].startswith("ready "), "".join(said)
        assert len(json.loads((place / "credentials.json").read_text())["pids"]["api"]) == 1
    finally:
        process.terminate()
        process.wait(WAIT_S)
        process.stdout.close()
