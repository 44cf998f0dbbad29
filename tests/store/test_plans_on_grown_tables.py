"""On grown tables every query finds its rows by an index, with custom and with generic plans.

The tables are filled by the statements of `rizzpay-capacity grow`; what that does not make
(endpoints, deliveries, jobs) is added here. Each query runs as the role that runs it, under
row-level security with its merchant set, and may touch a bounded number of pages.
"""

import os
import re
from itertools import product

import msgspec
import psycopg
import pytest

from capacity.growing import filling
from capacity.growing.filling import Plan, Target
from rizzpay.infra.database import Role, conninfo
from tests.architecture import queries
from tests.architecture.queries import Query
from tests.store.plans import MODES, look

pytestmark = pytest.mark.slow

PAYMENTS = 60_000
HOT = filling.grown_merchants(1)[0]
PAGES_MAX = 2500  # an update of 64 payments touches 25 pages each: heap and six indexes, and back
# Tables that grow with payments; the others have a few rows a merchant.
GROWN = {
    "payments", "payment_attempts", "refunds", "payers", "ledger_transfers", "audit_log",
    "audit_chain", "idempotency_claims", "gateway_callbacks", "jobs", "events",
    "webhook_deliveries", "qr_codes", "qr_code_payments",
}  # fmt: skip

# Queries that read a whole table on purpose.
BEGINNING = "the beginning of other queries, never run alone"
WHOLE = {
    "ledger.store.PROVE": "the proof of the ledger adds every transfer up again, every 5 minutes",
    "audit.store.WALK": "verification walks the whole chain, through a cursor",
    "audit.store.OUTSIDE": "verification looks for any row below the mark without a link",
    "payments.store.SELECT_PAYMENTS": BEGINNING,
    "payments.store.SELECT_ATTEMPTS": BEGINNING,
    "payments.store.SELECT_REFUNDS": BEGINNING,
    "payments.store.PAYMENTS_OF": BEGINNING,
    "payments.qr_codes.store.SELECT_CODES": BEGINNING,
}
# Columns that a payment changes in; what is not named is NULL, as many as there are payments.
UPDATED = {
    name: [value] * 64
    for name, value in {
        "authorized": 100, "captured": 100, "capture_pending": 0, "refunded": 0,
        "refund_pending": 0, "gateway_references": None, "rrns": None, "next_actions": None,
        "failures": None, "cancellation_reasons": None, "lates": "false",
        "funds": "merchant_pending", "hold_transfer_ids": None, "hold_amounts": 0,
        "closing_attempt_ids": None, "open_unknowns": 0, "expire_ats": None,
        "authorization_expire_ats": None, "versions": 99, "updated_ats": "2026-11-21",
    }.items()
}  # fmt: skip
ENDPOINTS = """
INSERT INTO rizzpay.webhook_endpoints (id, merchant_id, livemode, url, event_types, secret,
                                       created_at, updated_at)
SELECT 'whe_' || n, %(hot)s, false, 'https://example.com/', '{*}', 'x', now(), now()
FROM generate_series(1, 5) AS n
"""
DELIVERIES = """
INSERT INTO rizzpay.webhook_deliveries (id, merchant_id, livemode, endpoint_id, event_id, origin,
                                        status, created_at, updated_at)
SELECT 'dlv_' || substr(id, 5) || n, merchant_id, livemode, 'whe_' || n, id, 'event', 'succeeded',
       created_at, created_at
FROM rizzpay.events, generate_series(1, 3) AS n WHERE merchant_id = %(hot)s
"""
QR_CODES = """
INSERT INTO rizzpay.qr_codes (id, merchant_id, livemode, type, usage, name, gateway, content,
                              close_by, version, created_at, updated_at)
SELECT 'qr_' || n, merchant_id, false, 'upi_qr', 'multiple_use', 'Shop', 'sandbox', 'upi://pay',
       CASE WHEN n %% 100 = 0 THEN now() + n * interval '1 second' END, 1,
       now() - n * interval '1 minute', now()
FROM generate_series(1, 20000) AS n,
     LATERAL (SELECT id AS merchant_id FROM rizzpay.merchants
              WHERE (id = %(hot)s) = (n %% 3 = 0) ORDER BY id LIMIT 1) AS whose
"""
QR_PAYMENTS = """
INSERT INTO rizzpay.qr_code_payments (qr_code_id, gateway_reference, payment_id, merchant_id,
                                      livemode, created_at)
SELECT 'qr_3', 'ch_' || id, id, merchant_id, livemode, created_at
FROM rizzpay.payments WHERE merchant_id = %(hot)s
"""
JOBS = """
INSERT INTO rizzpay.jobs (kind, key, merchant_id, livemode, run_at)
SELECT 'payment.expire', id, merchant_id, livemode, now() + interval '10 minutes'
FROM rizzpay.payments
"""
FEW_DUE = """
UPDATE rizzpay.jobs SET run_at = now() - interval '1 second' WHERE id %% 500 = 0
"""
SAMPLE = """
SELECT (SELECT array_agg(id) FROM (SELECT id FROM rizzpay.payments WHERE merchant_id = %(hot)s
                                   ORDER BY id DESC LIMIT 64 OFFSET 500) AS p),
       (SELECT array_agg(id) FROM (SELECT id FROM rizzpay.refunds WHERE merchant_id = %(hot)s
                                   ORDER BY id LIMIT 8) AS r),
       (SELECT array_agg(id) FROM (SELECT id FROM rizzpay.events WHERE merchant_id = %(hot)s
                                   ORDER BY sequence LIMIT 64 OFFSET 1000) AS e),
       (SELECT array_agg(id) FROM (SELECT id FROM rizzpay.webhook_deliveries
                                   ORDER BY id LIMIT 3 OFFSET 500) AS d),
       (SELECT array_agg(id) FROM (SELECT id FROM rizzpay.jobs ORDER BY id LIMIT 64 OFFSET 99)
                                   AS j),
       (SELECT array_agg(key) FROM (SELECT key FROM rizzpay.idempotency_claims
                                    WHERE merchant_id = %(hot)s LIMIT 64) AS c),
       (SELECT array_agg(payer_id) FROM (SELECT payer_id FROM rizzpay.payments
                                         WHERE payer_id IS NOT NULL LIMIT 3) AS y),
       (SELECT created_at::text FROM rizzpay.payments WHERE merchant_id = %(hot)s
        ORDER BY created_at DESC LIMIT 1 OFFSET 5000),
       (SELECT max(id) FROM rizzpay.audit_log), (SELECT max(xid)::text FROM rizzpay.audit_log),
       now()::text
"""


