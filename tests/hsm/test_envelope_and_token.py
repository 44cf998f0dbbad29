"""The envelope loads its keys through the token, and needs it for nothing else."""

import pytest

from rizzpay.core.errors import Misconfigured, Unavailable
from rizzpay.infra import envelope
from rizzpay.infra.database import Database, Role
from rizzpay.infra.envelope import Unreadable
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import Purpose
from tests.hsm.operating import days_pass, done

HERE = "payers|email|cus_1|mer_1"


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
    assert "wait a day" in ready.rizzpay("keys", "retire", old, "--yes").stderr
    days_pass(table, 2)
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
