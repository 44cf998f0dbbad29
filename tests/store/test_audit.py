"""The trail on a real PostgreSQL: nothing is left out, and every kind of tampering is named."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest

from rizzpay.audit import service
from rizzpay.audit.model import Entry
from rizzpay.audit.service import Anchor, TrailBroken
from rizzpay.audit.verifying import Kind
from rizzpay.core.errors import Misconfigured
from tests.store.people import NOON, new_tenant
from tests.store.trails import LABEL, SoftwareSigner


def test_a_sealed_and_signed_trail_verifies(trail):
    made = trail.sealed(5)
    assert (made.position, made.key_label) == (5, LABEL)
    trail.append(3)
    report = trail.verify()
    assert report.ok
    assert (report.links, report.checkpoints, report.unsealed) == (5, 1, 3)
    assert report.oldest_unsealed_s == 60
    assert report.head.position == 5
    assert report.last_checkpoint == made


def test_an_empty_trail_verifies(trail):
    assert trail.seal() == 0
    assert trail.checkpoint() is None
    report = trail.verify()
    assert (report.ok, report.links, report.head.position) == (True, 0, 0)


def test_a_head_is_signed_once(trail):
    assert trail.sealed(2) is not None
    assert trail.checkpoint() is None
    trail.append(1)
    trail.seal()
    assert trail.checkpoint().position == 3


def test_sealing_goes_on_where_it_stopped_and_obeys_its_limit(trail):
    trail.append(1203)
    assert service.seal(trail.worker, limit=700) == 700
    assert service.seal(trail.worker, limit=700) == 503
    assert trail.verify().links == 1203


def test_what_is_appended_while_sealing_rests_is_sealed_next(trail):
    rests = []

    def rest(seconds):
        rests.append(seconds)
        assert trail.seal() == 0, "another one sealed beside it"
        trail.append(3)

    trail.append(2 * service.SEAL_CHUNK + 5)
    sealed = service.seal(trail.worker, rest=rest)
    assert len(rests) == 2
    assert min(rests) > 0
    assert sealed + trail.seal() == 2 * service.SEAL_CHUNK + 5 + 3 * len(rests)
    report = trail.verify()
    assert report.ok
    assert report.unsealed == 0


def test_sealing_that_breaks_off_while_it_rests_leaves_nothing_half_done(trail):
    def rest(_):
        raise KeyboardInterrupt

    trail.append(service.SEAL_CHUNK + 5)
    with pytest.raises(KeyboardInterrupt):
        service.seal(trail.worker, rest=rest)
    assert trail.verify().links == 0
    assert trail.seal() == service.SEAL_CHUNK + 5
    assert trail.verify().ok


def test_only_one_seals_at_a_time(trail):
    trail.append(1)
    with trail.worker.transaction() as conn:
        conn.execute("SELECT pg_advisory_xact_lock(7249002)")
        assert trail.seal() == 0
    assert trail.seal() == 1


def test_a_row_of_a_transaction_that_is_still_open_is_sealed_later(trail):
    entry = Entry(NOON, "worker", "payment.created", "pay_slow", {})
    with trail.worker.transaction() as slow:
        service.append(slow, [entry])
        trail.append(2)  # younger, committed first, and not yet final
        assert trail.seal() == 0
    assert trail.seal() == 3
    with trail.worker.transaction() as conn:
        (object_id,) = conn.execute(
            "SELECT object_id FROM rizzpay.audit_log WHERE id = %s", (trail.id_at(1),)
        ).fetchone()
    assert object_id == "pay_slow"
    assert trail.verify().ok


def test_appends_while_sealing_are_never_left_out(trail):
    done = Event()

    def write(number):
        for turn in range(25):
            with trail.worker.transaction() as conn:
                service.append(conn, [Entry(NOON, "worker", "a.b", f"{number}.{turn}", {})])
                if turn % 7 == number:
                    conn.rollback()

    def keep_sealing():
        while not done.is_set():
            trail.seal()

    with ThreadPoolExecutor(4) as threads:
        sealers = [threads.submit(keep_sealing)]
        writers = [threads.submit(write, number) for number in range(3)]
        for writer in writers:
            writer.result(timeout=60)
        done.set()
        for sealer in sealers:
            sealer.result(timeout=60)
    trail.seal()
    report = trail.verify()
    assert report.ok
    assert report.unsealed == 0
    with trail.worker.transaction() as conn:
        (rows,) = conn.execute("SELECT count(*) FROM rizzpay.audit_log").fetchone()
    assert report.links == rows == 75 - 4 - 4 - 4


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'workes'",
        "action = action || ' '",
        "object_id = lower(object_id) || '0'",
        "at = at + interval '1 microsecond'",
        "at = 'infinity'",
        "merchant_id = 'mer_X'",
        "livemode = true",
        "request_id = ''",
        "xid = '1'",
        """detail = '{"number": 2, "note": "\\u20ba"}'""",
        """detail = '{"number": 2.0, "note": "₹"}'""",
        """detail = '{"number": 1e500, "note": "₹"}'""",
        "detail = detail || jsonb_build_object('more', repeat('9', 9000)::numeric)",
    ],
)
def test_one_changed_byte_of_a_row_names_the_row(trail, change):
    trail.sealed(5)
    victim = trail.id_at(3)
    trail.tamper(f"UPDATE rizzpay.audit_log SET {change} WHERE id = {victim}")
    assert (Kind.ALTERED, 3, victim) in trail.found()
    assert len(trail.found()) == 1


def test_a_deleted_row_is_named(trail):
    trail.sealed(5)
    victim = trail.id_at(2)
    trail.tamper(f"DELETE FROM rizzpay.audit_log WHERE id = {victim}")
    assert trail.found() == [(Kind.MISSING, 2, victim)]


def test_a_row_deleted_with_its_link_is_named(trail):
    trail.sealed(5)
    victim = trail.id_at(2)
    trail.tamper(
        f"DELETE FROM rizzpay.audit_log WHERE id = {victim}",
        f"DELETE FROM rizzpay.audit_chain WHERE audit_id = {victim}",
    )
    assert trail.found() == [(Kind.MISSING, 2, None)]


def test_a_deleted_tail_is_named(trail):
    trail.sealed(5)
    trail.tamper(
        f"DELETE FROM rizzpay.audit_log WHERE id >= {trail.id_at(4)}",
        "DELETE FROM rizzpay.audit_chain WHERE position >= 4",
    )
    assert trail.found() == [(Kind.TAIL_MISSING, 4, None)]


def test_a_tail_deleted_with_its_checkpoint_contradicts_the_head_that_was_written_down(trail):
    trail.sealed(3)
    made = trail.sealed(2)
    trail.tamper(
        f"DELETE FROM rizzpay.audit_log WHERE id >= {trail.id_at(4)}",
        "DELETE FROM rizzpay.audit_checkpoints WHERE position >= 4",
        "DELETE FROM rizzpay.audit_chain WHERE position >= 4",
    )
    assert trail.verify().ok  # nothing inside the database can tell
    assert trail.found(anchor=Anchor(5, made.hash)) == [(Kind.ANCHOR_CONTRADICTED, 5, None)]


def test_the_head_that_was_written_down_is_found_again(trail):
    made = trail.sealed(3)
    trail.sealed(3)
    assert trail.found(anchor=Anchor(3, made.hash)) == []


def test_rows_that_changed_places_are_named(trail):
    trail.sealed(5)
    two, four = trail.id_at(2), trail.id_at(4)
    with trail.attack() as conn:
        for audit_id, position in ((-1, 2), (two, 4), (four, 2)):
            conn.execute(
                "UPDATE rizzpay.audit_chain SET audit_id = %s WHERE position = %s",
                (audit_id, position),
            )
    assert trail.found() == [(Kind.REORDERED, 2, four), (Kind.REORDERED, 4, two)]


def test_rows_that_changed_contents_are_named(trail):
    trail.sealed(5)
    two, four = trail.id_at(2), trail.id_at(4)
    trail.tamper(
        "UPDATE rizzpay.audit_log AS a SET object_id = b.object_id, detail = b.detail"
        f" FROM rizzpay.audit_log AS b WHERE (a.id, b.id) IN (({two}, {four}), ({four}, {two}))"
    )
    assert trail.found() == [(Kind.ALTERED, 2, two), (Kind.ALTERED, 4, four)]


def test_an_altered_hash_is_named(trail):
    trail.sealed(5)
    trail.tamper(
        "UPDATE rizzpay.audit_chain SET hash = set_byte(hash, 0, (get_byte(hash, 0) + 1) % 256)"
        " WHERE position = 3"
    )
    assert trail.found() == [(Kind.HASH_ALTERED, 3, trail.id_at(3))]


def test_a_row_that_was_slipped_in_among_sealed_ones_is_named(trail):
    trail.sealed(5)
    first = trail.id_at(1)
    with trail.attack() as conn:
        (forged,) = conn.execute(
            "INSERT INTO rizzpay.audit_log (xid, at, actor, action, object_id)"
            " SELECT xid, at, actor, 'payment.refunded', object_id FROM rizzpay.audit_log"
            f" WHERE id = {first} RETURNING id"
        ).fetchone()
        conn.execute(f"UPDATE rizzpay.audit_log SET xid = '3' WHERE id = {forged}")
    assert trail.found() == [(Kind.INSERTED, None, forged)]


@pytest.mark.parametrize(
    "change",
    [
        "signature = set_byte(signature, 40, (get_byte(signature, 40) + 1) % 256)",
        "signature = '\\x00'",
        "signature = decode(repeat('00', 64), 'hex')",
        "signed_at = signed_at - interval '1 day'",
        "hash = decode(repeat('00', 32), 'hex')",
    ],
)
def test_an_altered_checkpoint_is_named(trail, change):
    trail.sealed(4)
    trail.tamper(f"UPDATE rizzpay.audit_checkpoints SET {change}")
    assert trail.found() == [(Kind.CHECKPOINT_ALTERED, 4, None)]


def test_a_checkpoint_of_an_unknown_key_is_not_believed(trail):
    trail.sealed(4)
    report = service.verify(trail.worker, {}, NOON)
    assert [one.kind for one in report.findings] == [Kind.CHECKPOINT_UNVERIFIABLE]
    assert trail.signer.label in service.signing_labels(trail.worker)


def test_a_checkpoint_signed_by_another_key_is_not_believed(trail):
    trail.sealed(4)
    other = SoftwareSigner()
    report = service.verify(trail.worker, other.public_keys, NOON)
    assert [one.kind for one in report.findings] == [Kind.CHECKPOINT_ALTERED]


def test_a_chain_that_was_forged_anew_contradicts_its_checkpoint_and_is_not_signed_again(trail):
    trail.sealed(5)
    genuine = trail.verify().last_checkpoint
    trail.tamper(
        f"UPDATE rizzpay.audit_log SET actor = 'me' WHERE id = {trail.id_at(2)}",
        "DELETE FROM rizzpay.audit_checkpoints",
        "DELETE FROM rizzpay.audit_chain",
    )
    trail.seal()
    with trail.attack() as conn:
        conn.execute(
            "INSERT INTO rizzpay.audit_checkpoints VALUES (%s, %s, %s, %s, %s)",
            (
                genuine.position,
                genuine.hash,
                genuine.signed_at,
                genuine.key_label,
                genuine.signature,
            ),
        )
    assert trail.found() == [(Kind.CHECKPOINT_CONTRADICTED, 5, trail.id_at(5))]
    with pytest.raises(TrailBroken, match="position 5"):
        trail.checkpoint()


def test_verification_may_start_in_the_middle(trail):
    trail.sealed(10)
    trail.tamper(f"UPDATE rizzpay.audit_log SET actor = 'me' WHERE id = {trail.id_at(2)}")
    assert trail.found(from_position=3) == []
    assert trail.verify(from_position=3).links == 8
    with pytest.raises(Misconfigured, match="position 11"):
        trail.verify(from_position=12)


def test_rows_of_a_database_that_was_restored_from_a_dump_are_sealed_too(trail):
    """The new cluster counts transactions from the start; old rows have numbers of the future."""

    def make_old():
        trail.tamper(
            "UPDATE rizzpay.audit_log SET xid = ((xid::text::bigint) + 4000000000)::text::xid8"
            " WHERE xid < pg_current_xact_id()"
        )

    trail.append(3)
    make_old()
    assert trail.seal() == 3  # what the old cluster had sealed
    trail.append(2)
    make_old()  # and what it had not
    report = trail.verify()
    assert (report.ok, report.unsealed) == (True, 2)
    trail.append(2)
    assert trail.seal() == 4
    trail.append(1)
    assert trail.seal() == 1
    report = trail.verify()
    assert (report.ok, report.links, report.unsealed) == (True, 8, 0)


def test_sealing_steps_over_rows_that_a_dump_brought_along_sealed(trail):
    """Their numbers are met again when the new cluster's transactions reach them."""
    trail.append(2)
    trail.tamper(
        "UPDATE rizzpay.audit_log SET xid = (pg_current_xact_id()::text::bigint + 20)::text::xid8"
    )
    assert trail.seal() == 2
    trail.append(1)
    assert trail.seal() == 1
    for _ in range(30):
        with trail.worker.transaction() as conn:
            conn.execute("SELECT pg_current_xact_id()")
    trail.append(1)
    assert service.seal(trail.worker, limit=1) == 1
    report = trail.verify()
    assert (report.ok, report.links, report.unsealed) == (True, 4, 0)