@pytest.fixture(scope="module")
def grown(cluster):
    """A database of this module with grown tables."""
    name = f"grown_{os.urandom(4).hex()}"
    with cluster.server.connect() as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE twin STRATEGY file_copy")
    settings = msgspec.structs.replace(cluster.settings, name=name)
    target = Target(conninfo(settings, Role.WORKER), conninfo(settings, Role.OWNER))
    filling.grow(target, Plan(payments=PAYMENTS, days=120), lambda *_: None)
    with psycopg.connect(target.worker, autocommit=True) as conn:
        for statement in (ENDPOINTS, DELIVERIES, QR_CODES, QR_PAYMENTS, JOBS, FEW_DUE):
            conn.execute(statement, {"hot": HOT})
    with psycopg.connect(target.owner, autocommit=True) as conn:
        conn.execute("VACUUM (ANALYZE)")
    yield settings
    with cluster.server.connect() as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def connections(grown):
    """The two roles at work; the API's has its merchant and mode set."""
    opened = {
        role: psycopg.connect(conninfo(grown, role), autocommit=True, prepare_threshold=None)
        for role in (Role.APP, Role.WORKER)
    }
    opened[Role.APP].execute(
        "SELECT set_config('app.merchant_id', %s, false), set_config('app.livemode', 'false', "
        "false)",
        [HOT],
    )
    yield opened
    for conn in opened.values():
        conn.close()


