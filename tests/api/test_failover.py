"""A payment goes on to another gateway where that is safe: by API, with real acquirers."""

import msgspec
import pytest

from rizzpay import app as composition
from rizzpay.api.views import Renderer
from rizzpay.infra.database import Database, Role
from rizzpay.infra.jobs import Job
from rizzpay.payments.assembly import assemble
from rizzpay.payments.resolving import Resolver

DEAD = "http://127.0.0.1:9"  # discard: nobody listens
TAKEN = """
SELECT count(*), sum(amount) FROM rizzpay.ledger_transfers
WHERE payment_id = %s AND code = 'capture'
"""


@pytest.fixture
def shop(settings, acquirer, client):
    """Open the same merchant's shop at an installation with other gateways, in this order."""
    opened = []

    def open_(gateways, **payments):
        changed = msgspec.structs.replace(
            settings,
            gateways=gateways,
            payments=msgspec.structs.replace(settings.payments, **payments),
        )
        parts = composition.collaborators(changed)
        opened.append(parts)
        return client.at(composition.create_app(changed, parts)), parts, changed

    yield open_
    for parts in opened:
        parts.close()


@pytest.fixture
def dead(acquirer):
    return msgspec.structs.replace(acquirer, base_url=DEAD)


def attempts(shop, payment_id):
    shown = shop.get(f"/v1/payments/{payment_id}?expand[]=attempts").json()["attempts"]
    return [(it["gateway"]["name"], it["status"]) for it in shown]


def taken(settings, payment_id):
    database = Database(settings.database, Role.WORKER, size=1)
    with database.transaction() as conn:
        row = conn.execute(TAKEN, [payment_id]).fetchone()
    database.close()
    return row


def resolve(settings, parts, attempt_id):
    """Ask what became of an attempt, as the worker does when nobody has said so for a while."""
    database = Database(settings.database, Role.WORKER, size=2)
    payments = assemble(settings, database, parts.envelope, parts.router.gateways, Renderer())
    Resolver(payments).resolve(Job(0, "attempt.resolve", attempt_id, None, {}, 1, 0))
    payments.close()
    database.close()


def newest(shop):
    return shop.get("/v1/payments").json()["data"][0]


def test_what_was_not_sent_goes_on_to_the_next(shop, acquirer, dead, settings):
    client, _, _ = shop({"dead": dead, "alive": acquirer})
    answer = client.pay()
    assert answer.status == 201, answer.body
    paid = answer.json()
    assert (paid["status"], paid["gateway"]["name"]) == ("captured", "alive")
    assert attempts(client, paid["id"]) == [("dead", "not_sent"), ("alive", "approved")]
    assert taken(settings, paid["id"]) == (1, 10_000)
    refund = client.post("/v1/refunds", {"payment_id": paid["id"], "amount": 10_000})
    assert refund.json()["status"] == "processed"


def test_a_bank_that_cannot_be_reached_is_tried_through_another(shop, acquirer):
    client, _, _ = shop({"one": acquirer, "two": acquirer})
    answer = client.pay(method={"type": "card", "token": "tok_decline_issuer_unavailable"})
    assert (answer.status, answer.code) == (402, "issuer_unavailable")
    assert attempts(client, newest(client)["id"]) == [("one", "declined"), ("two", "declined")]


@pytest.mark.parametrize(
    ("token", "status", "ends"),
    [
        ("tok_timeout_nothing", 504, "unknown"),
        ("tok_timeout_success", 504, "unknown"),
        ("tok_error_success", 504, "unknown"),
        ("tok_decline_generic", 402, "declined"),
        ("tok_late_authorization", 402, "declined"),
    ],
)
def test_what_is_unknown_or_the_banks_no_stays_where_it_is(shop, acquirer, token, status, ends):
    client, _, _ = shop({"one": acquirer, "two": acquirer})
    assert client.pay(method={"type": "card", "token": token}).status == status
    assert attempts(client, newest(client)["id"]) == [("one", ends)]


def test_a_customer_is_not_kept_waiting_for_another(shop, acquirer, dead):
    client, _, _ = shop({"dead": dead, "alive": acquirer}, failover_within_s=0)
    assert client.pay().code == "gateway_unreachable"
    assert attempts(client, newest(client)["id"]) == [("dead", "not_sent")]


def test_when_none_can_be_reached_the_last_one_answers(shop, dead):
    client, _, _ = shop({"one": dead, "two": dead, "three": dead})
    assert client.pay().code == "gateway_unreachable"
    assert attempts(client, newest(client)["id"]) == [
        (name, "not_sent") for name in ("one", "two", "three")
    ]


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_crash_round_the_second_gateway_takes_nothing_twice(shop, acquirer, dead, settings, at):
    client, parts, changed = shop({"dead": dead, "alive": acquirer})
    connector = parts.router.gateways.get("alive").connector
    real = connector.authorize

    def crash(request):
        if at == "after":
            real(request)
        raise KeyError("as if the process had ended here")

    connector.authorize = crash
    body = {"amount": 10_000, "method": {"type": "card", "token": "tok_approve"}}
    key = f"crashes-{at}-it-is-asked"
    assert client.send("POST", "/v1/payments", body, key=key).status == 500
    del connector.authorize
    payment = newest(client)
    [(_, first), (_, second)] = attempts(client, payment["id"])
    assert (first, second, payment["status"]) == ("not_sent", "created", "processing")
    shown = client.get(f"/v1/payments/{payment['id']}?expand[]=attempts").json()["attempts"]
    resolve(changed, parts, shown[1]["id"])
    after = client.get(f"/v1/payments/{payment['id']}").json()
    replay = client.send("POST", "/v1/payments", body, key=key)
    if at == "after":
        assert (after["status"], replay.status) == ("captured", 201)
        assert taken(settings, payment["id"]) == (1, 10_000)
    else:
        assert (after["status"], replay.code) == ("failed", "gateway_never_received_it")
        assert taken(settings, payment["id"]) == (0, None)
