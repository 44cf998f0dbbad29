"""The supervisor: what dies comes back, what does not stop is killed, nobody else is touched."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from appliance.embedded.programs import Program
from appliance.embedded.supervisor import (
    Interrupted,
    Supervisor,
    end_leftovers,
    interruptible,
)
from rizzpay.core.errors import Misconfigured

WAIT_S = 20.0
SLEEP = "import time; time.sleep(300)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)"


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(tmp_path, said):
    made = Supervisor(tmp_path / "processes.json", lambda name, text: said.append((name, text)))
    yield made
    made.stop()


def program(tmp_path, code: str, name: str = "part", **more) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-c", code),
        log=tmp_path / f"{name}.log",
        stage=more.pop("stage", 0),
        ready=more.pop("ready", lambda: True),
        **more,
    )


def watching(supervisor: Supervisor, until) -> None:
    """Let the supervisor watch until something holds."""
    end = time.monotonic() + WAIT_S
    while not until():
        assert time.monotonic() < end
        for child in supervisor.children:
            supervisor.look_after(child)
        time.sleep(0.02)


def test_what_is_killed_comes_back(supervisor, tmp_path, said):
    child = supervisor.start(program(tmp_path, SLEEP))
    old = child.pid
    os.kill(old, signal.SIGKILL)
    watching(supervisor, lambda: child.pid not in {None, old})
    assert said[0] == ("part", "ended (killed by SIGKILL); starting it again now")


def test_what_dies_again_and_again_is_started_more_slowly(supervisor, tmp_path, said):
    supervisor.start(program(tmp_path, "raise SystemExit(3)"))
    watching(supervisor, lambda: len(said) >= 5)
    waits = [text for _, text in said if text.startswith("ended")]
    assert [text.rpartition("again ")[2] for text in waits[:3]] == ["now", "in 0.5 s", "in 1 s"]
    assert "exit status 3" in waits[0]


def test_what_does_not_start_is_one_sentence_with_its_last_words(supervisor, tmp_path):
    code = "import sys; sys.exit('no such luck')"
    with pytest.raises(Misconfigured, match=r"part did not start \(exit status 1\): no such luck"):
        supervisor.start(program(tmp_path, code, ready=lambda: False))


def test_what_does_not_get_ready_is_one_sentence(supervisor, tmp_path):
    with pytest.raises(Misconfigured, match=r"not ready after 0\.2 s"):
        supervisor.start(program(tmp_path, SLEEP, ready=lambda: False, ready_s=0.2))


def test_what_does_not_stop_is_killed(supervisor, tmp_path, said):
    log = tmp_path / "part.log"
    child = supervisor.start(
        program(
            tmp_path,
            "print('deaf', flush=True);" + STUBBORN,
            stop_s=0.3,
            ready=lambda: log.exists() and "deaf" in log.read_text(),
        )
    )
    time.sleep(0.2)  # until it has put its ears off
    pid = child.pid
    supervisor.stop()
    assert not psutil.pid_exists(pid)
    assert said == [("part", "did not stop by itself and was killed")]


def test_later_stages_stop_first(supervisor, tmp_path):
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n    open({file!r}, 'a').write({name!r}); sys.exit()\n"
        "signal.signal(15, stop); print('up', flush=True); time.sleep(300)"
    )
    file = tmp_path / "order"
    for name, stage in (("database", 0), ("service", 1), ("door", 2)):
        log = tmp_path / f"{name}.log"
        supervisor.start(
            program(
                tmp_path,
                code.format(file=str(file), name=f"{name} "),
                name,
                stage=stage,
                ready=lambda log=log: log.exists() and "up" in log.read_text(),
            )
        )
    supervisor.stop()
    assert file.read_text().split() == ["door", "service", "database"]


def wait_until(holds) -> None:
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_children_die_with_their_supervisor(tmp_path):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from appliance.embedded.programs import Child, Program\n"
        f"command = (sys.executable, '-c', {SLEEP!r})\n"
        f"log = Path({str(tmp_path)!r}, 'log')\n"
        "child = Child(Program('part', command, log, 0, lambda: True))\n"
        "child.start(); print(child.pid, flush=True); time.sleep(300)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    child = psutil.Process(pid)
    wait_until(lambda: "setpriv" not in child.name())  # the kernel has been told by then
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not psutil.pid_exists(pid) or child.status() == psutil.STATUS_ZOMBIE)


def test_leftovers_are_ended_and_a_process_that_got_their_number_is_not(tmp_path):
    record = tmp_path / "processes.json"
    left = subprocess.Popen(["sleep", "300"])
    other = subprocess.Popen(["sleep", "300"])
    started = psutil.Process(left.pid).create_time()
    record.write_text(json.dumps({left.pid: started, other.pid: started - 1000}))
    threading.Thread(target=left.wait).start()  # it is our child, so somebody has to bury it
    end_leftovers(record, patience_s=0.2)
    assert not psutil.pid_exists(left.pid)
    assert other.poll() is None
    assert not record.exists()
    other.kill()
    other.wait()


def interrupt_twice() -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    finally:  # stopping takes a while
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)


def test_a_second_ctrl_c_does_not_disturb_the_stopping():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted), interruptible():
        interrupt_twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_long_log_begins_anew(supervisor, tmp_path):
    child = supervisor.start(program(tmp_path, SLEEP))
    log = child.program.log
    with log.open("ab") as file:
        file.truncate(65 * 1024 * 1024)
    child.trim_log()
    assert log.stat().st_size == 0
    assert log.with_suffix(".1").stat().st_size == 65 * 1024 * 1024
