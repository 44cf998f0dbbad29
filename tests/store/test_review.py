"""Every rupee whose fate is open: listed, asked about at once, and gone when it is known."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.gateways import port
from rizzpay.infra import jobs
from rizzpay.infra.jobs import NewJob
from rizzpay.payments import authorizing
from rizzpay.payments.model import RESOLVE_ATTEMPT
from rizzpay.payments.review import desk as review
from rizzpay.payments.review.model import Fate, Matter, Total, Wanted
from rizzpay.payments.service import on_existing
from rizzpay.payments.writer import Write
from tests.store import test_applying_callbacks
from tests.store.test_repeated_references import AnswersAlways

desk = test_applying_callbacks.desk

APPROVED = port.Approved("ch_late", Money(10_000, "INR"), captured=True)
OPEN_CASES = "SELECT object_id, reason FROM rizzpay.review_cases WHERE closed_at IS NULL"
ATTEMPTS = "SELECT key, attempts FROM rizzpay.jobs WHERE kind = 'attempt.resolve'"
DUE = "SELECT key, run_at <= now() FROM rizzpay.jobs WHERE kind = 'attempt.resolve'"
TRAIL = "SELECT actor, action FROM rizzpay.audit_log WHERE action = 'payment.enquiry_asked'"


def everything(**wanted):
    """Ask for what is open, however new it is."""
    return Wanted(since_before=clock.now() + timedelta(minutes=1), **wanted)


def opened(desk, **wanted) -> list[Matter]:
    with desk.parts.database.transaction() as conn:
        return review.open_matters(conn, everything(**wanted), 100)


def totals(desk, **wanted) -> list[Total]:
    with desk.parts.database.transaction() as conn:
        return review.totals(conn, everything(**wanted))


def ask(desk, object_id) -> list[str]:
    with desk.parts.database.transaction() as conn:
        return [matter.object_id for matter in review.ask_now(conn, object_id, "operator:asha")]


def enquire(desk, attempt_id, outcome, *, earlier=0):
    """Let the worker ask about an attempt that it asked about `earlier` times."""
    gateways = desk.parts.gateways.by_name
    sandbox = gateways["sandbox"]
    with desk.parts.database.transaction() as conn:
        jobs.enqueue(conn, [NewJob(RESOLVE_ATTEMPT, attempt_id, clock.now(), tenant=desk.tenant)])
        conn.execute("UPDATE rizzpay.jobs SET attempts = %s WHERE key = %s", (earlier, attempt_id))
        (job,) = jobs.lease(conn, clock.now(), {RESOLVE_ATTEMPT: 1}, 60)
    gateways["sandbox"] = replace(sandbox, connector=AnswersAlways(outcome))
    verdict = desk.parts.resolver.resolve(job)
    gateways["sandbox"] = sandbox
    with desk.parts.database.transaction() as conn:
        if isinstance(verdict, jobs.Again):
            jobs.retry(conn, [(job, verdict)])
        else:
            jobs.finish(conn, job)


def lose_sight(desk, attempt_id, payment_id):
    """Write that nobody knows whether the gateway took the money."""
    desk.parts.resolver.parts.writer.submit(
        Write(
            tenant=desk.tenant,
            payment_id=payment_id,
            decide=on_existing(
                lambda snapshot, context: authorizing.conclude(
                    snapshot, attempt_id, port.Unknown("no answer in 5 s"), context
                )
            ),
            actor="gateway:sandbox",
        )
    )


def unknown(desk):
    payment_id, attempt_id = desk.begin()
    lose_sight(desk, attempt_id, payment_id)
    return payment_id, attempt_id


def test_an_unknown_amount_is_shown_with_its_age_next_enquiry_and_evidence(desk):
    payment_id, attempt_id = unknown(desk)
    (matter,) = opened(desk)
    assert (matter.object_id, matter.payment_id) == (attempt_id, payment_id)
    assert (matter.merchant_id, matter.livemode) == (
        desk.tenant.merchant_id,
        desk.tenant.livemode,
    )
    assert (matter.what, matter.fate) == ("authorize", Fate.UNKNOWN)
    assert (matter.amount, matter.currency, matter.gateway) == (10_000, "INR", "sandbox")
    assert matter.evidence == "no answer in 5 s"
    assert matter.since < clock.now() < matter.next_enquiry_at
    assert (matter.enquiries, matter.case_id) == (0, None)
    assert totals(desk) == [Total(Fate.UNKNOWN, desk.tenant.livemode, "INR", 1, 10_000)]


def test_what_is_known_is_not_open(desk):
    _, attempt_id = desk.begin()
    desk.send(attempt_id)
    assert desk.work() == []
    assert (opened(desk), totals(desk)) == ([], [])


def test_a_case_is_opened_once_and_closed_by_the_answer(desk):
    _, attempt_id = unknown(desk)
    last = len(desk.parts.config.payments.resolve_schedule_s)
    for earlier in (last - 1, last):
        enquire(desk, attempt_id, port.Unknown("silent"), earlier=earlier)
    (matter,) = opened(desk)
    assert (matter.case_reason, matter.enquiries) == ("unknown_outcome", 2)
    assert desk.count(OPEN_CASES) == {attempt_id: "unknown_outcome"}
    enquire(desk, attempt_id, APPROVED, earlier=last + 1)
    assert (opened(desk), desk.count(OPEN_CASES)) == ([], {})


def test_a_callback_closes_the_case_as_well(desk):
    _, attempt_id = unknown(desk)
    last = len(desk.parts.config.payments.resolve_schedule_s)
    enquire(desk, attempt_id, port.Unknown("silent"), earlier=last - 1)
    desk.send(attempt_id)
    assert desk.work() == []
    assert (opened(desk), desk.count(OPEN_CASES)) == ([], {})


def test_a_conflicted_payment_is_shown_with_what_the_gateway_said(desk):
    payment_id, attempt_id = desk.begin()
    desk.send(attempt_id, amount=9_900)
    assert desk.work() == []
    (matter,) = opened(desk)
    assert (matter.object_id, matter.fate) == (payment_id, Fate.CONFLICTED)
    assert matter.evidence == "the gateway reports 9900 INR"
    assert (matter.case_reason, matter.next_enquiry_at) == ("conflicted", None)
    with pytest.raises(Refused) as caught:
        ask(desk, payment_id)
    assert caught.value.code == "operation_not_possible"


def test_lists_are_narrowed_and_totals_count_what_is_not_listed(desk):
    pairs = [unknown(desk) for _ in range(3)]
    waiting = desk.begin()
    with desk.parts.database.transaction() as conn:
        assert len(review.open_matters(conn, everything(), 2)) == 2
    assert [matter.object_id for matter in opened(desk, fate=Fate.UNKNOWN)] == [
        attempt_id for _, attempt_id in pairs
    ]
    assert [matter.object_id for matter in opened(desk, fate=Fate.PROCESSING)] == [waiting[1]]
    for object_id in pairs[1]:
        assert [matter.object_id for matter in opened(desk, object_id=object_id)] == [pairs[1][1]]
    for nothing in (
        {"gateway": "another"},
        {"merchant_id": ids.new_id("merchant", clock.now())},
        {"livemode": not desk.tenant.livemode},
    ):
        assert (opened(desk, **nothing), totals(desk, **nothing)) == ([], [])
    assert {(total.fate, total.count, total.amount) for total in totals(desk)} == {
        (Fate.UNKNOWN, 3, 30_000),
        (Fate.PROCESSING, 1, 10_000),
    }
    with desk.parts.database.transaction() as conn:
        old = Wanted(since_before=clock.now() - timedelta(minutes=1))
        assert review.open_matters(conn, old, 10) == []


def test_asking_brings_the_enquiry_forward_and_keeps_its_count(desk):
    payment_id, attempt_id = unknown(desk)
    enquire(desk, attempt_id, port.Unknown("silent"), earlier=3)
    assert (desk.count(DUE), desk.count(ATTEMPTS)) == ({attempt_id: False}, {attempt_id: 4})
    assert ask(desk, payment_id) == [attempt_id]
    assert (desk.count(DUE), desk.count(ATTEMPTS)) == ({attempt_id: True}, {attempt_id: 4})
    assert desk.count(TRAIL) == {"operator:asha": "payment.enquiry_asked"}


def test_a_lost_job_is_seen_and_made_again(desk):
    _, attempt_id = unknown(desk)
    with desk.parts.database.transaction() as conn:
        jobs.cancel(conn, [(RESOLVE_ATTEMPT, attempt_id)])
    (matter,) = opened(desk)
    assert matter.next_enquiry_at is None
    assert ask(desk, attempt_id) == [attempt_id]
    assert desk.count(DUE) == {attempt_id: True}


def test_nothing_is_asked_about_what_is_not_open(desk):
    payment_id, attempt_id = desk.begin()
    desk.send(attempt_id)
    assert desk.work() == []
    for object_id in (payment_id, attempt_id, ids.new_id("refund", clock.now()), "'; --"):
        with pytest.raises(Refused) as caught:
            ask(desk, object_id)
        assert caught.value.code == "not_found"
    assert desk.count(TRAIL) == {}


# The command


@pytest.fixture
def config(own_database, tmp_path):
    """A settings file that leads to the database of this test."""
    base = tmp_path / "rizzpay.toml"
    database = msgspec.to_builtins(own_database)
    lines = [f"{name} = {json.dumps(value)}" for name, value in database.items()]
    fixed = f"""
