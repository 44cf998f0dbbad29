"""`rizzpay webhooks`, run as an operator or a merchant's developer runs it."""

import json
import stat
import subprocess
import sys

import msgspec
import pytest

from rizzpay.core import clock
from rizzpay.webhooks import signing
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import NOON

BODY = b'{"id":"evt_1","type":"payment.captured","data":{"object":{"amount":50000}}}'


def rizzpay(*arguments, config="/does/not/exist.toml"):
    """Run the command; returns the finished process."""
    return subprocess.run(
        [sys.executable, "-m", "rizzpay", "--config", config, "webhooks", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def config(postgres, tmp_path):
    """A settings file that leads to the database of this session."""
    base = tmp_path / "rizzpay.toml"
    database = msgspec.to_builtins(postgres)
    lines = [f"{name} = {json.dumps(value)}" for name, value in database.items()]
    base.write_text(
        "\n".join(
            [
                "[service]",
                'deployment = "embedded"',
                f'run_dir = "{tmp_path}"',
                'public_url = "https://127.0.0.1:8443"',
                f'data_dir = "{tmp_path}"',
                "[database]",
                *lines,
                "[cache]",
                "[hsm]",
                'socket = "s"',
                'module = "m"',
                'token_label = "t"',
                'pin_file = "p"',
                'inventory = "i"',
            ]
        )
    )
    return str(base)


@pytest.fixture
def received(tmp_path):
    """A received webhook in three files; returns their options."""
    secret = signing.new_secret()
    headers = signing.headers([secret], "evt_1", clock.now(), BODY)
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "headers").write_text(
        "POST /hook HTTP/1.1\n" + "".join(f"{name}: {text}\n" for name, text in headers.items())
    )
    (tmp_path / "secret").write_text(secret.reveal() + "\n")
    (tmp_path / "secret").chmod(0o600)
    return [f"--{part}={tmp_path / part.removesuffix('-file')}" for part in FILES]


FILES = ("body", "headers", "secret-file")


def test_a_genuine_webhook_verifies_and_ends_with_zero(received):
    done = rizzpay("verify", *received)
    assert (done.returncode, done.stdout) == (0, "genuine: The signature is right.\n")


def test_a_forged_webhook_ends_with_one_and_says_so_in_json(received, tmp_path):
    (tmp_path / "body").write_bytes(BODY.replace(b"50000", b"1"))
    done = rizzpay("verify", *received, "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["genuine"], answer["finding"]) == (False, "no_match")


def test_a_body_that_was_written_again_is_explained(received, tmp_path):
    (tmp_path / "body").write_text(json.dumps(json.loads(BODY), indent=2))
    done = rizzpay("verify", *received)
    assert done.returncode == 1
    assert "raw bytes" in done.stdout


def test_an_old_webhook_is_checked_when_its_age_does_not_matter(received, tmp_path):
    secret = signing.Secret((tmp_path / "secret").read_text().strip())
    headers = signing.headers([secret], "evt_1", NOON.replace(year=2020), BODY)
    (tmp_path / "headers").write_text("\n".join(f"{n}: {text}" for n, text in headers.items()))
    assert rizzpay("verify", *received).stdout.startswith("too_old")
    assert rizzpay("verify", *received, "--any-age").returncode == 0


def test_a_secret_that_others_can_read_or_that_is_none_is_refused(received, tmp_path):
    (tmp_path / "secret").chmod(0o644)
    done = rizzpay("verify", *received)
    assert done.returncode == 2
    assert "chmod 600" in done.stderr
    (tmp_path / "secret").chmod(stat.S_IRUSR | stat.S_IWUSR)
    (tmp_path / "secret").write_text("hunter2")
    done = rizzpay("verify", *received)
    assert done.returncode == 2
    assert "whsec_" in done.stderr
    assert "hunter2" not in done.stderr


def test_deliveries_are_listed_with_their_attempts(world, config):
    with Receiver() as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        (event,) = world.send()
    shown = rizzpay("deliveries", world.tenant.merchant_id, "--json", config=config)
    assert shown.returncode == 0, shown.stderr
    (delivery,) = json.loads(shown.stdout)["deliveries"]
    assert (delivery["event_id"], delivery["endpoint_id"]) == (event.id, endpoint.id)
    assert delivery["attempts"][0]["status"] == 200
    table = rizzpay("deliveries", world.tenant.merchant_id, "--event", event.id, config=config)
    assert event.id in table.stdout
    none = rizzpay(
        "deliveries", world.tenant.merchant_id, "--status", "failed", "--json", config=config
    )
    assert json.loads(none.stdout) == {"deliveries": []}


def test_an_event_and_a_range_are_replayed(world, config):
    with Receiver() as receiver:
        world.add_endpoint(receiver.url)
        events = world.publish("payment.created", "payment.captured", "refund.created")
    merchant = world.tenant.merchant_id
    one = rizzpay("replay", merchant, "--event", events[0].id, "--json", config=config)
    assert json.loads(one.stdout) == {"events": 1, "deliveries": 1}, one.stderr
    some = rizzpay(
        "replay", merchant, "--from-sequence", "2", "--type", "payment.*", "--json", config=config
    )
    assert json.loads(some.stdout) == {"events": 1, "deliveries": 1}
    timed = rizzpay("replay", merchant, "--since", "2026-11-21T12:00:00Z", config=config)
    assert timed.stdout == "3 deliveries of 3 events are on their way\n"
    live = rizzpay("replay", merchant, "--live", "--event", events[0].id, config=config)
    assert (live.returncode, live.stderr) == (1, "Error: event_not_found\n")
    with world.worker.transaction() as conn:
        row = conn.execute(
            "SELECT DISTINCT actor FROM rizzpay.audit_log "
            "WHERE merchant_id = %s AND action = 'event.replayed'",
            [merchant],
        ).fetchall()
    assert [actor.split(":")[0] for (actor,) in row] == ["operator"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--event", "evt_1"],
        ["--event", "evt_01M7YT96NHXZFY4KV7K3SKX9KK", "--from-sequence", "1"],
        ["--since", "yesterday"],
    ],
)
def test_a_replay_says_what_it_needs(arguments):
    done = rizzpay("replay", "mer_01M7YT96NHXZFY4KV7K3SKX9KK", *arguments)
    assert done.returncode == 2
    assert "Usage" in done.stderr


@pytest.mark.parametrize("name", ["", "deliveries", "replay", "verify"])
def test_every_command_explains_itself(name):
    done = rizzpay(*([name] if name else []), "--help")
    assert done.returncode == 0
    assert "webhook" in done.stdout.lower() or "event" in done.stdout.lower()
