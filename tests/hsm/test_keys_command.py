"""`rizzpay keys`: what an operator does with keys, on a real token and a real database."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from rizzpay.core.errors import Misconfigured, Unavailable
from rizzpay.infra import data_keys, envelope
from rizzpay.infra.database import Database, Role, conninfo
from rizzpay.infra.envelope import Unreadable
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import Purpose
from tests.hsm.running import Hsmd

HERE = "payers|email|cus_1|mer_1"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def table(postgres):
    """The owner's connection, and a table of data keys that is this test's own."""
    with psycopg.connect(conninfo(postgres, Role.OWNER), autocommit=True) as conn:
        kept = conn.execute("SELECT * FROM rizzpay.data_keys").fetchall()
        conn.execute("DELETE FROM rizzpay.data_keys")
        yield conn
        conn.execute("DELETE FROM rizzpay.data_keys")
        for row in kept:
            places = ", ".join(["%s"] * len(row))
            conn.execute(f"INSERT INTO rizzpay.data_keys VALUES ({places})", row)


@pytest.fixture
def bank(directory, postgres, table):
    """A daemon whose commands reach the database."""
    hsmd = Hsmd(directory, postgres)
    hsmd.start()
    hsmd.wait_for(lambda status: status.ready)
    yield hsmd
    hsmd.stop()


@pytest.fixture
def ready(bank):
    """The same after `rizzpay keys init`."""
    assert bank.rizzpay("keys", "init").returncode == 0
    return bank


@pytest.fixture
def worker(postgres):
    database = Database(postgres, Role.WORKER, size=2)
    yield database
    database.close()


@pytest.fixture
def trail(postgres, table):
    """A function from object id to what operators did to it in this test."""
    with psycopg.connect(conninfo(postgres, Role.WORKER), autocommit=True) as conn:
        (last,) = conn.execute("SELECT coalesce(max(id), 0) FROM rizzpay.audit_log").fetchone()

        def actions(object_id):
            rows = conn.execute(
                "SELECT action FROM rizzpay.audit_log WHERE object_id = %s AND id > %s"
                " AND actor LIKE 'operator:%%' ORDER BY id",
                (object_id, last),
            )
            return [action for (action,) in rows]

        yield actions


def done(result):
    """Return what a command that has to succeed says in JSON."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def findings(daemon):
    """Return what `keys verify` complains about."""
    result = daemon.rizzpay("keys", "verify", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == (0 if told["ok"] else 1), result.stderr
    return {finding["subject"]: finding["problem"] for finding in told["findings"]}


def add_old_keys(table, daemon, count):
    """Add data keys that only open, as years of rotations leave them; returns id → value."""
    values = {}
    for number in range(count):
        key_id = f"dek_{number:026d}"
        mechanism, wrapped = daemon.client.new_data_key("kek-data-v1")
        table.execute(
            "INSERT INTO rizzpay.data_keys (id, purpose, kek_label, mechanism, wrapped, status,"
            " created_at) VALUES (%s, 'personal', 'kek-data-v1', %s, %s, 'decrypt_only', %s)",
            (key_id, mechanism, wrapped, NOW),
        )
        values[key_id] = daemon.client.unwrap("kek-data-v1", mechanism, wrapped)
    return values


def unwrapped(table, daemon):
    """Return id → value of every data key, through the token."""
    rows = table.execute("SELECT id, kek_label, mechanism, wrapped FROM rizzpay.data_keys")
    return {row[0]: daemon.client.unwrap(*row[1:]) for row in rows}


def under(table, label):
    row = table.execute(
        "SELECT count(*) FROM rizzpay.data_keys WHERE kek_label = %s", (label,)
    ).fetchone()
    return row[0]


# ------------------------------------------------------------------------------ init, list


def test_init_makes_every_key_and_says_so(bank, table, trail):
    told = done(bank.rizzpay("keys", "init", "--json"))
    assert told["token_keys"] == ["kek-data-v1", "sig-audit-v1"]
    assert [key["purpose"] for key in told["data_keys"]] == list(Purpose)
    assert under(table, "kek-data-v1") == len(Purpose)
    assert len({value.reveal() for value in unwrapped(table, bank).values()}) == len(Purpose)
    assert trail("kek-data-v1") == ["key.generation_asked", "key.generated"]
    for key in told["data_keys"]:
        assert trail(key["id"]) == ["data_key.generated"]


def test_init_twice_changes_nothing(ready, table):
    before = table.execute("SELECT * FROM rizzpay.data_keys ORDER BY id").fetchall()
    result = ready.rizzpay("keys", "init")
    assert (result.returncode, result.stdout) == (0, "every key is there\n")
    assert table.execute("SELECT * FROM rizzpay.data_keys ORDER BY id").fetchall() == before


def test_init_goes_on_where_it_was_interrupted(ready, table):
    table.execute("DELETE FROM rizzpay.data_keys WHERE purpose = 'cursor'")
    told = done(ready.rizzpay("keys", "init", "--json"))
    assert (told["token_keys"], [key["purpose"] for key in told["data_keys"]]) == ([], ["cursor"])


def test_two_operators_at_a_time_leave_one_active_key_a_purpose(bank, table):
    bank.with_keys()
    command = [sys.executable, "-m", "rizzpay", "--config", str(bank.config), "keys", "init"]
    racing = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait(timeout=60) for process in racing] == [0, 0, 0]
    assert under(table, "kek-data-v1") == len(Purpose)