@pytest.fixture(scope="module")
def values(connections):
    """Realistic arguments by the name of the parameter, of the merchant with most payments."""
    row = connections[Role.WORKER].execute(SAMPLE, {"hot": HOT}).fetchone()
    payments, refunds, events, deliveries, jobs, claims, payers, *rest = row
    later, audit_id, xid, now = rest
    many = len(payments)
    single = {
        "now": now, "sinces": [now], "merchant_id": HOT, "livemode": "false", "limit": 51,
        "most": 1000,
        "id": payments[0], "payment_id": payments[0], "event_id": None, "endpoint_id": "whe_1",
        "status": None, "created_gte": "-infinity", "created_lt": "infinity", "reference": None,
        "payer_ids": [], "before_at": "infinity",
        "since_before": now, "gateway": None, "fate": None, "object_id": None, "key": payments[0],
        "before_id": "", "after_sequence": 100, "last_sequence": 2**62, "types": ["*"],
        "first_type": "refund.",
        "last_type": "refund.~", "beginnings": [], "older_than": "2026-01-01", "xid": xid,
        "position": 1000, "start": 1000,
        "lease_until": now, "applied_at": now, "key_id": "key", "name": "x", "lock": 1,
        "next_at": None, "attempts": "[]", "rows": "[]", "since": None, "url": "x", "secret": "x",
        "description": "", "event_types": [], "disabled_reason": None, "version": 2,
        "failing_since": None, "previous_secret_expires_at": None, "updated_at": now,
        "created_at": now, "run_at": now, "origin": "event", "parent": "events",
        "month": "2027-01-01", "before": "2020-01-01", "merchant_ids": [HOT] * many,
    }  # fmt: skip
    sets = {
        "ids": payments, "keys": (claims * many)[:many], "object_ids": payments,
        "livemodes": ["false"] * many, "merchants": [HOT], "modes": ["false"], "more": [1],
        "indexes": ["\\x00"], "kinds": ["payment.expire"], "limits": [32],
        "event_ids": events, "tokens": [0] * many, "run_ats": [now] * many,
        "notes": ["x"] * many, "results": ["x"] * many, "positions": [1], "audit_ids": [audit_id],
        "request_ids": payments, "statuses": ["captured"] * many, "bodies": ["\\x00"] * many,
        "gateway_references": ["x"] * many, "rrns": [None] * many, "declines": [None] * many,
        "enquiries": [0] * many, "updated_ats": [now] * many,
        "ats": [now] * many, "gateways": ["sandbox"] * many,
        "names": ["fees"] * many, "currencies": ["INR"] * many,
    }  # fmt: skip
    extra = {
        "refunds": refunds, "deliveries": deliveries, "jobs": jobs, "payers": payers,
        "later": {"before_at": later, "before_id": "pay_"}, "month": "2026-09-01",
    }  # fmt: skip
    return single | sets | {"_": extra}


def cases(query, values):
    """Return the arguments to try for a query: one set, or several for the filters of a list."""
    extra = values["_"]
    codes = {"ids": [f"qr_{n}" for n in range(3, 27, 3)]}
    month = {"created_gte": extra["month"], "before_at": extra["later"]["before_at"]}
    own = {
        "payments.store.PAGE_PAYMENTS[time]": [{}, month, {"status": "captured"}, extra["later"]],
        "payments.store.PAGE_PAYMENTS[status]": [{"status": "failed"}, {"status": "unknown"}],
        "payments.store.PAGE_PAYMENTS[reference]": [{"reference": "order-1"}],
        "payments.store.PAGE_PAYMENTS[payer]": [{"payer_ids": extra["payers"]}],
        "payments.store.PAGE_REFUNDS[time]": [{}, extra["later"]],
        "webhooks.event_list.store.ALL": [{}, {"types": ["payment.captured"]}],
        "webhooks.event_list.store.RARE": [
            {},
            {"first_type": "payment.unknown", "last_type": "payment.unknown"},
            {"first_type": "dispute.", "last_type": "dispute.~"},
        ],
        "webhooks.store.LIST_DELIVERIES": [{}, {"event_id": values["event_ids"][0]}],
        "audit.store.NEXT": [{"id": values["audit_ids"][0] - 5000}],
        "audit.store.OUTSIDE": [{"id": values["audit_ids"][0]}],
        "audit.store.UNSEALED": [{"id": values["audit_ids"][0]}],
        "idempotency.store.COMPLETE": [{"statuses": [200] * len(values["keys"])}],
        "payments.store.UPDATE_PAYMENTS": [UPDATED],
        "payments.store.UPDATE_ATTEMPTS": [
            {
                "ids": [f"att_{id_[4:]}" for id_ in values["ids"]],
                "statuses": ["approved"] * len(values["ids"]),
            }
        ],
        "webhooks.inbound.store.LOAD": [{"ids": list(range(1000, 1064))}],
        "webhooks.inbound.store.MARK": [{"ids": list(range(1000, 1064))}],
        "infra.jobs.FINISH": [{"ids": extra["jobs"]}],
        "infra.jobs.RETRY": [{"ids": extra["jobs"]}],
        "payments.expiry.store.QUEUE": [
            {"kind": "payment.expire", "since": since, "now": values["now"], "most": 500}
            for since in ("2000-01-01", values["now"])
        ],
        "payments.qr_codes.store.QUEUE_OVER": [
            {"kind": "qr_code.expire", "since": since, "now": values["now"], "most": 500}
            for since in ("2000-01-01", values["now"])
        ],
        "payments.qr_codes.store.LOCK": [codes],
        "payments.qr_codes.store.OWNERS": [codes],
        "payments.qr_codes.store.UPDATE": [
            codes
            | {"statuses": ["active"] * 8, "close_reasons": [None] * 8, "closed_ats": [None] * 8}
            | {"counts_received": [1] * 8, "amounts_received": [100] * 8, "versions": [2] * 8}
            | {"updated_ats": [values["now"]] * 8}
        ],
        "payments.qr_codes.store.KNOWN": [
            {"code_ids": ["qr_3"] * 64, "gateway_references": [f"ch_{i}" for i in values["ids"]]}
        ],
        "payments.qr_codes.store.GET": [{"id": "qr_3"}],
        "payments.qr_codes.store.LOCK_ONE": [{"id": "qr_3"}],
        "payments.qr_codes.store.CAME_BY": [{"id": "qr_3"}, {"id": "qr_3", **extra["later"]}],
        "payments.qr_codes.store.PAGE_PAYMENTS": [{"id": "qr_3"}, {"id": "qr_3", **extra["later"]}],
        "infra.jobs.CANCEL": [{"kinds": ["payment.expire"] * 64, "keys": values["ids"]}],
        "payments.store.GET_REFUND": [{"id": extra["refunds"][0]}],
        "webhooks.store.GET_EVENT": [{"id": values["event_ids"][0]}],
        "webhooks.store.GET_DELIVERY": [{"id": extra["deliveries"][0]}],
    }
    return [values | case for case in own.get(f"{query.module}.{query.name}"[8:], [{}])]


