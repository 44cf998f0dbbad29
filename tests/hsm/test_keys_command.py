"""`rizzpay keys init`, `list` and `verify`, on a real token and a real database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rizzpay.infra.hsm.inventory import Purpose
from tests.hsm.operating import days_pass, done, findings, under, unwrapped

pytestmark = pytest.mark.slow

# ------------------------------------------------------------------------------ init, list


def test_init_makes_every_key_and_says_so(bank, table, trail):
    told = done(bank.rizzpay("keys", "init", "--json"))
    assert told["token_keys"] == ["kek-data-v1", "sig-audit-v1", "sig-evidence-v1", "sig-upi-v1"]
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
    labels = [key["label"] for key in told["keys"]]
    assert labels == ["kek-data-v1", "sig-audit-v1", "sig-evidence-v1", "sig-upi-v1"]
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
    days_pass(table, 366)
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


def test_the_inventory_of_the_repository_is_what_the_code_expects(ready):
    root = Path(__file__).parents[2]
    assert Path(ready.settings.inventory) == root / "hsm" / "keys.toml"
