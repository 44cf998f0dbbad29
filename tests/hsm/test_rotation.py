"""`rizzpay keys rotate` and `retire`: no data key is lost, whatever happens in between."""

import json
import subprocess
import sys
import time

import pytest

from rizzpay.infra import data_keys
from rizzpay.infra.hsm.inventory import Purpose
from tests.hsm.operating import NOW, add_old_keys, days_pass, done, findings, under, unwrapped


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
    days_pass(table, 2)
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
    assert len(ready.client.list_keys()) == 5


def test_retiring_asks_and_then_destroys_the_key(ready, trail):
    ready.rizzpay("keys", "rotate", "kek-data")
    assert ready.rizzpay("keys", "retire", "kek-data-v1").returncode == 1  # nobody said yes
    assert len(ready.client.list_keys()) == 5
    told = done(ready.rizzpay("keys", "retire", "kek-data-v1", "--yes", "--json"))
    assert told == {"retired": "kek-data-v1"}
    labels = [key.label for key in ready.client.list_keys()]
    assert labels == ["kek-data-v2", "sig-audit-v1", "sig-evidence-v1", "sig-upi-v1"]
    assert trail("kek-data-v1")[-2:] == ["key.retirement_asked", "key.retired"]
    assert findings(ready) == {}
    assert ready.rizzpay("keys", "retire", "kek-data-v1", "--yes").returncode == 1


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