def test_list_shows_keys_with_age_and_cryptoperiod_and_no_key(ready, table):
    told = done(ready.rizzpay("keys", "list", "--json"))
    assert [key["label"] for key in told["keys"]] == ["kek-data-v1", "sig-audit-v1"]
    assert told["keys"][0]["cryptoperiod_days"] == 365
    assert told["keys"][0]["age_days"] == 0
    assert "sensitive" in told["keys"][0]["flags"]
    assert {key["purpose"] for key in told["data_keys"]} == set(Purpose)
    readable = ready.rizzpay("keys", "list").stdout
    assert "kek-data-v1" in readable
    for value in unwrapped(table, ready).values():
        assert value.reveal().hex() not in json.dumps(told) + readable


@pytest.mark.parametrize("verb", ["init", "list", "verify", "rotate", "retire"])
def test_every_command_takes_the_configuration_behind_its_name(bank, verb):
    shown = bank.rizzpay("keys", verb, "--help").stdout
    assert "--config" in shown
    assert "--json" in shown


def test_without_a_token_a_command_says_so_in_one_sentence(ready):
    ready.tokens.rename(ready.tokens.with_name("away"))
    for verb in (["init"], ["list"], ["verify"], ["rotate", "kek-data"]):
        result = ready.rizzpay("keys", *verb)
        assert result.returncode == 3
        assert result.stderr.startswith("Error: hsm: ")
        assert result.stderr.count("\n") == 1
    ready.tokens.with_name("away").rename(ready.tokens)


# ------------------------------------------------------------------------------ verify


def test_verify_finds_nothing_after_init(ready):
    assert findings(ready) == {}
    assert "every key is as the inventory says" in ready.rizzpay("keys", "verify").stdout


def test_verify_names_missing_keys(bank):
    found = findings(bank)
    assert "is not in the token" in found["kek-data"]
    assert "is missing" in found["data key for personal"]


def test_verify_names_a_damaged_data_key(ready, table):
    table.execute(
        "UPDATE rizzpay.data_keys SET wrapped = set_byte(wrapped, 9, get_byte(wrapped, 9) # 1)"
        " WHERE purpose = 'answer'"
    )
    (subject,) = findings(ready)
    assert subject.endswith("(answer)")