[service]
deployment = "embedded"
run_dir = "{tmp_path}"
data_dir = "{tmp_path}"
public_url = "https://127.0.0.1:8443"
[cache]
[hsm]
socket = "s"
module = "m"
token_label = "t"
pin_file = "p"
inventory = "i"
[database]
"""
    base.write_text(fixed + "\n".join(lines))
    return str(base)


def rizzpay(config, *arguments):
    """Run `rizzpay unknown`; returns the finished process."""
    return subprocess.run(
        [sys.executable, "-m", "rizzpay", "--config", config, "unknown", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_lists_and_asks(desk, config):
    payment_id, attempt_id = unknown(desk)
    shown = rizzpay(config, "list", "--older-than", "0s")
    assert shown.returncode == 0
    assert attempt_id in shown.stdout
    assert "test unknown: 1 with 100.00 INR" in shown.stdout
    told = json.loads(rizzpay(config, "list", "--older-than", "0s", "--json").stdout)
    assert told["matters"][0]["payment_id"] == payment_id
    assert told["totals"][0]["amount"] == 10_000
    asked = rizzpay(config, "ask", payment_id, "--json")
    assert json.loads(asked.stdout) == {"asked": [attempt_id]}
    assert desk.count(DUE) == {attempt_id: True}
    assert rizzpay(config, "list", "--older-than", "1h").stdout == "Nothing is open.\n"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["list", "--older-than", "soon"], 2, "90s, 10m, 6h or 2d"),
        (["list", "--fate", "lost"], 2, "conflicted"),
        (["list", "--limit", "0"], 2, "1<=x<=10000"),
        (["ask", "pay_1"], 2, "the id of a payment"),
        (["ask", "pay_01M80PEFQJ5T7P9K8B5XHGTK8H"], 1, "Nothing is open under this id"),
    ],
)
def test_wrong_use_is_told(config, arguments, status, words):
    done = rizzpay(config, *arguments)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr
