"""Payers on a real PostgreSQL: nothing in clear, found by normal form, bound to their row."""

from datetime import timedelta

import pytest

from rizzpay.core.secret import Secret
from rizzpay.infra.envelope import Unreadable
from rizzpay.vault import service
from rizzpay.vault.model import Payer
from tests.store.people import NOON, new_id, new_tenant
from tests.store.seals import Keyring


def payer(tenant, **more):
    parts = {
        "id": new_id("payer"),
        "tenant": tenant,
        "name": Secret("Asha Rao ₹"),
        "email": Secret("Asha@Example.com"),
        "phone": Secret("+91 98765 43210"),
        "vpa": Secret("asha@okbank"),
        "created_at": NOON,
    }
    return Payer(**(parts | more))


def store(app, envelope, *payers):
    with app.transaction(*{one.tenant for one in payers}) as conn:
        service.store(conn, envelope, payers)


def load(app, envelope, tenant, *ids):
    with app.transaction(tenant) as conn:
        return service.load(conn, envelope, ids)


def find(app, envelope, tenant, column, value):
    with app.transaction(tenant) as conn:
        return service.find(conn, envelope, tenant, column, value)


def test_a_payer_comes_back_as_it_was_sent(app, envelope):
    tenant = new_tenant()
    full = payer(tenant)
    empty = payer(tenant, name=None, email=None, phone=None, vpa=None)
    partial = payer(tenant, email=None, vpa=None)
    store(app, envelope, full, empty, partial)
    found = load(app, envelope, tenant, full.id, empty.id, partial.id, full.id, "cus_unknown")
    assert found == {one.id: one for one in (full, empty, partial)}
    assert found[full.id].email.reveal() == "Asha@Example.com"


def test_nothing_of_a_payer_is_stored_in_clear(app, worker, envelope):
    tenant = new_tenant()
    one = payer(tenant)
    store(app, envelope, one)
    with worker.transaction() as conn:
        (row,) = conn.execute(
            "SELECT encode(p::text::bytea, 'escape') || encode(name, 'escape')"
            " || encode(email, 'escape') || encode(phone, 'escape') || encode(vpa, 'escape')"
            " FROM rizzpay.payers AS p WHERE id = %s",
            (one.id,),
        ).fetchone()
    for word in ("Asha", "asha", "98765", "43210", "example", "okbank"):
        assert word not in row


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("email", " asha@EXAMPLE.com"),
        ("phone", "098765-43210"),
        ("vpa", "ASHA@okbank"),
    ],
)
def test_a_payer_is_found_by_any_spelling_newest_first(app, envelope, column, value):
    tenant = new_tenant()
    older = payer(tenant)
    newer = payer(tenant, created_at=NOON + timedelta(seconds=1))
    other = payer(tenant, email=Secret("b@c.d"), phone=Secret("+4420"), vpa=Secret("b@c"))
    store(app, envelope, older, newer, other)
    assert find(app, envelope, tenant, column, value) == [newer.id, older.id]


def test_payers_of_other_merchants_and_modes_are_not_found(app, envelope):
    ours = new_tenant()
    theirs = new_tenant()
    store(app, envelope, payer(theirs))
    with app.transaction(ours, theirs) as conn:
        assert service.find(conn, envelope, ours, "email", "asha@example.com") == []
    assert load(app, envelope, ours, payer(theirs).id) == {}


def test_only_searchable_columns_can_be_searched(app, envelope):
    with pytest.raises(KeyError):
        find(app, envelope, new_tenant(), "name", "Asha Rao")


def test_a_sealed_value_that_was_moved_to_another_payer_does_not_open(app, worker, envelope):
    tenant = new_tenant()
    one, two = payer(tenant), payer(tenant, email=Secret("other@example.com"))
    store(app, envelope, one, two)
    with worker.transaction() as conn:
        conn.execute(
            "UPDATE rizzpay.payers SET email ="
            " (SELECT email FROM rizzpay.payers WHERE id = %s) WHERE id = %s",
            (two.id, one.id),
        )
    with pytest.raises(Unreadable):
        load(app, envelope, tenant, one.id)


def test_payers_are_found_and_opened_after_their_keys_were_rotated(app):
    keyring = Keyring()
    envelope = keyring.envelope()
    tenant = new_tenant()
    before = payer(tenant)
    store(app, envelope, before)
    keyring.rotate("personal")
    keyring.rotate("blind_index")
    envelope.reload()
    after = payer(tenant, created_at=NOON + timedelta(seconds=1))
    store(app, envelope, after)
    assert find(app, envelope, tenant, "email", "asha@example.com") == [after.id, before.id]
    assert load(app, envelope, tenant, before.id, after.id) == {
        before.id: before,
        after.id: after,
    }


def test_storing_and_loading_nobody_is_nothing(app, envelope):
    with app.transaction() as conn:
        service.store(conn, envelope, [])
        assert service.load(conn, envelope, []) == {}