def test_verify_names_keys_that_are_too_old(ready, table):
    table.execute("UPDATE rizzpay.data_keys SET created_at = created_at - interval '366 days'")
    found = findings(ready)
    assert len(found) == len(Purpose) - 1  # the blind index may be two years old
    assert all("1 more than its cryptoperiod" in problem for problem in found.values())


def test_verify_names_keys_that_another_tool_made_and_loosely(ready):
    program = (
        "import sys, pathlib, pkcs11; from pkcs11 import Attribute as A, KeyType;"
        "m, t, p = sys.argv[1:]; token = pkcs11.lib(m).get_token(token_label=t);"
        "s = token.open(rw=True, user_pin=pathlib.Path(p).read_text().strip());"
        "s.generate_key(KeyType.AES, 256, label='kek-data-v2', store=True,"
        " template={A.EXTRACTABLE: True, A.SENSITIVE: False});"
        "s.generate_key(KeyType.AES, 256, label='backdoor', store=True)"
    )
    settings = ready.settings
    token = [settings.module, settings.token_label, settings.pin_file]
    subprocess.run(
        [sys.executable, "-c", program, *token],
        env={"SOFTHSM2_CONF": settings.softhsm_config},
        check=True,
    )
    told = json.loads(ready.rizzpay("keys", "verify", "--json").stdout)["findings"]
    pairs = {(finding["subject"], finding["problem"]) for finding in told}
    assert ("backdoor", "is in the token and not in the inventory") in pairs
    assert ("kek-data-v2", "extractable is true") in pairs
    assert ("kek-data-v2", "sensitive is false") in pairs
    assert ("kek-data-v2", "may decrypt, encrypt, unwrap, wrap") in pairs
    assert any("made by another tool" in problem for _, problem in pairs)


# ------------------------------------------------------------------------------ rotate, retire


def test_rotating_the_kek_wraps_every_data_key_anew(ready, table, trail):
    before = unwrapped(table, ready)
    told = done(ready.rizzpay("keys", "rotate", "kek-data", "--json"))
    assert told["active"] == "kek-data-v2"
    assert (told["made"], told["rewrapped"], told["failed"]) == (True, len(Purpose), {})
    assert under(table, "kek-data-v1") == 0
    assert unwrapped(table, ready) == before
    assert findings(ready) == {}
    for key_id in before:
        assert trail(key_id)[-1] == "data_key.rewrapped"


def test_a_dry_run_of_a_rotation_changes_nothing(ready, table):
    told = done(ready.rizzpay("keys", "rotate", "kek-data-v1", "--dry-run", "--json"))
    assert (told["active"], told["rewrapped"]) == ("kek-data-v2", len(Purpose))
    assert (
        "would make kek-data-v2" in ready.rizzpay("keys", "rotate", "kek-data", "--dry-run").stdout
    )
    assert ready.client.active("kek-data") == "kek-data-v1"
    assert under(table, "kek-data-v1") == len(Purpose)


