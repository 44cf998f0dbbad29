"""Whose reign the watch over the primary ends, and when; etcd and real silence are the lab's."""

import importlib.machinery
import importlib.util
import json
import socket
import sys

import pytest

from appliance.embedded.layout import ROOT

FILE = ROOT / "appliance/ansible/roles/postgresql/files/rizzpay-primary-watch"


@pytest.fixture(scope="module")
def program():
    """The program, as a module."""
    loader = importlib.machinery.SourceFileLoader("primary_watch", str(FILE))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("primary_watch", loader)
    )
    sys.modules["primary_watch"] = module
    loader.exec_module(module)
    yield module
    del sys.modules["primary_watch"]


@pytest.fixture
def keys(program):
    """What etcd holds when n1 is the primary and n2 follows synchronously."""

    def make(leader="n1", sync_leader="n1", standby="n2", **config):
        state = json.dumps({"leader": sync_leader, "sync_standby": standby})
        return {
            "leader": program.Key(leader, "7"),
            "sync": program.Key(state, "8"),
            "config": program.Key(json.dumps(config), "9"),
        }

    return make


def test_only_the_synchronous_standby_watches(program, keys):
    assert program.Watch("n2", 5).whom(keys()) == "n1"
    assert program.Watch("n3", 5).whom(keys()) is None
    assert program.Watch("n1", 5).whom(keys()) is None


def test_nobody_watches_without_a_leader_or_without_synchronous_replication(program, keys):
    watch = program.Watch("n2", 5)
    found = keys()
    assert watch.whom({**found, "leader": None}) is None
    assert watch.whom({name: found[name] for name in ("leader", "config")}) is None
    assert watch.whom(keys(standby=None)) is None


def test_nobody_watches_a_cluster_that_people_look_after(program, keys):
    assert program.Watch("n2", 5).whom(keys(pause=True)) is None


def test_a_standby_of_an_earlier_primary_does_not_watch(program, keys):
    assert program.Watch("n2", 5).whom(keys(sync_leader="n3")) is None


def test_a_reign_is_over_after_an_unbroken_silence(program):
    watch = program.Watch("n2", 5)
    assert [watch.is_over("n1", False, second) for second in (10, 12, 14.9, 15)] == [
        False, False, False, True,
    ]  # fmt: skip


def test_an_answer_or_another_primary_begins_the_count_anew(program):
    watch = program.Watch("n2", 5)
    assert not watch.is_over("n1", False, 10)
    assert not watch.is_over("n1", True, 14)
    assert not watch.is_over("n1", False, 16)
    assert not watch.is_over("n3", False, 22)
    assert not watch.is_over(None, False, 28)
    assert not watch.is_over("n3", False, 29)


def test_a_machine_that_refuses_a_connection_is_not_silent(program, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(program, "PATRONI_PORT", server.getsockname()[1])
        assert program.answers("127.0.0.1")
    assert program.answers("127.0.0.1")


def test_a_machine_that_answers_nothing_is_silent(program, monkeypatch):
    monkeypatch.setattr(program, "CONNECT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, socket.socket() as waiting:
        monkeypatch.setattr(program, "PATRONI_PORT", server.getsockname()[1])
        waiting.connect(server.getsockname())  # nobody accepts, and there is room for one
        assert not program.answers("127.0.0.1")


def heirs(program, keys, monkeypatch, room, seconds, free_bytes=0):
    """Return what each look at a disk says."""
    monkeypatch.setattr(program, "free_bytes", lambda _: free_bytes)
    return [room.heir(keys, second) for second in seconds]


def test_a_primary_without_room_hands_over_to_its_synchronous_standby(program, keys, monkeypatch):
    room = program.Room("n1", "/")
    assert heirs(program, keys(), monkeypatch, room, range(3)) == [None, None, "n2"]


def test_it_hands_over_once_for_the_heir_may_be_as_full(program, keys, monkeypatch):
    room = program.Room("n1", "/")
    said = heirs(program, keys(), monkeypatch, room, [*range(60), 700])
    assert said.count("n2") == 2
    assert said[-1] == "n2"


def test_room_that_comes_back_begins_the_count_anew(program, keys, monkeypatch):
    room = program.Room("n1", "/")
    heirs(program, keys(), monkeypatch, room, range(2))
    heirs(program, keys(), monkeypatch, room, [2], program.ROOM_BYTES)
    assert heirs(program, keys(), monkeypatch, room, range(3, 5)) == [None, None]


@pytest.mark.parametrize("name", ["n2", "n3"])
def test_a_standby_without_room_hands_nothing_over(program, keys, monkeypatch, name):
    room = program.Room(name, "/")
    assert set(heirs(program, keys(), monkeypatch, room, range(5))) == {None}


def test_nobody_hands_over_to_nobody_or_while_people_look_after_it(program, keys, monkeypatch):
    for found in (keys(standby=None), keys(pause=True), {}):
        room = program.Room("n1", "/")
        assert set(heirs(program, found, monkeypatch, room, range(5))) == {None}


def test_a_directory_that_is_not_there_yet_is_not_full(program, tmp_path):
    assert program.free_bytes(tmp_path / "none") >= program.ROOM_BYTES
    assert program.free_bytes(tmp_path) > 0


def test_systemd_is_told_that_the_watch_lives(program, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        program.tell_systemd("WATCHDOG=1")
        assert systemd.recv(64) == b"WATCHDOG=1"
