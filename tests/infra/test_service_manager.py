"""What systemd hears of the API, of the worker, and never of gunicorn's arbiter."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from appliance.embedded.layout import of
from appliance.embedded.settings import Addresses, Parts, build, toml

PATIENCE_S = 60.0


@pytest.fixture
def installed(tmp_path, postgres, valkey, hsm):
    """A rizzpay.toml for the parts of this session."""
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    place = of(tmp_path / "data")
    (place.data / "secrets").mkdir(parents=True)
    config = build(place, Addresses(1, 2), Parts(postgres, valkey, hsm))
    text = toml(config).replace(str(place.run), str(run))
    file = tmp_path / "rizzpay.toml"
    file.write_text(text)
    return file


@pytest.fixture
def ear(tmp_path):
    """The service manager's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        yield listener


@pytest.fixture
def start(installed, ear):
    """Start a subcommand as a unit with a watchdog of a second; it is ended afterwards."""
    running = []

    def start(*arguments):
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "rizzpay", "--config", str(installed), *arguments],
                env={
                    **os.environ,
                    "NOTIFY_SOCKET": ear.getsockname(),
                    "WATCHDOG_USEC": "1000000",
                },
                stderr=subprocess.DEVNULL,
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(PATIENCE_S)


def heard_until(ear, wanted):
    """Return every message up to the wanted one."""
    heard = []
    while not heard or heard[-1] != wanted:
        heard.append(ear.recv(1000).decode())
    return heard


@pytest.mark.parametrize("arguments", [("serve", "--core", "0"), ("work",)])
def test_a_service_says_that_it_is_ready_and_then_that_it_lives(start, ear, arguments):
    start(*arguments)
    before = heard_until(ear, "READY=1")
    assert set(before[:-1]) <= {"WATCHDOG=1"}  # nobody else called the service ready
    began_s = time.monotonic()
    heard_until(ear, "WATCHDOG=1")
    heard_until(ear, "WATCHDOG=1")
    assert time.monotonic() - began_s < 1.0


def test_an_api_worker_that_stands_still_shows_no_life(start, ear, installed):
    arbiter = start("serve", "--core", "0")
    heard_until(ear, "READY=1")
    worker = int(
        subprocess.run(
            ["pgrep", "-P", str(arbiter.pid)], capture_output=True, text=True, check=True
        ).stdout
    )
    os.kill(worker, signal.SIGSTOP)
    try:
        ear.settimeout(1.5)  # longer than the watchdog's second
        with pytest.raises(TimeoutError):
            for _ in range(4):  # what was sent before it stood still
                ear.recv(1000)
    finally:
        os.kill(worker, signal.SIGCONT)