def name_of(query):
    return f"{query.module}.{query.name}".removeprefix("rizzpay.")


def table_of(relation):
    """Return the table that a partition is of."""
    return next((table for table in ("events", "webhook_deliveries")
                 if relation.startswith(f"{table}_")), relation)  # fmt: skip


ON_GROWN = [
    query
    for query in queries.queries()
    if any(re.search(rf"rizzpay\.{table}\b", query.text) for table in GROWN)
]


def fault(found):
    """Return what is wrong with a plan, or nothing."""
    read = sorted(
        {
            table
            for node, table in found.scans
            if node == "Seq Scan" and table_of(table) in GROWN and not table.endswith("_rest")
        }
    )
    if read:
        return f"reads {', '.join(read)} from end to end"
    if found.pages is not None and found.pages > PAGES_MAX:
        return f"touches {found.pages} pages"
    return ""


def faults(query, connections, values):
    """Return what is wrong with a query, for each role that may run it and each kind of plan."""
    looks = []
    for (role, conn), mode, case in product(
        connections.items(), MODES, cases(query, values)
    ):  # fmt: skip
        try:
            looks.append(look(conn, role.value, mode, query, case))
        except psycopg.errors.InsufficientPrivilege:
            continue
    assert looks, "no role may run it"
    return [f"{it.role}, {it.mode}: {fault(it)}\n{it.text}" for it in looks if fault(it)]


@pytest.mark.parametrize(
    "query", [query for query in ON_GROWN if name_of(query) not in WHOLE], ids=name_of
)
def test_a_query_finds_its_rows_by_an_index(query, connections, values):
    found = faults(query, connections, values)
    assert not found, "\n".join(found)


def test_only_queries_that_exist_may_read_everything():
    assert set(WHOLE) <= {name_of(query) for query in ON_GROWN}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "SELECT id FROM rizzpay.payments WHERE description = %(name)s",
            "payments from end to end",
        ),
        ("SELECT data FROM rizzpay.events WHERE object_id = %(id)s", "from end to end"),
        (
            (
                "SELECT max(amount) FROM rizzpay.payments WHERE merchant_id = %(merchant_id)s "
                "AND livemode = %(livemode)s AND created_at < %(created_lt)s::timestamptz"
            ),
            "pages|from end to end",
        ),
    ],
)
def test_a_query_without_an_index_would_be_found(text, words, connections, values):
    found = faults(Query("rizzpay.bad.store", "BAD", text), connections, values)
    assert found
    assert re.search(words, found[0])


def test_nothing_lies_in_a_rest(connections):
    row = connections[Role.WORKER].execute(
        "SELECT sum(heap_bytes) FROM rizzpay.partitions WHERE is_rest"
    )
    assert row.fetchone() == (0,)
