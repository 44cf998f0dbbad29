"""New payments in one statement: what it writes is what the statements of each table write."""

import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest

from rizzpay.api.views import Renderer
from rizzpay.core import clock, ids
from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.gateways import port
from rizzpay.idempotency.model import Claim
from rizzpay.infra import records
from rizzpay.infra.arrays import BIGINT, BOOL, BYTEA, INTEGER, JSON, JSONB, TEXT, TIMESTAMPTZ
from rizzpay.infra.database import Database, Role
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.pipeline import Draft
from rizzpay.payments import authorizing, beginnings
from rizzpay.payments.model import Clocks, Context
from rizzpay.payments.types import Served
from rizzpay.payments.writer import Rendering, Writer
from rizzpay.payments.writes import Write, Written
from rizzpay.vault.model import Payer
from rizzpay.webhooks.model import NewEvent
from tests.store.people import new_tenant
from tests.store.test_writer import keys_in_memory, submitted
from tests.unit.test_payment_decisions import new_payment

TABLES = ("payments", "payment_attempts", "events", "jobs", "idempotency_claims", "audit_log",
          "payers")  # fmt: skip
# Numbers of the rows themselves, and what is sealed under a nonce.
MADE_ANEW = {"xid", "response_body", "sequence", "email", "email_index"}
OWN = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|(?<='id': )\d+|(?<='updated_at': )\d+")  # of each run
MADE_AT, VALID = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC), timedelta(minutes=5)
CLOCKS = Clocks(first_enquiry_s=30, authorization_expiry_s=3600)
TYPE = Path(__file__).parents[2] / "sql/migrations/0012_beginnings.sql"
NUMBERED = """
SELECT sequence, object_id FROM rizzpay.events WHERE merchant_id = %s ORDER BY sequence
"""
MERCHANT = """
INSERT INTO rizzpay.merchants (id, name, mcc, requests_per_minute, created_at)
VALUES (%s, 'Shop', '5411', 100, now())
"""
ENDPOINT = """
INSERT INTO rizzpay.webhook_endpoints
    (id, merchant_id, livemode, url, event_types, secret, created_at, updated_at)
VALUES ('whe_' || %s, %s, %s, 'https://shop.example/', '{*}', '\\x00', now(), now())
"""
TOLD = """
CREATE TYPE pg_temp.told AS (a text, b bytea, c bigint, d integer, e boolean, f timestamptz,
                             g json, h jsonb)
"""
ASK = "SELECT a, b, c, d, e, f, g::text, h::text FROM unnest(%(rows)b::pg_temp.told[])"


def make_writer(app) -> Writer:
    renderer = Renderer()
    rendering = Rendering(
        renderer.payment_event_json, renderer.refund_event_json, renderer.qr_code_event_json
    )
    return Writer(app, Envelope(keys_in_memory), rendering, CLOCKS)


@pytest.fixture(scope="module")
def writer(app):
    writer = make_writer(app)
    yield writer
    writer.close()


def shop(worker) -> Tenant:
    tenant = new_tenant()
    with worker.transaction() as conn:
        conn.execute(MERCHANT, (tenant.merchant_id,))
    return tenant


def beginning(tenant, *, key: str | None = None, waits: bool = True, **changed) -> Write:
    """Return a new payment as the payments service hands it in."""
    renderer, payer_id = Renderer(), changed.get("payer_id")
    payer = None
    if payer_id is not None:
        payer = Payer(payer_id, tenant, None, Secret("a@b.example"), None, None, MADE_AT)
    usual = {"expires_at": MADE_AT + VALID, "created_at": MADE_AT, "updated_at": MADE_AT}
    id_ = ids.new_id("payment", clock.now())
    payment = replace(new_payment(), id=id_, tenant=tenant, **usual | changed)
    begun = authorizing.Beginning(payment, ids.new_id("attempt", MADE_AT), payer)
    asked = port.ActionRequired(f"own_{payment.id}", {"type": "upi_intent", "url": "upi://pay?ü=%"})
    claim = Claim(tenant, key or secrets.token_hex(8), b"h" * 32, "req_1", payment.id, MADE_AT)
    return Write(
        tenant=tenant,
        payment_id=payment.id,
        decide=(
            (lambda _, context: authorizing.begin_waiting(begun, asked, context))
            if waits
            else (lambda _, context: authorizing.begin(begun, context))
        ),
        actor="test",
        request_id="req_1",
        claim=claim,
        completes=claim.key if waits else None,
        answer=(lambda after, _: renderer.payment_answer(after.payment, None)) if waits else None,
        begins=True,
    )