def test_the_trail_is_written_with_the_change_or_not_at_all(trail):
    with trail.worker.transaction() as conn:
        service.append(conn, [Entry(NOON, "worker", "a.b", "pay_1", {})])
        conn.rollback()
    trail.seal()
    assert trail.verify().links == 0


def test_rows_and_links_cannot_be_changed_by_anybody_at_work(trail, app):
    trail.sealed(1)
    for table in ("audit_log", "audit_chain", "audit_checkpoints"):
        for database in (app, trail.worker):
            with pytest.raises(psycopg.Error), database.transaction() as conn:
                conn.execute(f"DELETE FROM rizzpay.{table}")
        with pytest.raises(psycopg.errors.IntegrityError), trail.owner.transaction() as conn:
            conn.execute(f"DELETE FROM rizzpay.{table}")


def test_entries_carry_their_merchant_and_request(trail, app):
    tenant = new_tenant(livemode=True)
    entry = Entry(NOON, "key_1", "payment.created", "pay_1", {"a": [1, None]}, tenant, "req_1")
    with app.transaction(tenant) as conn:
        service.append(conn, [entry, entry])
        service.append(conn, [])
        rows = conn.execute(
            "SELECT at, actor, action, object_id, detail, merchant_id, livemode, request_id"
            " FROM rizzpay.audit_log"
        ).fetchall()
    expected = (NOON, "key_1", "payment.created", "pay_1", {"a": [1, None]})
    assert rows == [(*expected, tenant.merchant_id, True, "req_1")] * 2


def test_an_entry_that_is_not_plain_is_refused_before_anything_is_written(trail):
    with pytest.raises(ValueError, match="integers"), trail.worker.transaction() as conn:
        service.append(conn, [Entry(NOON, "worker", "a.b", "pay_1", {"rate": 0.1})])