@pytest.mark.slow
def test_a_killed_rotation_goes_on_and_loses_no_key(ready, table):
    add_old_keys(table, ready, 200)
    before = unwrapped(table, ready)
    command = [sys.executable, "-m", "rizzpay", "--config", str(ready.config)]
    rotation = subprocess.Popen([*command, "keys", "rotate", "kek-data"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while under(table, "kek-data-v2") < 20 and time.monotonic() < deadline:
        time.sleep(0.002)
    rotation.kill()
    rotation.wait()
    left = under(table, "kek-data-v1")
    assert 0 < left < 200
    assert unwrapped(table, ready) == before  # usable in the middle
    assert "still wrapped by an older version" in findings(ready)["kek-data-v2"]
    told = done(ready.rizzpay("keys", "rotate", "kek-data", "--json"))
    assert (told["active"], told["made"], told["rewrapped"]) == ("kek-data-v2", False, left)
    assert unwrapped(table, ready) == before
    assert under(table, "kek-data-v2") == len(before)


def test_a_rotation_says_how_far_it_is(ready, table):
    add_old_keys(table, ready, 20 - len(Purpose))
    lines = ready.rizzpay("keys", "rotate", "kek-data").stderr.splitlines()
    assert lines == [f"re-wrapped {done_} of 20" for done_ in range(2, 21, 2)]


def test_a_rotation_leaves_a_damaged_key_alone_and_names_it(ready, table):
    (key_id,) = add_old_keys(table, ready, 1)
    table.execute("UPDATE rizzpay.data_keys SET wrapped = 'x' WHERE id = %s", (key_id,))
    result = ready.rizzpay("keys", "rotate", "kek-data", "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert list(told["failed"]) == [key_id]
    assert told["rewrapped"] == len(Purpose)
    assert ready.rizzpay("keys", "retire", key_id, "--yes").returncode == 0
    assert done(ready.rizzpay("keys", "rotate", "kek-data", "--json"))["active"] == "kek-data-v3"


def test_rotating_a_signing_key_keeps_the_old_public_key(ready):
    client = ready.client
    before = client.public_key("sig-audit-v1")
    told = done(ready.rizzpay("keys", "rotate", "sig-audit", "--json"))
    assert (told["active"], told["rewrapped"]) == ("sig-audit-v2", 0)
    assert client.public_key("sig-audit-v1") == before
    assert client.sign_active("sig-audit", b"")[0] == "sig-audit-v2"


@pytest.mark.parametrize("arguments", [[], ["kek-data", "--data", "cursor"]])
def test_a_rotation_wants_one_thing_to_rotate(ready, arguments):
    assert ready.rizzpay("keys", "rotate", *arguments).returncode == 2


def test_a_key_outside_the_inventory_is_not_rotated(ready):
    result = ready.rizzpay("keys", "rotate", "kek-other")
    assert (result.returncode, result.stderr) == (1, "Error: kek-other is not in the inventory\n")


def test_a_kek_is_not_retired_while_something_is_wrapped_by_it(ready, table):
    assert "is the active version" in ready.rizzpay("keys", "retire", "kek-data-v1", "--yes").stderr
    (key_id,) = add_old_keys(table, ready, 1)
    ready.rizzpay("keys", "rotate", "kek-data")
    table.execute("UPDATE rizzpay.data_keys SET kek_label = 'kek-data-v1' WHERE id = %s", (key_id,))
    result = ready.rizzpay("keys", "retire", "kek-data-v1", "--yes")
    assert result.returncode == 1
    assert "1 data keys are wrapped by kek-data-v1" in result.stderr
    assert len(ready.client.list_keys()) == 3


def test_retiring_asks_and_then_destroys_the_key(ready, trail):
    ready.rizzpay("keys", "rotate", "kek-data")
    assert ready.rizzpay("keys", "retire", "kek-data-v1").returncode == 1  # nobody said yes
    assert len(ready.client.list_keys()) == 3
    told = done(ready.rizzpay("keys", "retire", "kek-data-v1", "--yes", "--json"))
    assert told == {"retired": "kek-data-v1"}
    assert [key.label for key in ready.client.list_keys()] == ["kek-data-v2", "sig-audit-v1"]
    assert trail("kek-data-v1")[-2:] == ["key.retirement_asked", "key.retired"]
    assert findings(ready) == {}
    assert ready.rizzpay("keys", "retire", "kek-data-v1", "--yes").returncode == 1


# ------------------------------------------------------------------------------ the envelope


def test_what_was_sealed_before_a_rotation_opens_after_it(ready, worker):
    before = envelope.load(worker, ready.client)
    sealed = before.seal("personal", b"asha", HERE)
    ready.rizzpay("keys", "rotate", "kek-data")
    told = done(ready.rizzpay("keys", "rotate", "--data", "personal", "--json"))
    after = envelope.load(worker, ready.client)
    assert after.open("personal", sealed, HERE) == b"asha"
    fresh = after.seal("personal", b"ravi", HERE)
    assert told["active"].encode() in fresh
    assert before.open("personal", fresh, HERE) == b"ravi"  # looks for the key it did not know
    assert told["active"] in before.key_ids()
    before.reload()
    assert told["active"].encode() in before.seal("personal", b"", HERE)


def test_the_application_role_loads_the_keys(ready, postgres):
    database = Database(postgres, Role.APP, size=1)
    try:
        assert len(envelope.load(database, ready.client).key_ids()) == len(Purpose)
    finally:
        database.close()


def test_a_retired_data_key_opens_nothing_any_more(ready, worker, table, trail):
    before = envelope.load(worker, ready.client)
    sealed = before.seal("personal", b"asha", HERE)
    (old,) = [key for key in before.key_ids() if key.encode() in sealed]
    result = ready.rizzpay("keys", "retire", old, "--yes")
    assert (result.returncode, "is active" in result.stderr) == (1, True)
    ready.rizzpay("keys", "rotate", "--data", "personal")
    assert ready.rizzpay("keys", "retire", old, "--yes").returncode == 0
    assert trail(old)[-1] == "data_key.retired"
    assert table.execute(
        "SELECT status, wrapped FROM rizzpay.data_keys WHERE id = %s", (old,)
    ).fetchone() == ("retired", b"")
    before.reload()
    with pytest.raises(Unreadable):
        before.open("personal", sealed, HERE)


def test_keys_that_are_loaded_need_no_token(ready, worker):
    loaded = envelope.load(worker, ready.client)
    ready.rizzpay("keys", "rotate", "--data", "answer")
    newer = envelope.load(worker, ready.client).seal("answer", b"{}", HERE)
    ready.kill()
    sealed = loaded.seal("personal", b"asha", HERE)
    assert loaded.open("personal", sealed, HERE) == b"asha"
    with pytest.raises(Unavailable):
        loaded.open("answer", newer, HERE)
    with pytest.raises(Unavailable):
        envelope.load(worker, HsmClient(ready.settings.socket))
    ready.start()
    ready.wait_for(lambda status: status.ready)
    loaded.reload()
    assert loaded.open("answer", newer, HERE) == b"{}"


def test_an_old_key_that_is_damaged_does_not_keep_the_service_down(ready, worker, table):
    loaded = envelope.load(worker, ready.client)
    sealed = loaded.seal("personal", b"asha", HERE)
    (old,) = [key for key in loaded.key_ids() if key.encode() in sealed]
    ready.rizzpay("keys", "rotate", "--data", "personal")
    table.execute("UPDATE rizzpay.data_keys SET wrapped = 'x' WHERE id = %s", (old,))
    later = envelope.load(worker, ready.client)
    with pytest.raises(Unreadable):
        later.open("personal", sealed, HERE)
    fresh = later.seal("personal", b"ravi", HERE)
    assert later.open("personal", fresh, HERE) == b"ravi"


def test_a_database_without_data_keys_says_what_to_do(bank, worker):
    bank.with_keys()
    with pytest.raises(Misconfigured, match="rizzpay keys init"):
        envelope.load(worker, bank.client)


def test_a_rewrapping_does_not_overwrite_what_another_operator_wrote(ready, worker):
    with worker.transaction() as conn:
        (key, *_) = data_keys.load(conn)
    wrapping = ("kek-data-v1", *ready.client.new_data_key("kek-data-v1"))
    noted = []

    def note(_, changed):
        noted.append(changed.id)

    assert data_keys.rewrap_one(worker, key, wrapping, NOW, note)
    assert not data_keys.rewrap_one(worker, key, wrapping, NOW, note)
    assert noted == [key.id]


def test_the_inventory_of_the_repository_is_what_the_code_expects(ready):
    root = Path(__file__).parents[2]
    assert Path(ready.settings.inventory) == root / "hsm" / "keys.toml"