def rows_of(worker, tenant) -> dict[str, list[str]]:
    """Return what stands in the tables about a merchant: ids by their kind, moments by meaning."""
    found = {}
    with worker.transaction() as conn:
        for table in TABLES:
            cursor = conn.execute(
                f"SELECT * FROM rizzpay.{table} WHERE merchant_id = %s", (tenant.merchant_id,)
            )
            names = [one.name for one in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            found[table] = sorted(plain(row) for row in rows)
    return found


def plain(row: dict) -> str:
    kept = {name: value for name, value in row.items() if name not in MADE_ANEW}
    shown = {
        name: meaning(value) if isinstance(value, datetime) else value
        for name, value in kept.items()
    }
    return OWN.sub("*", str(shown))


def meaning(at: datetime) -> str:
    return {MADE_AT: "made", MADE_AT + VALID: "expires"}.get(at, "now")


def open_endpoint(worker, tenant) -> None:
    with worker.transaction() as conn:
        conn.execute(ENDPOINT, (secrets.token_hex(8), tenant.merchant_id, tenant.livemode))


def kinds(tenant) -> list[Write]:
    """Return new payments of every kind."""
    return [
        beginning(tenant, key="plain"),
        beginning(tenant, key="asked", waits=False),
        beginning(tenant, key="payer", payer_id=ids.new_id("payer", MADE_AT)),
        beginning(tenant, key="full", reference="Bestellung ä%b%", description="\u20b9 '\"\\",
                  metadata={"a": "\U0001f600", "b": "%s"}, return_url="https://shop.example/%20",
                  capture_method=port.CaptureMethod.MANUAL, expires_at=None),
    ]  # fmt: skip


@pytest.mark.parametrize("heard", [False, True])
def test_one_statement_writes_what_a_statement_for_each_table_writes(writer, worker, heard):
    found = []
    for begins in (True, False):  # a payment that is looked for first goes the other way
        tenant = shop(worker)
        if heard:
            open_endpoint(worker, tenant)
        writes = [msgspec.structs.replace(one, begins=begins) for one in kinds(tenant)]
        results = submitted(writer, writes)
        assert all(isinstance(one, Written) for one in results), results
        found.append(rows_of(worker, tenant))
    assert found[0] == found[1]
    odd = {"payers": 1, "jobs": 5 if heard else 1}  # one of the four has to be asked about
    assert {table: len(rows) for table, rows in found[0].items()} == {
        table: odd.get(table, 4) for table in TABLES
    }


def test_events_of_many_merchants_are_numbered_in_order_without_gaps(writer, worker):
    tenants = [shop(worker) for _ in range(3)]
    writes = [beginning(tenants[number % 3]) for number in range(60)]
    for results in (submitted(writer, writes[:40]), submitted(writer, writes[40:])):
        assert all(isinstance(one, Written) for one in results), results
    for place, tenant in enumerate(tenants):
        with worker.transaction() as conn:
            rows = conn.execute(NUMBERED, (tenant.merchant_id,)).fetchall()
        assert [row[0] for row in rows] == list(range(1, 21))
        assert [row[1] for row in rows] == [one.payment_id for one in writes[place::3]]


def test_a_bad_row_and_a_key_that_is_taken_disturb_no_neighbour(writer, worker):
    tenant = shop(worker)
    (first,) = submitted(writer, [beginning(tenant, key="mine")])
    writes = [beginning(tenant) for _ in range(9)]
    writes[3] = beginning(tenant, late_authorization="nonsense")  # a CHECK refuses this row
    writes[6] = beginning(tenant, key="mine")
    results = submitted(writer, writes)
    assert isinstance(results.pop(6), Served)
    assert isinstance(results.pop(3), psycopg.errors.CheckViolation)
    assert all(isinstance(one, Written) for one in results), results
    assert len(rows_of(worker, tenant)["payments"]) == 8
    assert first.answer is not None


def test_a_row_of_another_merchant_is_refused(app, worker):
    mine, other = shop(worker), shop(worker)
    write, draft = beginning(other), Draft()
    changes = write.decide(None, Context(MADE_AT, "test", "req_1", CLOCKS, ()))
    event = NewEvent("evt_x", other, "payment.created", write.payment_id, 1, b"{}", MADE_AT)
    begun = beginnings.Begun(changes, write.claim, None, event, "test")
    number = beginnings.RowType(app).number()
    beginnings.insert(draft, Envelope(keys_in_memory), number, [begun])
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        app.run(draft, mine)


def test_a_type_whose_number_has_changed_is_asked_for_again(own_database):
    app, worker, owner = (Database(own_database, role, size=1) for role in Role)
    tenant, writer = shop(worker), make_writer(app)
    assert isinstance(writer.submit(beginning(tenant)), Written)
    with owner.transaction() as conn:  # as restoring a dump into a new database does
        conn.execute("ALTER TYPE rizzpay.beginning RENAME TO before")
        conn.execute(TYPE.read_text())
    assert [isinstance(writer.submit(beginning(tenant)), Written) for _ in range(2)] == [True] * 2
    assert len(rows_of(worker, tenant)["payments"]) == 3
    writer.close()
    for database in (app, worker, owner):
        database.close()


def test_values_of_every_type_arrive_as_they_were(owner):
    form = records.Form((TEXT, BYTEA, BIGINT, INTEGER, BOOL, TIMESTAMPTZ, JSON, JSONB))
    long = "x" * 5000 + "%b\U0001f600"
    rows = [
        (long, b"\x00%", 2**62, -7, True, MADE_AT, b'{"b":  1}', b'{"b":  1}'),
        (None, None, 0, None, False, None, None, None),
    ]
    pack = (records.text, records.binary, records.bigint, records.integer, records.boolean,
            records.timestamptz, records.binary, records.jsonb)  # fmt: skip
    packed = [
        form.pack(tuple(make(value) for make, value in zip(pack, row, strict=True))) for row in rows
    ]
    with owner.transaction() as conn:
        conn.execute(TOLD)
        number = conn.execute("SELECT 'pg_temp.told'::regtype::oid::bigint").fetchone()[0]
        sent = conn.send(ASK, {"rows": records.array(number, packed)})
        assert sent.rows() == [
            (long, b"\x00%", 2**62, -7, True, MADE_AT, '{"b":  1}', '{"b": 1}'),
            rows[1],
        ]
